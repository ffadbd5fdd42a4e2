//! The loop of a worker: reads and claims jobs, starts them, and stops gracefully.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::event::{JobResult, WorkerEvent};
use super::job::Job;
use super::outcome::{Finished, Left, may_have_run, may_pass};
use super::retries::Retries;
use super::shared::Shared;
use super::work::{text_of, work};
use crate::client::in_scope_of_caller;
use crate::command::{Command, RawEntry, ReadFrom};
use crate::error::{Budget, Error, ErrorKind, Result};
use crate::kind::{SingleValue, StreamId};
use crate::schema::Keyspace;
use crate::time::{Backoff, from_now};

/// How long one command waits for new entries at most. Consumers that read are idle this long.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The pauses after a failed command.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A server may have rounded the time of a delivery up to this much.
const ROUNDING: Duration = Duration::from_millis(2);
/// How many jobs are claimed or read at a time.
const MOST_AT_ONCE: usize = 10_000;
/// While so many jobs wait for their next run, no others are read or claimed.
const MOST_WAITING: usize = 10_000;

/// For how many unsettled entries the deliveries are remembered.
const MOST_UNSETTLED: usize = 10_000;

/// A read in flight. It is kept across turns of the loop, because dropping it closes a connection.
struct ReadInFlight {
    entries: Command<Vec<RawEntry>>,
    /// For how many jobs it may return entries.
    reserved: usize,
}

pub(super) struct RunningJob {
    task: task::Id,
    pub(super) deliveries: u64,
    /// Whether the last delivery counts: the handler ran.
    counts: Arc<AtomicBool>,
}

pub(super) struct Runner<S: Keyspace, T: SingleValue, F> {
    pub(super) shared: Arc<Shared<S, T>>,
    handler: Arc<F>,
    jobs: JoinSet<Finished>,
    /// The entries of the jobs, with the tasks of the latter.
    pub(super) running: HashMap<StreamId, RunningJob>,
    pub(super) retries: Retries,
    /// The deliveries of entries whose handler ran, and that may still be pending.
    pub(super) unsettled: BTreeMap<StreamId, u64>,
    reading: Option<ReadInFlight>,
    /// When the next search for abandoned entries begins, and where it continues.
    pub(super) sweep_at: Instant,
    pub(super) sweep_from: StreamId,
    pub(super) prune_at: Instant,
    /// Nothing is read or claimed until then.
    paused_until: Option<Instant>,
    backoff: Backoff,
    group_is_missing: bool,
    /// The last entry that was read. A group that is created again continues there.
    last_read: Option<StreamId>,
    /// Whether a reply was lost that may have delivered entries.
    pub(super) has_unknown_entries: bool,
    /// Why the worker can't go on.
    fatal: Option<Error>,
}

impl<S, T, F, R, E> Runner<S, T, F>
where
    S: Keyspace,
    T: SingleValue,
    F: Fn(Job<T::Owned>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + 'static,
{
    pub(super) fn new(shared: Arc<Shared<S, T>>, handler: F) -> Self {
        let now = Instant::now();
        Self {
            shared,
            handler: Arc::new(handler),
            jobs: JoinSet::new(),
            running: HashMap::new(),
            retries: Retries::default(),
            unsettled: BTreeMap::new(),
            reading: None,
            sweep_at: now,
            sweep_from: StreamId::MIN,
            prune_at: now,
            paused_until: None,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            group_is_missing: false,
            last_read: None,
            has_unknown_entries: false,
            fatal: None,
        }
    }

    /// Runs until `stop` completes, or until an error that will not pass.
    pub(super) async fn run(&mut self, mut stop: BoxFuture<'static, ()>) -> Result<()> {
        loop {
            if let Some(until) = self.fill_or_stop(&mut stop).await {
                self.stop(until).await;
                return Ok(());
            }
            if let Some(error) = self.fatal.take() {
                self.stop(self.latest_end()).await;
                return Err(error);
            }
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = self.jobs.join_next_with_id(), if !self.jobs.is_empty() => self.ended(ended),
                entries = until_read(&mut self.reading) => self.read(entries),
                () = sleep_until(wake_at) => {}
            }
        }
        self.stop(self.latest_end()).await;
        Ok(())
    }

    /// Starts as many jobs as possible. If `stop` completes meanwhile, returns until when the
    /// worker may wait for its jobs.
    async fn fill_or_stop(&mut self, stop: &mut BoxFuture<'static, ()>) -> Option<Instant> {
        let shared = Arc::clone(&self.shared);
        let fill = self.fill();
        tokio::pin!(fill);
        tokio::select! {
            biased;
            () = stop => {
                // The command in flight may claim entries. If the server answers, they are known,
                // and can be released like the others.
                shared.stops.store(true, Ordering::Relaxed);
                let until = from_now(shared.options.stop_within);
                timeout_at(until, fill).await.ok();
                Some(until)
            }
            () = &mut fill => None,
        }
    }

    /// Until when a worker that stops now may wait for its jobs.
    fn latest_end(&self) -> Instant {
        from_now(self.shared.options.stop_within)
    }

    /// How many more jobs can be started now.
    pub(super) fn free(&self) -> usize {
        let reserved = self.reading.as_ref().map_or(0, |reading| reading.reserved);
        self.shared.options.concurrency.saturating_sub(self.jobs.len() + reserved).min(MOST_AT_ONCE)
    }

    /// How many jobs can be started that this worker does not have yet. Jobs that wait for their
    /// next run take memory and commands, so their number is limited, however many jobs fail.
    pub(super) fn free_for_others(&self) -> usize {
        self.free().min(MOST_WAITING.saturating_sub(self.retries.len()))
    }

    /// When the loop must look again, although nothing happened.
    fn wake_at(&self) -> Instant {
        if let Some(paused_until) = self.paused_until {
            return paused_until;
        }
        let latest = from_now(LONGEST_WAIT * 2);
        let next_keep = self.retries.next_keep().unwrap_or(latest);
        let next_claim = if self.free() == 0 { latest } else { self.next_claim_at() };
        latest.min(next_keep).min(next_claim)
    }

    fn next_claim_at(&self) -> Instant {
        let sweep_at = (self.free_for_others() > 0).then_some(self.sweep_at);
        let next = self.retries.next_due().into_iter().chain(sweep_at).min();
        next.unwrap_or_else(|| from_now(LONGEST_WAIT * 2))
    }

    /// Keeps the retries that wait, and starts as many jobs as possible: retries first, abandoned
    /// entries, then new ones.
    async fn fill(&mut self) {
        let now = Instant::now();
        if self.paused_until.is_some_and(|until| until > now) {
            return;
        }
        self.paused_until = None;
        if self.group_is_missing {
            self.recreate_group().await;
        }
        // A read in flight may have delivered entries that are not lost.
        if self.is_active() && self.has_unknown_entries && self.reading.is_none() {
            self.find_entries().await;
        }
        // Whether or not a job can be started: another worker would claim them.
        while self.is_active() && self.retries.next_keep().is_some_and(|at| at <= Instant::now()) {
            self.keep().await;
        }
        while self.is_active()
            && self.free() > 0
            && self.retries.next_due().is_some_and(|at| at <= Instant::now())
        {
            self.retry().await;
        }
        while self.is_active() && self.free_for_others() > 0 && self.sweep_at <= Instant::now() {
            self.sweep().await;
        }
        if self.is_active() && self.reading.is_none() && self.free_for_others() > 0 {
            self.start_reading();
        }
    }

    fn is_active(&self) -> bool {
        self.paused_until.is_none() && self.fatal.is_none() && !self.shared.is_stopping()
    }

    fn start_reading(&mut self) {
        let reserved = self.free_for_others();
        // Its places are needed again when something can be claimed.
        let wait = self.next_claim_at().saturating_duration_since(Instant::now());
        let wait = wait.clamp(Duration::from_millis(1), LONGEST_WAIT);
        let count = u64::try_from(reserved).unwrap_or(u64::MAX);
        let read = self.shared.group.read(self.shared.consumer.clone()).raw().count(count).block(wait);
        let read = self.shared.command(read);
        self.reading = Some(ReadInFlight { entries: read, reserved });
    }

    fn read(&mut self, entries: Result<Vec<RawEntry>>) {
        self.reading = None;
        match entries {
            Ok(entries) => {
                self.backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
                self.shared.count(JobResult::Read, count_of(&entries));
                self.last_read = entries.iter().map(RawEntry::id).max().max(self.last_read);
                for entry in entries {
                    self.start(entry, 1);
                }
            }
            Err(error) => {
                self.has_unknown_entries |= may_have_run(&error);
                self.command_failed(error);
            }
        }
    }

    pub(super) fn start(&mut self, entry: RawEntry, deliveries: u64) {
        let id = entry.id();
        self.retries.remove(id);
        self.unsettled.remove(&id);
        if let Entry::Vacant(place) = self.running.entry(id) {
            let counts = Arc::<AtomicBool>::default();
            let (shared, handler) = (Arc::clone(&self.shared), Arc::clone(&self.handler));
            let work = work(shared, handler, entry, deliveries, Arc::clone(&counts));
            // Boxed for the reason of `task::spawn`.
            let task = self.jobs.spawn(in_scope_of_caller(work).boxed()).id();
            place.insert(RunningJob { task, deliveries, counts });
        }
    }

    fn ended(&mut self, ended: std::result::Result<(task::Id, Finished), JoinError>) {
        match ended {
            Ok((_, finished)) => self.finished(finished),
            // The code of the program that runs in the task of a job is guarded, except a
            // subscriber of its logs. The entry can be claimed after `min_idle`, like that of a
            // worker that ended.
            Err(error) => {
                let task = error.id();
                self.forget_running(|running| running.task == task);
                if let Ok(panic) = error.try_into_panic() {
                    self.shared.count(JobResult::Failed, 1);
                    event!(error, "the task of a job panicked", error = %text_of(&*panic));
                }
            }
        }
    }

    fn finished(&mut self, finished: Finished) {
        let Finished { id, left } = finished;
        self.running.remove(&id);
        match left {
            Left::Nothing => {}
            Left::Again { at, deliveries, is_held } => {
                let min_idle = self.shared.options.min_idle;
                self.retries.add(id, deliveries, at + ROUNDING, Instant::now(), min_idle);
                self.retries.set_unclear(id, !is_held);
            }
            Left::Unsettled { deliveries } => self.note_unsettled(id, deliveries),
        }
    }

    /// Forgets jobs whose tasks ended without an outcome. Their entries are still pending.
    fn forget_running(&mut self, has_ended: impl Fn(&RunningJob) -> bool) {
        let ended: Vec<_> = self.running.extract_if(|_, running| has_ended(running)).collect();
        for (id, RunningJob { deliveries, counts, .. }) in ended {
            if counts.load(Ordering::Relaxed) {
                self.note_unsettled(id, deliveries);
            }
        }
    }

    pub(super) fn note_unsettled(&mut self, id: StreamId, deliveries: u64) {
        self.unsettled.insert(id, deliveries);
        if self.unsettled.len() > MOST_UNSETTLED {
            self.unsettled.pop_first();
        }
    }

    pub(super) fn command_failed(&mut self, error: Error) {
        if !may_pass(&error) {
            self.fatal = Some(error);
            return;
        }
        // A server before 7.0 ends a wait with NOGROUP when the stream is deleted.
        self.group_is_missing |= matches!(error.code(), Some("NOGROUP" | "UNBLOCKED"));
        self.paused_until = Some(Instant::now() + self.backoff.pause());
        self.shared.report(WorkerEvent::CommandFailed(error));
    }

    async fn recreate_group(&mut self) {
        let from = match (self.shared.options.from, self.last_read) {
            (ReadFrom::Start, _) | (_, None) => self.shared.options.from,
            // What was added meanwhile is not before the end of the stream for this worker.
            (_, Some(last)) => ReadFrom::After(last),
        };
        match self.shared.command(self.shared.group.create(from)).await {
            Ok(is_new) => {
                self.group_is_missing = false;
                if is_new {
                    self.shared.report(WorkerEvent::GroupRecreated);
                }
            }
            Err(error) => self.command_failed(error),
        }
    }

    /// Stops reading, lets the jobs finish until then, and releases those that do not.
    async fn stop(&mut self, until: Instant) {
        self.shared.stops.store(true, Ordering::Relaxed);
        // Closes the connection, so that the server delivers nothing more.
        self.reading = None;
        while let Ok(Some(ended)) = timeout_at(until, self.jobs.join_next_with_id()).await {
            self.ended(ended);
        }
        self.jobs.shutdown().await;
        self.forget_running(|_| true);
        let limit = self.shared.deadline();
        let leaving = limit.bound(Budget::Reply, async {
            self.release_others().await?;
            self.shared.command(self.shared.group.delete_consumer(&self.shared.consumer)).await
        });
        match leaving.await.and_then(|left| left) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Closed || error.code() == Some("NOGROUP") => {}
            Err(error) => self.shared.report(WorkerEvent::CommandFailed(error)),
        }
    }
}

pub(super) fn count_of(entries: &[RawEntry]) -> u64 {
    u64::try_from(entries.len()).unwrap_or(u64::MAX)
}

/// Waits for the read in flight, if there is one.
async fn until_read(reading: &mut Option<ReadInFlight>) -> Result<Vec<RawEntry>> {
    match reading {
        Some(reading) => (&mut reading.entries).await,
        None => std::future::pending().await,
    }
}
