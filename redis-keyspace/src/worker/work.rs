//! One job: runs the handler, keeps the entry meanwhile, and settles it afterwards.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::event::{WorkerEvent, add};
use super::job::Job;
use super::script::Buried;
use super::shared::Shared;
use crate::client::in_scope_of_caller;
use crate::command::RawEntry;
use crate::error::{Error, ErrorKind, Result};
use crate::kind::{SingleValue, StreamId};
use crate::schema::Keyspace;
use crate::time::Backoff;

/// The pauses between attempts to settle a job.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What is left to do after a job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    pub(super) id: StreamId,
    /// The entry is still pending for this consumer, and runs again then.
    pub(super) again_at: Option<Instant>,
}

/// Runs one job and settles it.
pub(super) async fn work<S, T, F, R, E>(
    shared: Arc<Shared<S, T>>,
    handler: Arc<F>,
    entry: RawEntry,
    deliveries: u64,
) -> Finished
where
    S: Keyspace,
    T: SingleValue,
    F: Fn(Job<T::Owned>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: Display,
{
    let id = entry.id();
    // Workers that die with a job never report that it failed. The deliveries say so.
    if shared.options.most_deliveries().is_some_and(|most| deliveries > most) {
        let error = "the job was delivered too often and never finished: its workers ended, or took too long";
        return shared.failed(id, deliveries, error.to_owned()).await;
    }
    let value = match entry.decode::<T>() {
        Ok(value) => value,
        Err(error) => return shared.undecodable(id, deliveries, error.to_string()).await,
    };
    let (lost, is_lost) = watch::channel(false);
    let job = Job { value, id, deliveries, lost: is_lost };
    // A task of its own, so that a handler that computes does not stop the heartbeat, and a panic
    // ends only the task. It ends when the set is dropped.
    let mut running = JoinSet::new();
    running.spawn(in_scope_of_caller(async move { handler(job).await.map_err(|error| error.to_string()) }));
    match shared.until_finished(id, &mut running, lost).await {
        Some(Ok(Ok(()))) => shared.succeeded(id).await,
        Some(Ok(Err(error))) => shared.failed(id, deliveries, error).await,
        Some(Err(ended)) => shared.failed(id, deliveries, text_of(ended)).await,
        None => Finished { id, again_at: None },
    }
}

fn text_of(ended: JoinError) -> String {
    let Ok(panic) = ended.try_into_panic() else { return "the handler was aborted".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the handler panicked: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}

impl<S: Keyspace, T: SingleValue> Shared<S, T> {
    /// Keeps the entry from being claimed until the handler has finished.
    async fn until_finished<R: 'static>(
        &self,
        id: StreamId,
        running: &mut JoinSet<R>,
        lost: watch::Sender<bool>,
    ) -> Option<std::result::Result<R, JoinError>> {
        let period = self.options.min_idle / 3;
        let mut beat = interval_at(Instant::now() + period, period);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                finished = running.join_next() => return finished,
                _ = beat.tick() => {}
            }
            match self.hold(id, Duration::ZERO, false).await {
                Ok(true) => {}
                Ok(false) => {
                    if !lost.send_replace(true) {
                        self.report(WorkerEvent::Lost { id });
                    }
                }
                Err(error) => self.report(WorkerEvent::CommandFailed(error)),
            }
        }
    }

    /// Acknowledges a job.
    async fn succeeded(&self, id: StreamId) -> Finished {
        let ack = || -> BoxFuture<'_, Result<u64>> {
            let ack = self.group.ack([id]);
            Box::pin(self.command(if self.options.deletes { ack.delete() } else { ack }))
        };
        match self.persistently(&ack).await {
            Ok(count) => {
                add(&self.counters.succeeded, 1);
                if count == 0 {
                    add(&self.counters.not_pending, 1);
                }
            }
            Err(error) => {
                add(&self.counters.not_acknowledged, 1);
                self.report(WorkerEvent::CommandFailed(error));
            }
        }
        Finished { id, again_at: None }
    }

    /// Lets a job run again later, or moves it to the dead letters.
    async fn failed(&self, id: StreamId, deliveries: u64, error: String) -> Finished {
        if self.options.most_deliveries().is_some_and(|most| deliveries >= most) {
            add(&self.counters.failed, 1);
            return self.dead(id, deliveries, error).await;
        }
        let delay = self.options.pause_after(deliveries);
        let is_ours = self.postpone(id, delay).await;
        let again_at = is_ours.then(|| Instant::now() + delay);
        self.report(WorkerEvent::Failed { id, deliveries, error, delay });
        Finished { id, again_at }
    }

    /// Moves an entry that can't be decoded to the dead letters: it never can be.
    async fn undecodable(&self, id: StreamId, deliveries: u64, error: String) -> Finished {
        if self.options.dead_letters.is_none() {
            return self.failed(id, deliveries, error).await;
        }
        add(&self.counters.failed, 1);
        self.dead(id, deliveries, error).await
    }

    async fn dead(&self, id: StreamId, deliveries: u64, error: String) -> Finished {
        let Some(dead) = &self.options.dead_letters else { return Finished { id, again_at: None } };
        let bury = || -> BoxFuture<'_, Result<Buried>> { Box::pin(self.bury(dead, id, deliveries, &error)) };
        match self.persistently(&bury).await {
            Ok(Buried::Moved) => self.report(WorkerEvent::Dead { id, deliveries, error: error.clone() }),
            Ok(Buried::NotOurs) => self.report(WorkerEvent::Lost { id }),
            Ok(Buried::Gone) => self.report(WorkerEvent::Deleted { count: 1 }),
            // It is still pending, and is moved when it is claimed.
            Err(error) => self.report(WorkerEvent::CommandFailed(error)),
        }
        Finished { id, again_at: None }
    }

    /// Lets any worker claim an entry after a delay of up to `min_idle`. Returns `false` if it
    /// belongs to another consumer now.
    pub(super) async fn postpone(&self, id: StreamId, delay: Duration) -> bool {
        let idle = self.options.min_idle.saturating_sub(delay);
        match self.hold(id, idle, false).await {
            Ok(is_ours) => is_ours,
            // It can be claimed after `min_idle` at the latest.
            Err(error) => {
                self.report(WorkerEvent::CommandFailed(error));
                true
            }
        }
    }

    /// Tries something until it succeeds, for as long as no other worker claims the entry.
    async fn persistently<'a, R>(
        &self,
        attempt: &(dyn Fn() -> BoxFuture<'a, Result<R>> + Sync),
    ) -> Result<R> {
        let started = Instant::now();
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            match attempt().await {
                Err(error) if may_pass(&error) && started.elapsed() < self.options.min_idle => {
                    self.report(WorkerEvent::CommandFailed(error));
                    sleep(backoff.pause()).await;
                }
                outcome => return outcome,
            }
        }
    }
}

/// Whether another attempt may succeed.
pub(super) fn may_pass(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Closed | ErrorKind::InvalidInput | ErrorKind::MissingCommand | ErrorKind::PermissionDenied
    )
}
