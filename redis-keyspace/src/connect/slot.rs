//! The places of a pool's lanes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use bb8_redis::bb8;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::attempt::{Attempt, Origin};
use super::lane::Lane;
use super::manager::LaneManager;
use crate::error::{Budget, Error};
use crate::time::{Deadline, jittered};

/// The longest pause between two attempts to connect a lane: a caller waits at most this long after the server is back.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// A lane that is younger is not renewed.
const YOUNG: Duration = Duration::from_secs(1);

/// A place for a lane. It keeps the lane checked out, so that bb8 makes one for every slot, and asks for another when the
/// lane breaks.
#[derive(Default)]
pub(crate) struct Slot {
    lane: ArcSwapOption<HeldLane>,
    /// Held while connecting, so that a thousand waiting commands make one attempt.
    connecting: AsyncMutex<Option<FailedAttempt>>,
    /// Whether a task is connecting it.
    reviving: AtomicBool,
}

/// How the last attempt to connect ended.
struct FailedAttempt {
    at: Instant,
    error: Error,
}

pub(crate) struct HeldLane {
    pub(crate) lane: Lane,
    since: Instant,
    _checked_out: bb8::PooledConnection<'static, LaneManager>,
}

/// The index of a slot that should be connected, if any: it has no lane, and no task is connecting it or has just tried.
pub(crate) fn to_connect(slots: &[Slot]) -> Option<usize> {
    let is_due = |slot: &Slot| {
        let failure = slot.connecting.try_lock();
        failure
            .is_ok_and(|failure| failure.as_ref().is_none_or(|failure| failure.at.elapsed() > LONGEST_PAUSE))
    };
    slots.iter().position(|slot| slot.open().is_none() && is_due(slot))
}

/// A connection, or the failure of an attempt that was made since `asked`.
pub(crate) async fn fresh<M, C>(
    pool: &bb8::Pool<M>,
    asked: Instant,
) -> Result<bb8::PooledConnection<'static, M>, bb8::RunError<M::Error>>
where
    M: bb8::ManageConnection<Connection = Attempt<C>>,
{
    loop {
        let checked_out = pool.get_owned().await?;
        if !matches!(&*checked_out, Attempt::Failed(_, at) if *at < asked) {
            return Ok(checked_out);
        }
    }
}

impl Slot {
    /// The lane, open or not.
    #[inline]
    pub(crate) fn held(&self) -> Guard<Option<Arc<HeldLane>>> {
        self.lane.load()
    }

    /// The lane, if it is open.
    pub(crate) fn open(&self) -> Option<Lane> {
        self.lane.load().as_ref().map(|held| &held.lane).filter(|lane| lane.is_open()).cloned()
    }

    /// Whether a task is connecting it already; if not, the caller must.
    pub(crate) fn is_being_revived(&self) -> bool {
        self.reviving.swap(true, Ordering::AcqRel)
    }

    /// The task has ended.
    pub(crate) fn is_revived(&self) {
        self.reviving.store(false, Ordering::Release);
    }

    /// Takes the lane out.
    pub(crate) fn take(&self) -> Option<Lane> {
        self.lane.swap(None).map(|held| held.lane.clone())
    }

    /// Closes the lane for new commands unless it is young; the next command connects.
    pub(crate) fn renew(&self) {
        if let Some(held) = &*self.lane.load()
            && held.since.elapsed() > YOUNG
        {
            held.lane.close();
        }
    }

    /// The slot's lane, connected if it is not. After a failed attempt the next is made after a pause of about
    /// `retry_delay`, however many want one.
    pub(crate) async fn lane(
        &self,
        lanes: &bb8::Pool<LaneManager>,
        origin: &Origin,
        deadline: Deadline,
    ) -> Result<Lane, Error> {
        if let Some(lane) = self.open() {
            return Ok(lane);
        }
        origin.facts.breaker.admit()?;
        let arrived = Instant::now();
        let mut last_failure = deadline.bound(Budget::Connect, self.connecting.lock()).await?;
        if let Some(lane) = self.open() {
            return Ok(lane);
        }
        if let Some(failure) = &*last_failure {
            let again = failure.at + jittered(origin.settings.retry_delay.min(LONGEST_PAUSE));
            // Another task tried while this one waited, or no time is left for another attempt: its failure is the answer.
            if failure.at > arrived || again >= deadline.at() {
                return Err(failure.error.clone());
            }
            tokio::time::sleep_until(again).await;
        }
        // It may have opened while we waited.
        origin.facts.breaker.admit()?;
        // The broken lane returns to bb8 first, to make room for a new one.
        self.lane.store(None);
        let asked = Instant::now();
        let Ok(checked_out) = deadline.bound(Budget::Connect, fresh(lanes, asked)).await? else {
            return Err(deadline.passed(Budget::Connect));
        };
        let lane = match &*checked_out {
            Attempt::Connected(lane) => lane.clone(),
            Attempt::Failed(error, _) => {
                *last_failure = Some(FailedAttempt { at: Instant::now(), error: error.clone() });
                return Err(error.clone());
            }
        };
        let held = HeldLane { lane: lane.clone(), since: Instant::now(), _checked_out: checked_out };
        self.lane.store(Some(Arc::new(held)));
        *last_failure = None;
        Ok(lane)
    }
}
