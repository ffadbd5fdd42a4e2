//! The entries that a worker claims: jobs that run again, those of workers that ended, and those
//! whose delivery was lost.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::event::{JobResult, WorkerEvent};
use super::job::Job;
use super::outcome::may_have_run;
use super::run::{Runner, count_of};
use super::script::Deliveries;
use crate::command::{Claimed, RawEntry};
use crate::error::Result;
use crate::kind::{SingleValue, StreamId};
use crate::schema::Keyspace;
use crate::time::{from_now, jittered};

/// How often consumers are deleted that ended without it.
const PRUNING: Duration = Duration::from_secs(3600);
/// The idle time that lets any worker claim an entry at once.
const AT_ONCE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How many pending entries are examined at a time.
const PAGE: u64 = 1000;
/// How many retries are kept from being claimed with one round trip.
const MOST_KEPT: usize = 100;

impl<S, T, F, R, E> Runner<S, T, F>
where
    S: Keyspace,
    T: SingleValue,
    F: Fn(Job<T::Owned>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + 'static,
{
    /// Keeps other workers from claiming the jobs whose delay is longer than `min_idle`.
    pub(super) async fn keep(&mut self) {
        let shared = Arc::clone(&self.shared);
        let now = Instant::now();
        let waiting = self.retries.to_keep(now, MOST_KEPT);
        let entries = waiting.iter().map(|(id, waiting)| {
            (*id, shared.idle_before(waiting.due.saturating_duration_since(now)), waiting.deliveries)
        });
        let held = match shared.hold_many(entries).await {
            Ok(held) => held,
            Err(error) => return self.command_failed(error),
        };
        for ((id, _), held) in waiting.into_iter().zip(held) {
            match held {
                Ok(true) => self.retries.kept(id, Instant::now(), shared.options.min_idle),
                Ok(false) => self.retries.remove(id),
                // All are tried again after the pause.
                Err(error) => return self.command_failed(error),
            }
        }
    }

    /// Claims the jobs whose delay has passed.
    pub(super) async fn retry(&mut self) {
        let due = self.retries.due(Instant::now(), self.free());
        if due.is_empty() {
            return;
        }
        if let Err(error) = self.clear_up(&due).await {
            return self.command_failed(error);
        }
        let known: HashMap<_, _> =
            due.iter().filter_map(|&id| Some((id, self.retries.get(id)?.deliveries))).collect();
        if known.is_empty() {
            return;
        }
        let (shared, min_idle) = (Arc::clone(&self.shared), self.shared.options.min_idle);
        let ids = due.into_iter().filter(|id| known.contains_key(id)).collect::<Vec<_>>();
        let claim = shared.group.claim(shared.consumer.clone(), ids, min_idle).raw();
        match shared.command(claim).await {
            Ok(entries) => {
                // The others were claimed by another worker, acknowledged or deleted.
                known.keys().for_each(|&id| self.retries.remove(id));
                self.start_claimed(entries, &known).await;
            }
            // They stay due, unless another worker claims them.
            Err(error) => {
                if may_have_run(&error) {
                    known.keys().for_each(|&id| self.retries.set_unclear(id, true));
                }
                self.command_failed(error);
            }
        }
    }

    /// Sets the delay and the deliveries of those of the due jobs for which the server may have
    /// others: a claim whose reply was lost counts a delivery and starts the idle time again.
    async fn clear_up(&mut self, due: &[StreamId]) -> Result<()> {
        let min_idle = self.shared.options.min_idle;
        let unclear = due.iter().filter_map(|&id| Some((id, self.retries.get(id)?)));
        let unclear: Vec<_> = unclear.filter(|(_, waiting)| waiting.is_unclear).collect();
        for unclear in unclear.chunks(MOST_KEPT) {
            let entries = unclear.iter().map(|(id, waiting)| (*id, min_idle, waiting.deliveries));
            let held = self.shared.hold_many(entries).await?;
            for (&(id, _), held) in unclear.iter().zip(held) {
                match held? {
                    true => self.retries.set_unclear(id, false),
                    false => self.retries.remove(id),
                }
            }
        }
        Ok(())
    }

    /// Claims jobs whose worker did not finish them.
    pub(super) async fn sweep(&mut self) {
        let shared = Arc::clone(&self.shared);
        if self.sweep_from == StreamId::MIN {
            self.prune().await;
        }
        let (from, count) = (self.sweep_from, u64::try_from(self.free_for_others()).unwrap_or(u64::MAX));
        let claim = shared.group.auto_claim(shared.consumer.clone(), shared.options.min_idle);
        match shared.command(claim.raw().start(from).count(count)).await {
            Ok(Claimed { entries, deleted, deleted_and_pending, next, .. }) => {
                if deleted_and_pending > 0 {
                    self.acknowledge_deleted(from, next, &entries).await;
                }
                let count = deleted_and_pending + u64::try_from(deleted.len()).unwrap_or(u64::MAX);
                if count > 0 {
                    shared.report(WorkerEvent::Deleted { count });
                }
                self.start_claimed(entries, &HashMap::new()).await;
                match next {
                    Some(next) => self.sweep_from = next,
                    None => self.end_sweep().await,
                }
            }
            Err(error) => {
                self.sweep_at = from_now(jittered(shared.options.min_idle / 2));
                self.has_unknown_entries |= may_have_run(&error);
                self.command_failed(error);
            }
        }
    }

    async fn end_sweep(&mut self) {
        self.sweep_from = StreamId::MIN;
        self.sweep_at = from_now(jittered(self.shared.options.min_idle / 2));
        if self.shared.options.trims
            && let Err(error) = self.shared.trim_done().await
        {
            self.shared.report(WorkerEvent::CommandFailed(error));
        }
    }

    /// Starts entries that were claimed just now, with the number of their deliveries. `known` are
    /// the deliveries before the claim, of entries that this worker kept.
    async fn start_claimed(&mut self, entries: Vec<RawEntry>, known: &HashMap<StreamId, u64>) {
        let shared = Arc::clone(&self.shared);
        // One command for each, sent together. A range could contain many other entries.
        let facts = entries.iter().map(|entry| {
            let pending = shared.group.pending_entries(entry.id()..=entry.id());
            shared.command(pending.consumer(shared.consumer.clone()).count(1))
        });
        let facts = join_all(facts).await;
        shared.count(JobResult::Claimed, count_of(&entries));
        let mut failure = None;
        for (entry, facts) in entries.into_iter().zip(facts) {
            let id = entry.id();
            if let Some(running) = self.running.get(&id) {
                // The server was away for long, so this worker claimed what it is working on. That
                // is no delivery.
                let deliveries = Deliveries::Set(running.deliveries);
                if let Err(error) = shared.hold(id, Duration::ZERO, deliveries).await {
                    self.has_unknown_entries = true;
                    failure = Some(error);
                }
                continue;
            }
            let waiting = self.retries.get(id).map(|waiting| waiting.deliveries);
            let ran = known.get(&id).copied().or(waiting);
            if shared.is_stopping() {
                // It is released with the others.
                self.retries.remove(id);
                if let Some(ran) = ran {
                    self.note_unsettled(id, ran);
                }
                continue;
            }
            let deliveries = match facts {
                Ok(pending) => pending.first().map(|entry| entry.deliveries),
                Err(error) => {
                    failure = Some(error);
                    if ran.is_none() {
                        // It may have had its last run. It is released, and claimed again.
                        self.has_unknown_entries = true;
                        continue;
                    }
                    None
                }
            };
            // If it is not pending any more, it runs in any case: it may never have run before.
            self.start(entry, deliveries.unwrap_or_else(|| ran.unwrap_or_default() + 1));
        }
        if let Some(failure) = failure {
            self.command_failed(failure);
        }
    }

    /// Acknowledges entries that are pending, although they were deleted. Servers before 7.0 leave
    /// this to the consumer, and do not say which entries they are.
    async fn acknowledge_deleted(&self, from: StreamId, next: Option<StreamId>, claimed: &[RawEntry]) {
        let shared = &self.shared;
        let range = (
            std::ops::Bound::Included(from),
            match next {
                Some(next) => std::ops::Bound::Excluded(next),
                None => std::ops::Bound::Unbounded,
            },
        );
        let pending = shared.group.pending_entries(range).consumer(shared.consumer.clone()).count(PAGE);
        let acknowledge = async {
            let pending = shared.command(pending).await?;
            let mut deleted = Vec::new();
            for entry in pending {
                let is_known = self.running.contains_key(&entry.id)
                    || self.retries.get(entry.id).is_some()
                    || claimed.iter().any(|claimed| claimed.id() == entry.id);
                if !is_known
                    && shared.strictly(shared.key().xrange(entry.id..=entry.id).raw()).await?.is_empty()
                {
                    deleted.push(entry.id);
                }
            }
            shared.command(shared.group.ack(deleted)).await
        };
        if let Err(error) = acknowledge.await {
            shared.report(WorkerEvent::CommandFailed(error));
        }
    }

    /// Deletes the consumers of workers that ended without it.
    async fn prune(&mut self) {
        if self.prune_at > Instant::now() {
            return;
        }
        self.prune_at = from_now(jittered(PRUNING));
        if let Err(error) = self.shared.delete_abandoned().await {
            self.shared.report(WorkerEvent::CommandFailed(error));
        }
    }

    /// Claims what a command delivered whose reply was lost. This delivery does not count: a job
    /// must not become a dead letter before it ran.
    pub(super) async fn find_entries(&mut self) {
        match self.release_others().await {
            Ok(()) => {
                self.has_unknown_entries = false;
                (self.sweep_at, self.sweep_from) = (Instant::now(), StreamId::MIN);
            }
            Err(error) => self.command_failed(error),
        }
    }

    /// Lets any worker claim at once what is pending for this consumer, except jobs that run, or
    /// failed and wait for their next run. A delivery counts only if the handler ran.
    pub(super) async fn release_others(&self) -> Result<()> {
        let shared = &self.shared;
        let mut from = StreamId::MIN;
        loop {
            let pending = shared.group.pending_entries(from..).consumer(shared.consumer.clone()).count(PAGE);
            let page = shared.command(pending).await?;
            for entry in &page {
                // At most the last delivery was without a run.
                let without_last = entry.deliveries.saturating_sub(1);
                let (idle, ran) = match (self.running.get(&entry.id), self.retries.get(entry.id)) {
                    (Some(running), _) => (Duration::ZERO, running.deliveries),
                    (None, Some(waiting)) => {
                        let left = waiting.due.saturating_duration_since(Instant::now());
                        (shared.idle_before(left), waiting.deliveries.max(without_last))
                    }
                    // It was released before.
                    (None, None) if entry.idle >= AT_ONCE => continue,
                    (None, None) => {
                        let ran = self.unsettled.get(&entry.id).copied().unwrap_or_default();
                        (AT_ONCE, ran.max(without_last))
                    }
                };
                if idle == AT_ONCE || ran != entry.deliveries {
                    shared.hold(entry.id, idle, Deliveries::Set(ran)).await?;
                }
            }
            match page.last() {
                Some(last) if u64::try_from(page.len()).is_ok_and(|length| length >= PAGE) => {
                    from = last.id.next();
                }
                _ => return Ok(()),
            }
        }
    }
}
