//! Moves jobs to the dead letters.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_core::future::BoxFuture;

use super::event::{JobResult, WorkerEvent};
use super::job::DeadLetter;
use super::outcome::{Finished, Left, may_have_run};
use super::script::Buried;
use super::shared::Shared;
use crate::command::RawEntry;
use crate::error::{Error, ErrorKind, Result};
use crate::kind::{SingleValue, Stream, StreamId};
use crate::schema::{Key, Keyspace};

/// How many dead letters are searched for one, the newest first, and how many at a time.
const MOST_SEARCHED: usize = 1000;
const PAGE: u64 = 100;

impl<S: Keyspace, T: SingleValue> Shared<S, T> {
    /// Moves an entry that can't be decoded to the dead letters: it never can be.
    pub(super) async fn undecodable(&self, id: StreamId, deliveries: u64, error: String) -> Finished {
        if self.options.dead_letters.is_none() {
            return self.failed(id, deliveries, error).await;
        }
        self.count(JobResult::Failed, 1);
        self.dead(id, deliveries, error).await
    }

    pub(super) async fn dead(&self, id: StreamId, deliveries: u64, error: String) -> Finished {
        let unsettled = Finished { id, left: Left::Unsettled { deliveries } };
        let Some(dead) = &self.options.dead_letters else { return unsettled };
        let is_unclear = AtomicBool::new(false);
        let bury = || -> BoxFuture<'_, Result<Buried>> {
            Box::pin(self.attempt_to_bury(dead, id, (deliveries, &error), &is_unclear))
        };
        match self.persistently(&bury).await {
            Ok(Buried::Moved) => self.report(WorkerEvent::Dead { id, deliveries, error: error.clone() }),
            Ok(Buried::NotOurs) => self.report(WorkerEvent::Lost { id }),
            Ok(Buried::Gone) => self.report(WorkerEvent::Deleted { count: 1 }),
            // It is still pending, and is moved when it is claimed.
            Err(error) => {
                self.report(WorkerEvent::CommandFailed(error));
                return unsettled;
            }
        }
        Finished { id, left: Left::Nothing }
    }

    /// Makes one attempt. `is_unclear` says whether an earlier attempt may have succeeded, although
    /// its reply was lost. The entry is then not pending any more.
    async fn attempt_to_bury(
        &self,
        dead: &Key<S, Stream<T>>,
        id: StreamId,
        (deliveries, text): (u64, &str),
        is_unclear: &AtomicBool,
    ) -> Result<Buried> {
        match self.bury(dead, id, deliveries, text).await {
            Ok(Buried::NotOurs)
                if is_unclear.load(Ordering::Relaxed) && self.is_dead_letter(dead, id).await? =>
            {
                Ok(Buried::Moved)
            }
            Ok(outcome) => Ok(outcome),
            Err(error) => {
                is_unclear.fetch_or(may_have_run(&error), Ordering::Relaxed);
                Err(self.explain_type(dead, error).await)
            }
        }
    }

    /// Whether an entry is among the newest dead letters.
    async fn is_dead_letter(&self, dead: &Key<S, Stream<T>>, id: StreamId) -> Result<bool> {
        let is_it = |entry: &RawEntry| {
            DeadLetter::of(entry).is_some_and(|letter| letter.id == id && letter.group == self.group.name())
        };
        let (mut last, mut searched) = (StreamId::MAX, 0);
        while searched < MOST_SEARCHED {
            let page = self.strictly(dead.xrange(..=last).rev().raw().count(PAGE)).await?;
            if page.iter().any(is_it) {
                return Ok(true);
            }
            let Some(before) = page.last().and_then(|entry| entry.id().checked_previous()) else { break };
            (last, searched) = (before, searched + page.len());
        }
        Ok(false)
    }

    /// Explains which of the two keys has another type than a stream. The reply of a script does
    /// not say it.
    async fn explain_type(&self, dead: &Key<S, Stream<T>>, error: Error) -> Error {
        if error.kind() != ErrorKind::WrongType {
            return error;
        }
        match self.command(dead.xlen()).await {
            Err(explained) if explained.kind() == ErrorKind::WrongType => explained,
            _ => error,
        }
    }
}
