//! Runs requests: connects and retries.

use std::borrow::Borrow;
use std::sync::Arc;

use tokio::time::Instant;

use super::binding::Binding;
use super::known::learn_missing;
use super::refusals::{
    LONGEST_PAUSE, forget_copies, is_redirected, may_be_repeated, not_run, note_retry, renew_if_replica,
    written,
};
use super::spread::{FirstAttempt, spread};
use crate::connect::{Node, ServerRun, Submitted};
use crate::error::{Error, Result};
use crate::protocol::{Division, ReplacedCommand, Replies, Request};
use crate::time::{Backoff, Deadline};

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
/// On a cluster, the commands run on the nodes that serve their keys, at the same time. A command
/// on many keys that promises nothing about all of them together is divided.
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
    let request = request.borrow();
    let replies = run_divided(&binding, request, deadline, repeatable, failure, Division::BySlot).await?;
    with_scripts(&binding, request, deadline, replies).await
}

/// Runs the commands again that a server did not run because it did not know their script.
async fn with_scripts(
    binding: &Arc<Binding>,
    request: &Request,
    deadline: Deadline,
    replies: Replies,
) -> Result<Replies> {
    let Some((unknown, places)) = request.with_unknown_scripts(&replies) else { return Ok(replies) };
    if request.lost_read_only(&unknown) {
        learn_missing(binding, request, ReplacedCommand::EvalRo);
    }
    let again = Box::pin(run_divided(binding, &unknown, deadline, false, None, Division::BySlot)).await?;
    Ok(replies.with_replaced(&places, again))
}

/// Like [`run`], for a transaction: all keys must be in one slot of a cluster.
pub(crate) async fn run_whole(
    binding: &Arc<Binding>,
    request: &Request,
    deadline: Deadline,
) -> Result<Replies> {
    let replies = run_divided(binding, request, deadline, false, None, Division::Never).await?;
    request.without_failures(replies)
}

async fn run_divided(
    binding: &Arc<Binding>,
    request: &Request,
    deadline: Deadline,
    repeatable: bool,
    failure: Option<Error>,
    division: Division,
) -> Result<Replies> {
    let mut first = FirstAttempt::None;
    if binding.pool().cluster().is_none() {
        match run_on(binding, request, deadline, repeatable, failure, None).await? {
            OnServer::Answered(replies, _) => return Ok(replies),
            OnServer::Cluster(Some(replies)) => first = FirstAttempt::Answered(replies),
            OnServer::Cluster(None) => {}
        }
    } else if let Some(failure) = failure {
        first = FirstAttempt::Failed(failure);
    }
    // Boxed, because it is large, and the futures of requests to a single server contain it, too.
    let replies = Box::pin(spread(binding, request, deadline, repeatable, division, first)).await?;
    request.without_failures(replies)
}

/// Runs the rest of a request of which one node of a cluster has not run all commands. `replies`
/// are those of this node.
pub(crate) async fn run_rest(
    binding: Arc<Binding>,
    request: Request,
    deadline: Deadline,
    repeatable: bool,
    replies: Replies,
) -> Result<Replies> {
    let first = FirstAttempt::Answered(replies);
    let replies = spread(&binding, &request, deadline, repeatable, Division::BySlot, first).await?;
    let replies = request.without_failures(replies)?;
    with_scripts(&binding, &request, deadline, replies).await
}

/// The outcome of a request on the only server.
pub(crate) enum OnServer {
    /// The replies, and the run of the server that answered, if it is known.
    Answered(Replies, Option<ServerRun>),
    /// The server is a node of a cluster. The replies, if it was sent the request before that was
    /// known; some commands may have run.
    Cluster(Option<Replies>),
}

/// Runs a request on the only server, preferably on this run of it.
pub(crate) async fn run_on(
    binding: &Arc<Binding>,
    request: &Request,
    deadline: Deadline,
    repeatable: bool,
    mut failure: Option<Error>,
    preferred: Option<ServerRun>,
) -> Result<OnServer> {
    request.check_names()?;
    binding.require_server()?;
    let mut retries = 0;
    let mut backoff = Backoff::new(binding.retry_delay, LONGEST_PAUSE.max(binding.retry_delay));
    let mut forgetting = Vec::new();
    // Whether an attempt was lost, so that the request may have been executed.
    let mut is_lost = false;
    loop {
        if let Some(failure) = failure.take() {
            is_lost |= failure.is_connection_lost();
            let failed = |failure: Error| if is_lost { failure.after_loss() } else { failure };
            if failure.redirect().is_some() {
                if !binding.pool().learn_cluster() {
                    return Err(failed(failure));
                }
                return Ok(OnServer::Cluster(None));
            }
            let pause = backoff.pause();
            if retries >= binding.retries || Instant::now() + pause >= deadline.at() {
                return Err(failed(failure));
            }
            retries += 1;
            note_retry(retries, &failure);
            tokio::time::sleep(pause).await;
        }
        if binding.closed.is_set() {
            return Err(Error::closed());
        }
        if forgetting.is_empty() {
            // Until this function returns: a value that is read while the write is in flight may be
            // older than the write.
            forgetting = forget_copies(binding, request);
        }
        let running = binding.pool().run(request, &binding.namespace, deadline, &binding.closed, preferred);
        let outcome = binding.watch(deadline).bound(running).await;
        match outcome {
            Err(error) if may_be_repeated(&error, repeatable) => failure = Some(error),
            Ok(None) => return Ok(OnServer::Cluster(None)),
            Ok(Some((replies, server))) => {
                if is_redirected(&replies) && binding.pool().learn_cluster() {
                    return Ok(OnServer::Cluster(Some(replies)));
                }
                renew_if_replica(&replies, binding);
                match not_run(request, &replies, repeatable) {
                    // Without another attempt, the replies are the most informative result.
                    Some(error)
                        if error.redirect().is_some()
                            || retries >= binding.retries
                            || no_time_for(&backoff, deadline) =>
                    {
                        if is_lost && matches!(request, Request::One(_)) {
                            return Err(error.after_loss());
                        }
                        return Ok(OnServer::Answered(replies, server));
                    }
                    Some(error) => failure = Some(error),
                    None => return Ok(OnServer::Answered(replies, server)),
                }
            }
            Err(error) => return Err(if is_lost { error.after_loss() } else { error }),
        }
    }
}

fn no_time_for(backoff: &Backoff, deadline: Deadline) -> bool {
    Instant::now() + backoff.at_most() >= deadline.at()
}

/// Runs a request that may run twice on one node of a cluster, preferably on this run of it.
/// Returns which run answered.
pub(crate) async fn run_at(
    binding: &Binding,
    node: &Node,
    request: &Request,
    deadline: Deadline,
    preferred: Option<ServerRun>,
) -> Result<(Replies, ServerRun)> {
    let mut backoff = Backoff::new(binding.retry_delay, LONGEST_PAUSE.max(binding.retry_delay));
    let mut retries = 0;
    loop {
        let running = node.run(request, &binding.namespace, deadline, &binding.closed, preferred);
        let outcome = binding.watch(deadline).bound(running).await;
        let error = match &outcome {
            Ok((replies, _)) => not_run(request, replies, true),
            Err(error) => may_be_repeated(error, true).then(|| error.clone()),
        };
        let pause = backoff.pause();
        let has_time = retries < binding.retries && Instant::now() + pause < deadline.at();
        let Some(error) = error.filter(|_| has_time) else { return outcome };
        retries += 1;
        note_retry(retries, &error);
        tokio::time::sleep(pause).await;
    }
}
