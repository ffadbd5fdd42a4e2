//! Which failures permit that a request is sent again.

use std::time::Duration;

use super::binding::Binding;
use crate::error::{Error, ErrorKind};
use crate::key::KeyText;
use crate::protocol::{Replies, Reply, Request, Wire};

/// The longest pause between two attempts, unless the configured first pause is longer. A waiting
/// command is sent again at most this long after the server is back.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Records that a request is sent again after this failure.
pub(super) fn note_retry(retry: u32, failure: &Error) {
    count!("redis_keyspace_retries_total");
    event!(debug, "retrying", retry = retry, error = %failure);
}

/// Records that a request follows a redirection.
pub(super) fn note_redirection() {
    count!("redis_keyspace_redirections_total");
}

/// Removes the copies of the keys that a request writes, until the result is dropped.
pub(super) fn forget_copies(binding: &Binding, request: &Request) -> Vec<impl Drop> {
    let copies = &binding.pool().local.reads.copies;
    if !copies.is_used() {
        return Vec::new();
    }
    let names = written(request).into_iter().map(|key| binding.wire_name(key.as_str()));
    names.map(|name| copies.forgetting(name)).collect()
}

/// Returns the keys whose values a request writes.
pub(crate) fn written(request: &Request) -> Vec<&KeyText> {
    let mut keys = Vec::new();
    request.visit(&mut |wire| {
        if let Wire::Packet(packet) = wire
            && packet.ends_fills()
        {
            keys.extend(packet.keys.as_slice());
        }
    });
    keys
}

/// Returns whether a request that failed with this error may run again.
pub(crate) fn may_be_repeated(error: &Error, repeatable: bool) -> bool {
    // No retry while the breaker is open: it probes the server by itself.
    (error.kind() == ErrorKind::Unavailable && !error.is_breaker_open())
        || (repeatable && error.is_connection_lost())
        || error.is_not_run()
}

/// Returns the error with which the server reported that it did not run the request. If the request
/// may run twice, one part that did not run is enough.
#[inline]
pub(crate) fn not_run(request: &Request, replies: &Replies, repeatable: bool) -> Option<Error> {
    let has_error = replies.as_slice().iter().any(|reply| matches!(reply, Reply::Error(_)));
    if has_error { why_not_run(request, replies, repeatable) } else { None }
}

/// Whether any command was not run.
pub(crate) fn has_refusal(replies: &Replies) -> bool {
    replies.as_slice().iter().any(|reply| refusal(reply).is_some())
}

/// Whether a command was redirected, so the server must be a node of a cluster.
pub(crate) fn is_redirected(replies: &Replies) -> bool {
    let redirects =
        |reply: &Reply| matches!(reply, Reply::Error(said) if Error::server(said).redirect().is_some());
    replies.as_slice().iter().any(redirects)
}

/// The same, and if the command may run twice, also the error of a proxy that lost its server.
fn failure(reply: &Reply, repeatable: bool) -> Option<Error> {
    let lost = |said: &String| Some(Error::server(said)).filter(Error::is_connection_lost);
    match reply {
        Reply::Error(said) if repeatable => refusal(reply).or_else(|| lost(said)),
        _ => refusal(reply),
    }
}

/// Returns the error with which the server reported that it did not run a command.
fn refusal(reply: &Reply) -> Option<Error> {
    match reply {
        Reply::Error(said) => Some(Error::server(said)).filter(Error::is_not_run),
        _ => None,
    }
}

#[cold]
fn why_not_run(request: &Request, replies: &Replies, repeatable: bool) -> Option<Error> {
    match replies.as_slice() {
        [reply] if matches!(request, Request::One(_)) => failure(reply, repeatable),
        replies => {
            // Commands that the library added may run any number of times, so they are ignored
            // here.
            let packets = if let Request::Pipeline(packets) = request { packets.as_slice() } else { &[] };
            let is_aside = |index: usize| packets.get(index).is_some_and(|packet| packet.aside);
            let asked_for = replies.iter().enumerate().filter(|&(index, _)| !is_aside(index));
            let mut asked_for = asked_for.map(|(_, reply)| failure(reply, repeatable));
            let mut all = true;
            let first = asked_for.by_ref().find_map(|refusal| {
                all &= refusal.is_some();
                refusal
            })?;
            all &= asked_for.all(|refusal| refusal.is_some());
            // If a command could not be queued, EXEC is rejected, and nothing runs. Nor does
            // anything run if a cluster rejects EXEC because the keys are being moved.
            let aborted = matches!(request, Request::Atomic(_))
                && replies.last().is_some_and(|exec| {
                    let is_abort = matches!(exec, Reply::Error(said) if said.starts_with("EXECABORT"));
                    is_abort || refusal(exec).is_some()
                });
            (all || aborted || repeatable).then_some(first)
        }
    }
}

/// Replaces the connections if the server became a replica: its name resolves to another server
/// now, or will soon.
pub(crate) fn renew_if_replica(replies: &Replies, binding: &Binding) {
    if is_answered_by_replica(replies) {
        binding.pool().renew();
    }
}

/// Returns whether a command was rejected because the server is a replica.
#[inline]
pub(crate) fn is_answered_by_replica(replies: &Replies) -> bool {
    let says = |reply: &Reply| matches!(reply, Reply::Error(said) if said.starts_with("READONLY"));
    replies.as_slice().iter().any(says)
}
