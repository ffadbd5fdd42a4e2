//! One job: runs the handler, keeps the entry meanwhile, and settles it afterwards.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::event::{JobResult, WorkerEvent};
use super::job::Job;
use super::outcome::{Finished, Left, may_have_run, passes_soon};
use super::script::Deliveries;
use super::shared::Shared;
use crate::client::in_scope_of_caller;
use crate::command::RawEntry;
use crate::error::Result;
use crate::kind::{SingleValue, StreamId};
use crate::schema::Keyspace;
use crate::time::Backoff;

/// The pauses between attempts to settle a job.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Runs one job and settles it. Sets `counts` when its delivery counts: the handler ran, or never
/// will.
pub(super) async fn work<S, T, F, R, E>(
    shared: Arc<Shared<S, T>>,
    handler: Arc<F>,
    entry: RawEntry,
    deliveries: u64,
    counts: Arc<AtomicBool>,
) -> Finished
where
    S: Keyspace,
    T: SingleValue,
    F: Fn(Job<T::Owned>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: Display,
{
    let id = entry.id();
    let note = || counts.store(true, Ordering::Relaxed);
    // Workers that die with a job never report that it failed. The deliveries say so.
    if shared.options.most_deliveries().is_some_and(|most| deliveries > most) {
        note();
        let error = "the job was delivered too often and never finished: its workers ended, or took too long";
        return shared.failed(id, deliveries, error.to_owned()).await;
    }
    // Code of the program, like the handler.
    let value = match catch_unwind(AssertUnwindSafe(|| entry.decode::<T>())) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => {
            note();
            return shared.undecodable(id, deliveries, error.to_string()).await;
        }
        Err(panic) => {
            note();
            let error = format!("decoding the entry panicked: {}", text_of(&*panic));
            return shared.failed(id, deliveries, error).await;
        }
    };
    let (lost, is_lost) = watch::channel(false);
    let job = Job { value, id, deliveries, lost: is_lost };
    // Its own task, so that a handler that computes does not stop the heartbeat, and a panic
    // ends only the task. It ends when the set is dropped.
    let mut running = JoinSet::new();
    let handled = async move { handler(job).await.map_err(|error| error.to_string()) };
    // Boxed for the reason of `task::spawn`.
    running.spawn(in_scope_of_caller(handled).boxed());
    let started = Instant::now();
    let finished = shared.until_finished(id, &mut running, lost).await;
    note();
    shared.handled(started.elapsed(), matches!(finished, Some(Ok(Ok(())))));
    match finished {
        Some(Ok(Ok(()))) => shared.succeeded(id).await,
        Some(Ok(Err(error))) => shared.failed(id, deliveries, error).await,
        Some(Err(ended)) => shared.failed(id, deliveries, reason_of(ended)).await,
        None => Finished { id, left: Left::Unsettled { deliveries } },
    }
}

fn reason_of(ended: JoinError) -> String {
    match ended.try_into_panic() {
        Ok(panic) => format!("the handler panicked: {}", text_of(&*panic)),
        Err(_) => "the handler was aborted".to_owned(),
    }
}

/// Returns the message of a panic.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
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
            match self.hold(id, Duration::ZERO, Deliveries::Keep).await {
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
        // Set after an attempt whose reply was lost. It may have acknowledged the entry.
        let is_unclear = AtomicBool::new(false);
        let ack = || -> BoxFuture<'_, Result<u64>> {
            Box::pin(async {
                let ack = self.group.ack([id]);
                let ack = self.command(if self.options.deletes { ack.delete() } else { ack });
                ack.await.inspect_err(|error| {
                    is_unclear.fetch_or(may_have_run(error), Ordering::Relaxed);
                })
            })
        };
        match self.persistently(&ack).await {
            Ok(count) => {
                self.count(JobResult::Succeeded, 1);
                if count == 0 && !is_unclear.load(Ordering::Relaxed) {
                    self.count(JobResult::NotPending, 1);
                }
            }
            Err(error) => {
                self.count(JobResult::NotAcknowledged, 1);
                // It runs again. The run that succeeded does not count against it.
                self.report(WorkerEvent::CommandFailed(error));
            }
        }
        Finished { id, left: Left::Nothing }
    }

    /// Lets a job run again later, or moves it to the dead letters.
    pub(super) async fn failed(&self, id: StreamId, deliveries: u64, error: String) -> Finished {
        if self.options.most_deliveries().is_some_and(|most| deliveries >= most) {
            self.count(JobResult::Failed, 1);
            return self.dead(id, deliveries, error).await;
        }
        let delay = self.options.pause_after(deliveries);
        // From then on, any worker can claim it, after `min_idle` at the latest.
        let held = self.hold(id, self.idle_before(delay), Deliveries::Keep).await;
        let again = |is_held| Left::Again { at: Instant::now() + delay, deliveries, is_held };
        let left = match held {
            Ok(true) => again(true),
            Ok(false) => Left::Nothing,
            Err(error) => {
                self.report(WorkerEvent::CommandFailed(error));
                again(false)
            }
        };
        self.report(WorkerEvent::Failed { id, deliveries, error, delay });
        Finished { id, left }
    }

    /// The idle time with which an entry can be claimed after this delay.
    pub(super) fn idle_before(&self, delay: Duration) -> Duration {
        self.options.min_idle.saturating_sub(delay)
    }

    /// Tries something until it succeeds, for as long as no other worker claims the entry. An error
    /// that another attempt would meet, too, ends it: it must not hold a hand of the worker.
    pub(super) async fn persistently<'a, R>(
        &self,
        attempt: &(dyn Fn() -> BoxFuture<'a, Result<R>> + Sync),
    ) -> Result<R> {
        let started = Instant::now();
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            match attempt().await {
                Err(error) if passes_soon(&error) && started.elapsed() < self.options.min_idle => {
                    self.report(WorkerEvent::CommandFailed(error));
                    sleep(backoff.pause()).await;
                }
                outcome => return outcome,
            }
        }
    }
}
