//! Runs requests: connects and retries.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::binding::Binding;
use crate::connect::{ServerRun, Submitted};
use crate::error::{Error, ErrorKind, Result};
use crate::key::KeyText;
use crate::protocol::{Replies, Reply, Request, Wire};
use crate::time::{Backoff, Deadline};

/// The longest pause between two attempts, unless the configured first pause is longer. A waiting
/// command is sent again at most this long after the server is back.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Queues a request on an open connection, without waiting.
#[inline]
pub(crate) fn submit(binding: &Binding, request: &Request, deadline: Deadline) -> Submitted {
    if binding.pool().local.reads.copies.is_used() && !written(request).is_empty() {
        // `run` removes the copies of the written keys.
        return Submitted::NoLane;
    }
    if let Err(error) = request.check_names() {
        return Submitted::Refused(error);
    }
    binding.pool().submit(request, &binding.namespace, deadline)
}

/// Runs a request within its deadline. `failure` is the error of a first attempt, if there was one.
///
/// If an attempt could not connect, nothing was sent, so any request is retried. If the connection
/// was lost, the request may have been executed, so only a repeatable request is retried.
pub(crate) async fn run(
    binding: Arc<Binding>,
    request: impl Borrow<Request>,
    deadline: Deadline,
    repeatable: bool,
    failure: Option<Error>,
) -> Result<Replies> {
    let outcome = run_on(binding, request, deadline, repeatable, failure, None).await;
    outcome.map(|(replies, _)| replies)
}

/// Like [`run`], preferably on this run of the server. Returns which run answered, if it is known.
pub(crate) async fn run_on(
    binding: Arc<Binding>,
    request: impl Borrow<Request>,
    deadline: Deadline,
    repeatable: bool,
    mut failure: Option<Error>,
    preferred: Option<ServerRun>,
) -> Result<(Replies, Option<ServerRun>)> {
    let request = request.borrow();
    request.check_names()?;
    binding.require_server()?;
    let mut retries = 0;
    let mut backoff = Backoff::new(binding.retry_delay, LONGEST_PAUSE.max(binding.retry_delay));
    let mut forgetting = Vec::new();
    loop {
        if let Some(failure) = failure.take() {
            let pause = backoff.pause();
            if retries >= binding.retries || Instant::now() + pause >= deadline.at() {
                return Err(failure);
            }
            count!("redis_keyspace_retries_total");
            event!(debug, "retrying", retry = retries + 1, error = %failure);
            retries += 1;
            tokio::time::sleep(pause).await;
        }
        if binding.closed.is_set() {
            return Err(Error::closed());
        }
        let copies = &binding.pool().local.reads.copies;
        if forgetting.is_empty() && copies.is_used() {
            // Until this function returns: a value that is read while the write is in flight may be
            // older than the write.
            let names = written(request).into_iter().map(|key| binding.wire_name(key.as_str()));
            forgetting = names.map(|name| copies.forgetting(name)).collect();
        }
        let running = binding.pool().run(request, &binding.namespace, deadline, &binding.closed, preferred);
        let outcome = binding.watch(deadline).bound(running).await;
        match outcome {
            Err(error) if may_be_repeated(&error, repeatable) => failure = Some(error),
            Ok((replies, server)) => {
                renew_if_replica(&replies, &binding);
                match not_run(request, &replies, repeatable) {
                    // Without another attempt, the replies are the most informative result.
                    Some(_) if retries >= binding.retries || no_time_for(&backoff, deadline) => {
                        return Ok((replies, server));
                    }
                    Some(error) => failure = Some(error),
                    None => return Ok((replies, server)),
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn no_time_for(backoff: &Backoff, deadline: Deadline) -> bool {
    Instant::now() + backoff.at_most() >= deadline.at()
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

#[cold]
fn why_not_run(request: &Request, replies: &Replies, repeatable: bool) -> Option<Error> {
    let refusal = |reply: &Reply| match reply {
        Reply::Error(said) => Some(Error::server(said)).filter(Error::is_not_run),
        _ => None,
    };
    match replies.as_slice() {
        [reply] if matches!(request, Request::One(_)) => refusal(reply),
        replies => {
            // Commands that the library added may run any number of times, so they are ignored
            // here.
            let packets = if let Request::Pipeline(packets) = request { packets.as_slice() } else { &[] };
            let is_aside = |index: usize| packets.get(index).is_some_and(|packet| packet.aside);
            let asked_for = replies.iter().enumerate().filter(|&(index, _)| !is_aside(index));
            let mut asked_for = asked_for.map(|(_, reply)| refusal(reply));
            let mut all = true;
            let first = asked_for.by_ref().find_map(|refusal| {
                all &= refusal.is_some();
                refusal
            })?;
            all &= asked_for.all(|refusal| refusal.is_some());
            // If a command could not be queued, EXEC is rejected, and nothing runs.
            let aborted = matches!(request, Request::Atomic(_))
                && matches!(replies.last(), Some(Reply::Error(said)) if said.starts_with("EXECABORT"));
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
