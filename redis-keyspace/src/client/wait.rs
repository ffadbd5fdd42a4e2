//! Runs commands that wait at the server.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::binding::Binding;
use super::raw::{RawTarget, find};
use super::refusals::{LONGEST_PAUSE, forget_copies, may_be_repeated, not_run, renew_if_replica};
use crate::connect::{Cluster, NextStep, Node, Route, ServerWait, run_and_wait};
use crate::error::Result;
use crate::protocol::{Replies, Reply, Request};
use crate::time::{Backoff, Deadline};

/// How many redirections a command follows.
const MOST_REDIRECTIONS: u32 = 16;
/// The pause while the slot of the keys is being moved.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Runs a command that waits at the server. The deadline includes the wait.
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
    let mut backoff = Backoff::new(binding.retry_delay, LONGEST_PAUSE.max(binding.retry_delay));
    let (mut retries, mut redirections) = (0, 0);
    loop {
        let mut asked = None;
        let running = attempt(&binding, &request, deadline, wait, &mut asked);
        let outcome = binding.watch(deadline).bound(running).await;
        let failure = match &outcome {
            Ok((replies, _)) => {
                renew_if_replica(replies, &binding);
                not_run(&request, replies, repeatable)
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
        let has_time = |pause| Instant::now() + pause < deadline.at();
        match next {
            // The map names the new node now.
            Some(NextStep::Follow(Route::BySlot)) if redirections < MOST_REDIRECTIONS => {
                redirections += 1;
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
        count!("redis_keyspace_retries_total");
        retries += 1;
        tokio::time::sleep(pause).await;
    }
}

/// Makes one attempt. `asked` is set to the node of a cluster that the request is sent to.
async fn attempt<'b>(
    binding: &'b Binding,
    request: &Request,
    deadline: Deadline,
    wait: ServerWait,
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
    run_and_wait(connection, request, &binding.namespace, deadline, wait).await
}
