//! Optimistic transactions: watched keys on an exclusive connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::binding::Binding;
use super::raw::{RawTarget, find};
use super::refusals::{
    LONGEST_PAUSE, forget_copies, may_be_repeated, note_redirection, note_retry, renew_if_replica,
};
use crate::connect::{NextStep, Node, RawConnection, Route};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{Keys, Packet, Replies, Reply, Request, read};
use crate::time::{Backoff, Deadline, part_of};

/// How many redirections the attempts follow.
const MOST_REDIRECTIONS: u32 = 16;
/// The pause while the slot of the keys is being moved.
const MOVING: Duration = Duration::from_millis(20);
/// The longest pause after a conflict.
const LONGEST_AFTER_CONFLICT: Duration = Duration::from_millis(20);

/// The attempts of an optimistic transaction.
pub(crate) struct WatchAttempts {
    binding: Arc<Binding>,
    watch: Request,
    deadline: Deadline,
    limit: u32,
    made: u32,
    retries: u32,
    redirections: u32,
    backoff: Backoff,
}

impl WatchAttempts {
    pub(crate) fn new(binding: Arc<Binding>, keys: Keys, deadline: Deadline, limit: u32) -> Result<Self> {
        let watch = Request::One(Packet::new("WATCH", keys));
        watch.check_names()?;
        watch.check_size(binding.pool().settings.sizes())?;
        binding.require_server()?;
        let backoff = Backoff::new(binding.retry_delay, LONGEST_PAUSE.max(binding.retry_delay));
        Ok(Self { binding, watch, deadline, limit, made: 0, retries: 0, redirections: 0, backoff })
    }

    /// Checks out a connection and watches the keys on it.
    pub(crate) async fn begin(&mut self) -> Result<WatchSession> {
        loop {
            let mut node = None;
            let opening = open(&self.binding, &self.watch, self.deadline, &mut node);
            match self.binding.watch(self.deadline).bound(opening).await {
                Ok(connection) => {
                    let (binding, watch) = (Arc::clone(&self.binding), self.watch.clone());
                    let deadline = self.deadline;
                    return Ok(WatchSession { binding, watch, deadline, connection, node, failure: None });
                }
                Err(error) => self.recover(error, node.as_ref(), true).await?,
            }
        }
    }

    /// Waits after a conflict. Fails if no further attempt is permitted.
    pub(crate) async fn after_conflict(&mut self) -> Result<()> {
        self.made += 1;
        let longest = Duration::from_millis(u64::from(self.made)).min(LONGEST_AFTER_CONFLICT);
        let pause = part_of(longest, fastrand::f64());
        if self.made >= self.limit || Instant::now() + pause >= self.deadline.at() {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "other writers changed a watched key on every attempt (limit: {} attempts in {:?}); nothing was \
                     changed",
                    self.limit,
                    self.deadline.limit(),
                ),
            ));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Waits after a failure, as long as necessary before the next attempt. Returns the failure if
    /// another attempt is not safe or not useful.
    pub(crate) async fn recover(
        &mut self,
        failure: Error,
        node: Option<&Arc<Node>>,
        repeatable: bool,
    ) -> Result<()> {
        if !may_be_repeated(&failure, repeatable) {
            return Err(failure);
        }
        let next = self.binding.pool().cluster().map(|cluster| cluster.after(&failure, node));
        let has_time = |pause| Instant::now() + pause < self.deadline.at();
        match next {
            Some(NextStep::Follow(Route::BySlot)) if self.redirections < MOST_REDIRECTIONS => {
                self.redirections += 1;
                note_redirection();
                return Ok(());
            }
            // A transaction needs all keys on one node.
            Some(NextStep::Follow(Route::Asking(_)) | NextStep::Soon) if has_time(MOVING) => {
                tokio::time::sleep(MOVING).await;
                return Ok(());
            }
            _ => {}
        }
        let pause = self.backoff.pause();
        if self.retries >= self.binding.retries || !has_time(pause) {
            return Err(failure);
        }
        self.retries += 1;
        note_retry(self.retries, &failure);
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Checks out a connection and watches keys on it. `asked` is set to the node of a cluster that
/// serves them.
async fn open(
    binding: &Binding,
    watch: &Request,
    deadline: Deadline,
    asked: &mut Option<Arc<Node>>,
) -> Result<RawConnection> {
    let mut connection = match find(binding.pool(), deadline).await? {
        RawTarget::Server(connection) => connection,
        RawTarget::Cluster(cluster) => {
            let slot = watch.slot(&binding.namespace)?;
            let node = cluster.node(slot, &Route::BySlot, deadline).await?;
            *asked = Some(Arc::clone(&node));
            node.exclusive(deadline).await?
        }
    };
    binding.still_open()?;
    let replies = Replies::Many(connection.request(watch, &binding.namespace, deadline).await?);
    renew_if_replica(&replies, binding);
    read::to_unit(read::one(replies)?)?;
    Ok(connection)
}

/// A connection with watched keys. Dropping it before the end of the watch closes the connection.
pub(crate) struct WatchSession {
    binding: Arc<Binding>,
    watch: Request,
    deadline: Deadline,
    connection: RawConnection,
    node: Option<Arc<Node>>,
    /// The failure of a request that did not run.
    failure: Option<Error>,
}

impl WatchSession {
    pub(crate) fn binding(&self) -> &Arc<Binding> {
        &self.binding
    }

    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        self.node.as_ref()
    }

    /// Returns the failure after which the whole attempt can be repeated.
    pub(crate) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Runs commands while the keys are watched. Commands that need MULTI are sent as scripts,
    /// because the end of a transaction ends the watch, too.
    pub(crate) async fn run(&mut self, request: &Request) -> Result<Vec<Reply>> {
        self.check_slots(request)?;
        let binding = Arc::clone(&self.binding);
        let _forgetting = forget_copies(&binding, request);
        let outcome = if request.is_transactional() {
            let script = request.as_script(&binding.namespace).map_err(|_| {
                Error::invalid_input(
                    "the command needs MULTI, whose end would end the WATCH, and no script can replace it; nothing was sent; \
                     return the command from the closure, or run it on the handle",
                )
            })?;
            let replies = self.send(&script).await;
            replies.map(|replies| read::many(request.replies_of_script(Replies::Many(replies))))
        } else {
            self.send(request).await
        };
        let failure = match &outcome {
            Err(error) => may_be_repeated(error, true).then(|| error.clone()),
            Ok(replies) => replies.iter().find_map(|reply| match reply {
                Reply::Error(said) => Some(Error::server(said)).filter(Error::is_not_run),
                _ => None,
            }),
        };
        self.failure = self.failure.take().or(failure);
        outcome
    }

    /// Runs commands between MULTI and EXEC. Returns `None` if a watched key was changed. Either
    /// way, the keys are no longer watched.
    pub(crate) async fn execute(mut self, packets: Vec<Packet>) -> Result<Option<Replies>> {
        let request = Request::Atomic(packets);
        self.check_slots(&request)?;
        request.check_size(self.binding.pool().settings.sizes())?;
        let binding = Arc::clone(&self.binding);
        let _forgetting = forget_copies(&binding, &request);
        let replies = self.send(&request).await?;
        let is_conflict = matches!(replies.last(), Some(Reply::Nil));
        let has_error = replies.iter().any(Reply::is_error);
        let replies = Replies::Many(replies);
        renew_if_replica(&replies, &binding);
        Ok((has_error || !is_conflict).then_some(replies))
    }

    /// Ends the watch, so that the connection can be used again. If that fails, it is closed.
    pub(crate) async fn end(mut self) {
        let unwatch = Request::One(Packet::new("UNWATCH", Keys::None));
        if let Err(error) = self.send(&unwatch).await {
            event!(debug, "UNWATCH failed, so the connection is closed", error = %error);
        }
    }

    async fn send(&mut self, request: &Request) -> Result<Vec<Reply>> {
        request.check_names()?;
        let sending = self.connection.request(request, &self.binding.namespace, self.deadline);
        self.binding.watch(self.deadline).bound(sending).await
    }

    /// On a cluster, the commands and the watched keys must be in one slot.
    fn check_slots(&self, request: &Request) -> Result<()> {
        if self.node.is_none() {
            return Ok(());
        }
        let all = Request::Batch(vec![self.watch.clone(), request.clone()]);
        all.across_slots(&self.binding.namespace).map_or(Ok(()), Err)
    }
}
