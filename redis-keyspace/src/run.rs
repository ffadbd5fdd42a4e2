//! Running a request when it is not done by handing it to an open lane: connecting, and trying again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::command::Request;
use crate::connect::health::ServerRun;
use crate::connect::lane::Replies;
use crate::connect::lane::resp::Reply;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::handle::Binding;

/// Runs a request within its deadline. `failure` is how a first attempt ended, if there was one.
///
/// An attempt that could not connect has sent nothing, so every request may be tried again then; one whose connection
/// was lost may have been executed, so only a repeatable one is.
pub(crate) async fn run(
    binding: Arc<Binding>,
    request: Request,
    deadline: Deadline,
    repeatable: bool,
    failure: Option<Error>,
) -> Result<Replies> {
    let outcome = run_on(binding, request, deadline, repeatable, failure, None).await;
    outcome.map(|(replies, _)| replies)
}

/// The same, preferably on this server; says which one has answered, where that is known.
pub(crate) async fn run_on(
    binding: Arc<Binding>,
    request: Request,
    deadline: Deadline,
    repeatable: bool,
    mut failure: Option<Error>,
    preferred: Option<ServerRun>,
) -> Result<(Replies, Option<ServerRun>)> {
    let mut retries = 0;
    loop {
        if let Some(failure) = failure.take() {
            let pause = backoff(binding.retry_delay, retries);
            if retries >= binding.retries || Instant::now() + pause >= deadline.at() {
                return Err(failure);
            }
            count!("redis_keyspace_retries_total");
            observe!(debug, retry = retries + 1, error = %failure, "trying again");
            retries += 1;
            tokio::time::sleep(pause).await;
        }
        if binding.closed.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        let pool = binding.pool();
        match pool.run(&request, &binding.namespace, deadline, &binding.closed, preferred).await {
            Err(error) if may_be_repeated(&error, repeatable) => failure = Some(error),
            Ok((replies, server)) => {
                renew_if_replica(&replies, &binding);
                match not_run(&request, &replies, repeatable) {
                    // With the replies at hand, the caller learns most from them.
                    Some(_) if !may_go_on(&binding, retries, deadline) => return Ok((replies, server)),
                    Some(error) => failure = Some(error),
                    None => return Ok((replies, server)),
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether there are retries and time left for another attempt.
fn may_go_on(binding: &Binding, retries: u32, deadline: Deadline) -> bool {
    let longest = backoff(binding.retry_delay, retries).mul_f32(3.0);
    retries < binding.retries && Instant::now() + longest < deadline.at()
}

/// Whether a request that failed like this may run again. Without a connection nothing was sent; with one that was lost it
/// may have been executed.
pub(crate) fn may_be_repeated(error: &Error, repeatable: bool) -> bool {
    // An open breaker is not asked again: it finds out by itself when there is something to try.
    (error.kind() == ErrorKind::Unavailable && !error.is_breaker_open())
        || (repeatable && error.is_connection_lost())
        || error.is_not_run()
}

/// The error by which a server says that it has not run a request, or, of one that may run twice, not all of it, and may later.
pub(crate) fn not_run(request: &Request, replies: &Replies, repeatable: bool) -> Option<Error> {
    let refusal = |reply: &Reply| match reply {
        Reply::Error(said) => Some(Error::server(said)).filter(Error::is_not_run),
        _ => None,
    };
    match replies {
        Replies::One(reply) => refusal(reply),
        Replies::Many(replies) => {
            // What goes along may run as often as it likes.
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
            // A command that could not be queued has its EXEC refused, and nothing is run.
            let aborted = matches!(request, Request::Atomic(_))
                && matches!(replies.last(), Some(Reply::Error(said)) if said.starts_with("EXECABORT"));
            (all || aborted || repeatable).then_some(first)
        }
    }
}

/// A master that has become a replica: the name of the server stands for another one now, or will soon. Whatever else was
/// answered, the connections to it are no good any longer.
pub(crate) fn renew_if_replica(replies: &Replies, binding: &Binding) {
    if says_replica(replies) {
        binding.pool().renew();
    }
}

/// Whether a command was refused because the server is a replica.
pub(crate) fn says_replica(replies: &Replies) -> bool {
    let says = |reply: &Reply| matches!(reply, Reply::Error(said) if said.starts_with("READONLY"));
    match replies {
        Replies::One(reply) => says(reply),
        Replies::Many(replies) => replies.iter().any(says),
    }
}

/// Doubles with each retry; the jitter keeps a thousand callers from coming back as one.
fn backoff(first: Duration, retries: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(1);
    let pause = first.saturating_mul(1 << retries.min(16)).min(LONGEST.max(first));
    jittered(pause)
}

/// Between half of a pause and one and a half.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_vary_and_stay_bounded() {
        let first = Duration::from_millis(20);
        for retries in 0..100 {
            let pause = backoff(first, retries);
            let middle = first.saturating_mul(1 << retries.min(16)).min(Duration::from_secs(1));
            assert!(pause >= middle / 2 && pause <= middle * 3 / 2, "{retries}: {pause:?}");
        }
        assert!((0..100).map(|_| backoff(first, 3)).collect::<std::collections::HashSet<_>>().len() > 50);
    }
}
