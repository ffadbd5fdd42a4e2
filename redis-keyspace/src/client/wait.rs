//! Runs commands that wait at the server.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::binding::Binding;
use super::raw::{RawTarget, find};
use super::refusals::{
    LONGEST_PAUSE, forget_copies, may_be_repeated, not_run, note_redirection, note_retry, renew_if_replica,
};
use crate::connect::{Cluster, NextStep, Node, Route, ServerWait, run_and_wait};
use crate::error::{Error, Result};
use crate::protocol::{Replies, Reply, Request};
use crate::time::{Backoff, Deadline};

/// How many redirections a command follows.
const MOST_REDIRECTIONS: u32 = 16;
/// The pause while the slot of the keys is being moved.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Runs a command that waits at the server. `deadline` is that of the command without the wait.
pub(crate) async fn run_waiting(
    binding: Arc<Binding>,
    request: Request,
    deadline: Deadline,
    repeatable: bool,
    wait: ServerWait,
) -> Result<Replies> {
    request.check_names()?;
    request.check_size(binding.pool().settings.sizes())?;
    binding.require_server()?;
    let _forgetting = forget_copies(&binding, &request);
    let timeout = deadline.limit();
    let whole = Deadline::after(match wait {
        ServerWait::Replicas(wait) => timeout.saturating_add(wait.limit),
        // Once for a connection, and once for the reply after the wait.
        ServerWait::Elements(limit) => timeout.saturating_mul(2).saturating_add(limit),
    });
    let mut ends = None;
    let mut backoff = Backoff::new(binding.retry_delay, LONGEST_PAUSE.max(binding.retry_delay));
    let (mut retries, mut redirections) = (0, 0);
    loop {
        let mut asked = None;
        let to_connect = match (wait, ends) {
            (ServerWait::Elements(_), None) => deadline,
            _ => whole,
        };
        let running = attempt(&binding, &request, (to_connect, timeout), wait, &mut ends, &mut asked);
        let outcome = binding.watch(whole).bound(running).await;
        let failure = match &outcome {
            Ok((replies, _)) => {
                renew_if_replica(replies, &binding);
                let demoted = demotion(replies);
                if demoted.is_some() {
                    binding.pool().renew();
                }
                demoted.or_else(|| not_run(&request, replies, repeatable))
            }
            Err(error) => may_be_repeated(error, repeatable).then(|| error.clone()),
        };
        let Some(failure) = failure else {
            let (replies, acknowledged) = outcome?;
            // An error of the write says more than that of the wait.
            if replies.as_slice().iter().any(Reply::is_error) {
                return Ok(replies);
            }
            return acknowledged.map(|()| replies);
        };
        let next = asked.map(|(cluster, node)| cluster.after(&failure, Some(&node)));
        let has_time = |pause| Instant::now() + pause < whole.at();
        match next {
            // The map names the new node now.
            Some(NextStep::Follow(Route::BySlot)) if redirections < MOST_REDIRECTIONS => {
                redirections += 1;
                note_redirection();
                continue;
            }
            // The slot is being moved, which takes milliseconds. The command needs one node.
            Some(NextStep::Follow(Route::Asking(_)) | NextStep::Soon) if has_time(LONGEST_WAIT) => {
                tokio::time::sleep(LONGEST_WAIT).await;
                continue;
            }
            _ => {}
        }
        let pause = backoff.pause();
        if retries >= binding.retries || !has_time(pause) {
            return outcome.map(|(replies, _)| replies);
        }
        retries += 1;
        note_retry(retries, &failure);
        tokio::time::sleep(pause).await;
    }
}

/// Returns the error of a command that took nothing, because its server became a replica while it
/// waited.
fn demotion(replies: &Replies) -> Option<Error> {
    replies.as_slice().iter().find_map(|reply| match reply {
        Reply::Error(said) if said.starts_with("UNBLOCKED") && said.contains("instance state changed") => {
            Some(Error::server(said))
        }
        _ => None,
    })
}

/// Makes one attempt. `limits` are the deadline to get a connection, and the time that a reply may
/// take. `ends` is set to the end of the wait for elements, which begins with the first attempt
/// that has a connection. `asked` is set to the node of a cluster that the request is sent to.
async fn attempt<'b>(
    binding: &'b Binding,
    request: &Request,
    (deadline, timeout): (Deadline, Duration),
    wait: ServerWait,
    ends: &mut Option<Instant>,
    asked: &mut Option<(&'b Cluster, Arc<Node>)>,
) -> Result<(Replies, Result<()>)> {
    let connection = match find(binding.pool(), deadline).await? {
        RawTarget::Server(connection) => connection,
        RawTarget::Cluster(cluster) => {
            // The wait is on the connection of one node, so all keys must be in one slot.
            let slot = request.slot(&binding.namespace)?;
            let node = cluster.node(slot, &Route::BySlot, deadline).await?;
            *asked = Some((cluster, Arc::clone(&node)));
            node.exclusive(deadline).await?
        }
    };
    binding.still_open()?;
    let ServerWait::Elements(limit) = wait else {
        return run_and_wait(connection, request, &binding.namespace, deadline, wait).await;
    };
    let now = Instant::now();
    let ends = *ends.get_or_insert(now + limit.min(Deadline::LONGEST));
    // Zero would be endless.
    let left = ends.saturating_duration_since(now).max(Duration::from_millis(1));
    let request = request.waiting_for(left);
    let deadline = Deadline::after(timeout.saturating_add(left));
    run_and_wait(connection, &request, &binding.namespace, deadline, wait).await
}
