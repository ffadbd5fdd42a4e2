//! The slots for the lanes of a pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use bb8_redis::bb8;
use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::attempt::{Attempt, Origin};
use super::lane::Lane;
use super::manager::LaneManager;
use crate::error::{Budget, Error};
use crate::time::{Deadline, jittered};

/// The longest pause between two attempts to connect a lane. A caller waits at most this long after
/// the server is back.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// A lane younger than this is not renewed.
const YOUNG: Duration = Duration::from_secs(1);

/// A slot for a lane. It keeps the lane checked out, so that bb8 opens one connection per slot. It
/// requests another one when the lane breaks.
#[derive(Default)]
pub(crate) struct Slot {
    lane: ArcSwapOption<HeldLane>,
    /// Locked while connecting, so that a thousand waiting commands make one attempt.
    connecting: AsyncMutex<Option<FailedAttempt>>,
    /// Whether a background task is connecting the slot.
    reviving: AtomicBool,
}

/// The failure of the last attempt to connect.
struct FailedAttempt {
    at: Instant,
    error: Error,
}

pub(crate) struct HeldLane {
    pub(crate) lane: Lane,
    since: Instant,
    _checked_out: bb8::PooledConnection<'static, LaneManager>,
}

/// Returns the index of a slot that should be connected, if any: it has no lane, and no task is
/// connecting it or has just tried.
pub(crate) fn to_connect(slots: &[Slot]) -> Option<usize> {
    let is_due = |slot: &Slot| {
        let failure = slot.connecting.try_lock();
        failure
            .is_ok_and(|failure| failure.as_ref().is_none_or(|failure| failure.at.elapsed() > LONGEST_PAUSE))
    };
    slots.iter().position(|slot| slot.open().is_none() && is_due(slot))
}

/// Returns a connection, or the failure of an attempt that was made after `asked`. `home` is the
/// runtime of the pool.
pub(crate) async fn fresh<M, C>(
    pool: &bb8::Pool<M>,
    asked: Instant,
    home: &Handle,
) -> Result<bb8::PooledConnection<'static, M>, bb8::RunError<M::Error>>
where
    M: bb8::ManageConnection<Connection = Attempt<C>>,
{
    loop {
        let checked_out = check_out(pool, home).await?;
        if !matches!(&*checked_out, Attempt::Failed(_, at) if *at < asked) {
            return Ok(checked_out);
        }
    }
}

/// Checks a connection out. bb8 opens connections on the runtime of the caller, and they would end
/// with it. So a caller on another runtime waits for a task on the runtime of the pool.
async fn check_out<M: bb8::ManageConnection>(
    pool: &bb8::Pool<M>,
    home: &Handle,
) -> Result<bb8::PooledConnection<'static, M>, bb8::RunError<M::Error>> {
    if Handle::try_current().is_ok_and(|here| here.id() == home.id()) {
        return pool.get_owned().await;
    }
    // The set ends the task if the caller stops waiting.
    let (mut tasks, of_task) = (JoinSet::new(), pool.clone());
    tasks.spawn_on(async move { of_task.get_owned().await }, home);
    match tasks.join_next().await {
        Some(Ok(outcome)) => outcome,
        // The runtime of the pool has ended, and so have its connections.
        _ => pool.get_owned().await,
    }
}

/// Marks a slot as being connected in the background.
pub(crate) struct Reviving {
    slots: Arc<[Slot]>,
    nth: usize,
}

impl Reviving {
    /// Marks a slot, unless it is marked already.
    pub(crate) fn start(slots: &Arc<[Slot]>, nth: usize) -> Option<Self> {
        let is_marked = slots.get(nth)?.reviving.swap(true, Ordering::AcqRel);
        (!is_marked).then(|| Self { slots: Arc::clone(slots), nth })
    }

    pub(crate) fn slot(&self) -> Option<&Slot> {
        self.slots.get(self.nth)
    }
}

impl Drop for Reviving {
    fn drop(&mut self) {
        if let Some(slot) = self.slot() {
            slot.reviving.store(false, Ordering::Release);
        }
    }
}

impl Slot {
    /// Returns the lane, open or not.
    #[inline]
    pub(crate) fn held(&self) -> Guard<Option<Arc<HeldLane>>> {
        self.lane.load()
    }

    /// Returns the lane if it is open.
    pub(crate) fn open(&self) -> Option<Lane> {
        self.lane.load().as_ref().map(|held| &held.lane).filter(|lane| lane.is_open()).cloned()
    }

    /// Removes the lane from the slot and closes it for new commands.
    pub(crate) fn end(&self) -> Option<Lane> {
        let held = self.lane.swap(None)?;
        // First: bb8 would hand out an open lane again.
        held.lane.close();
        Some(held.lane.clone())
    }

    /// Closes the lane for new commands unless it is young. The next command connects again.
    pub(crate) fn renew(&self) {
        if let Some(held) = &*self.lane.load()
            && held.since.elapsed() > YOUNG
        {
            held.lane.close();
        }
    }

    /// Closes the lane for new commands, because its server was replaced. The next command connects
    /// again.
    pub(crate) fn retire(&self) {
        if let Some(held) = &*self.lane.load() {
            held.lane.retire();
        }
    }

    /// Returns the lane of the slot, and connects it if necessary. After a failed attempt, the next
    /// one starts after a pause of about `retry_delay`, no matter how many callers wait. Fails once
    /// the pool is closed.
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
        let explained = |error| origin.facts.explain_timeout(error);
        let connecting = deadline.bound(Budget::Connect, self.connecting.lock());
        let mut last_failure = connecting.await.map_err(explained)?;
        if let Some(lane) = self.open() {
            return Ok(lane);
        }
        if let Some(failure) = &*last_failure {
            let again = failure.at + jittered(origin.settings.retry_delay.min(LONGEST_PAUSE));
            // Another task tried while this one waited, or no time is left for another attempt. Its
            // failure is the answer.
            if failure.at > arrived || again >= deadline.at() {
                return Err(failure.error.clone());
            }
            tokio::time::sleep_until(again).await;
        }
        // The breaker may have opened meanwhile.
        origin.facts.breaker.admit()?;
        // Return the broken lane to bb8 first, to make room for a new one.
        self.lane.store(None);
        let asked = Instant::now();
        let checked_out = deadline
            .bound(Budget::Connect, fresh(lanes, asked, origin.runtime()))
            .await
            .map_err(explained)?;
        let Ok(checked_out) = checked_out else {
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
        if origin.closed().is_set() {
            // The pool was closed after the lane was connected, and this lane may have been missed.
            self.end();
            return Err(Error::closed());
        }
        if lane.generation() != origin.facts.generation() {
            // The server was replaced after the lane was connected, here or for a caller that was
            // dropped, and this lane was missed.
            lane.retire();
        }
        Ok(lane)
    }
}
