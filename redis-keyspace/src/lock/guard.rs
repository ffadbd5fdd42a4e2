//! A lock that is held: it is renewed, then released or lost.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::acquire::Taken;
use super::script::Claim;
use crate::error::{Error, ErrorKind, Result, short_name};
use crate::local::{Streak, Turn};
use crate::schema::TemplateMeta;
use crate::sync::lock;
use crate::time::{Deadline, SuspensionClock, jittered};

/// A handle on a held lock, for work that runs under it. It says whether the lock is still held,
/// and has the fencing number. Cheap to clone.
///
/// [`LockGuard`] dereferences to it, and [`with_lock`](crate::Key::with_lock) passes it to the
/// work.
#[derive(Clone)]
pub struct LockHandle {
    shared: Arc<Shared>,
}

/// A guard that holds a lock until it is [released](Self::release) or dropped. See
/// [`Key::lock`](crate::Key::lock).
///
/// A background task renews the lock every third of its TTL. The methods of [`LockHandle`] report
/// its state.
///
/// Dropping the guard releases the lock in a background task, and ignores errors. If the runtime
/// ends before that task completes, as at the end of `main`, the lock stays until its TTL passes.
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard {
    held: LockHandle,
    renewal: AbortHandle,
    released: bool,
}

/// The limits of how long a lock is held.
#[derive(Debug, Clone, Copy)]
pub(super) struct HoldTimes {
    /// Without renewal.
    pub(super) lifetime: Duration,
    /// With any number of renewals.
    pub(super) max_hold: Option<Duration>,
}

struct Shared {
    claim: Arc<Claim>,
    template: &'static TemplateMeta,
    fencing: u64,
    /// How long the lock is held without renewal.
    lifetime: Duration,
    max_hold: Option<HoldLimit>,
    state: watch::Sender<State>,
    /// Other tasks of this process wait for this turn instead of polling the server.
    turn: Mutex<Option<Turn<Streak>>>,
}

/// The limit of how long a lock may be held, from its request on.
#[derive(Clone, Copy)]
struct HoldLimit {
    at: Instant,
    clock: SuspensionClock,
    limit: Duration,
}

impl HoldLimit {
    /// Returns `None` if the limit is too far in the future to be reached.
    fn new(asked: Instant, limit: Duration) -> Option<Self> {
        Some(Self { at: asked.checked_add(limit)?, clock: SuspensionClock::start(), limit })
    }

    /// Returns when the limit is reached, if the machine is not suspended until then.
    fn ends(&self) -> Instant {
        self.at.checked_sub(self.clock.suspended()).unwrap_or_else(Instant::now)
    }

    fn is_over(&self) -> bool {
        self.ends() <= Instant::now()
    }

    fn into_error(self) -> Error {
        let limit = self.limit;
        let message = format!("the lock reached its `max_hold` of {limit:?} and is released");
        Error::new(ErrorKind::LockLost, message)
    }
}

struct State {
    /// When the lock expires by the clock of this process: a little earlier than on the server.
    until: Instant,
    /// Started at the last renewal. While the machine is suspended, the clock of this process
    /// stands still, but the server's does not.
    clock: SuspensionClock,
    max_hold: Option<HoldLimit>,
    /// Why the lock is no longer held. It never becomes `None` again.
    ended: Option<Error>,
}

impl LockGuard {
    pub(super) fn new(
        claim: Arc<Claim>,
        template: &'static TemplateMeta,
        taken: &Taken,
        times: HoldTimes,
        turn: Option<Turn<Streak>>,
    ) -> Self {
        let HoldTimes { lifetime, max_hold } = times;
        let max_hold = max_hold.and_then(|limit| HoldLimit::new(taken.asked, limit));
        let shared = Arc::new(Shared {
            claim,
            template,
            fencing: taken.fencing,
            lifetime,
            max_hold,
            state: watch::Sender::new(State {
                until: end(taken.asked, lifetime),
                clock: SuspensionClock::start(),
                max_hold,
                ended: None,
            }),
            turn: Mutex::new(turn),
        });
        let renewal = shared.claim.runtime.spawn(keep(Arc::clone(&shared), taken.asked)).abort_handle();
        Self { held: LockHandle { shared }, renewal, released: false }
    }

    /// Returns a handle on the lock, for work that does not own the guard.
    #[must_use]
    pub fn held(&self) -> LockHandle {
        self.held.clone()
    }

    /// Releases the lock.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Lock, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "job", ttl = "30s")]
    /// # struct JobKeys { lock: fn(job: &str) -> Lock }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let guard = JobKeys::lock("nightly").lock().await?;
    /// // .. work under the lock ..
    /// guard.release().await?;
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LockLost`](ErrorKind::LockLost) if the lock was lost before: another holder may have had
    /// it in the meantime. After any other error, a background task tries to release the lock
    /// again, as if the guard were dropped.
    ///
    /// # Cancellation
    ///
    /// As for dropping the guard: a background task releases the lock.
    ///
    /// # Round trips
    ///
    /// One.
    pub async fn release(mut self) -> Result<()> {
        let shared = Arc::clone(&self.held.shared);
        self.renewal.abort();
        let claim = Arc::clone(&shared.claim);
        // Boxed, to keep the caller's future small.
        let release: BoxFuture<'static, Result<bool>> =
            Box::pin(async move { claim.release(Deadline::after(claim.binding.timeout)).await });
        let was_ours = release.await.map_err(|error| shared.about(error))?;
        self.released = true;
        shared.end(Error::new(ErrorKind::LockLost, if was_ours { RELEASED } else { NOT_OURS }));
        // An earlier cause is more specific.
        if was_ours { Ok(()) } else { Err(self.held.check().err().unwrap_or_else(|| shared.lost(NOT_OURS))) }
    }
}

const RELEASED: &str = "the lock was released";
const NOT_OURS: &str =
    "the lock is no longer held: it was deleted or expired, and another holder may have it";
const LATE: &str =
    "the lock could not be renewed in time: it may have expired, and another holder may have it";

impl LockHandle {
    /// Returns the fencing number, which is higher for every later holder of the lock. If a store
    /// rejects writes with a lower number than it has seen, a holder that lost the lock without
    /// noticing can't write to it.
    ///
    /// The number is the microseconds since 1970 by the server's clock, or the last number plus one
    /// if that is higher. The last number is stored next to the lock, for at least a day after the
    /// last holder. If it is lost with the server's data, a number repeats only if the clock also
    /// goes backwards, as it may after a change of servers.
    #[must_use]
    pub fn fencing(&self) -> u64 {
        self.shared.fencing
    }

    /// Returns whether the lock is lost or released, as far as this process knows. Does no I/O.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.check().is_err()
    }

    /// Returns an error if the lock is lost or released, as far as this process knows. Call it
    /// before each step of the work. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`LockLost`](ErrorKind::LockLost), with the reason.
    pub fn check(&self) -> Result<()> {
        match self.shared.state.borrow().why() {
            None => Ok(()),
            Some(why) => Err(self.shared.about(why)),
        }
    }

    /// Waits until the lock is lost or released, and returns the error with the reason. Does no
    /// I/O: the background renewal finds out.
    ///
    /// It returns no later than when the server may let the lock expire. A lock that was broken by
    /// a `del` is noticed at its next renewal.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Lock, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "job", ttl = "30s")]
    /// # struct JobKeys { lock: fn(job: &str) -> Lock }
    /// # async fn work() {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let guard = JobKeys::lock("nightly").lock().await?;
    /// tokio::select! {
    ///     error = guard.lost() => println!("stopped: {error}"),
    ///     () = work() => guard.release().await?,
    /// }
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future changes nothing.
    pub async fn lost(&self) -> Error {
        let mut states = self.shared.state.subscribe();
        loop {
            let until = {
                let state = states.borrow_and_update();
                if let Some(why) = state.why() {
                    return self.shared.about(why);
                }
                state.ends()
            };
            tokio::select! {
                // The sender lives as long as `self`, so an error is impossible.
                _ = states.changed() => {}
                () = sleep_until(until) => {}
            }
        }
    }
}

impl State {
    /// Returns why the lock is no longer held. The time is read while the state is borrowed, so no
    /// renewal can run in between: a lost lock stays lost.
    fn why(&self) -> Option<Error> {
        let rest = self.until.saturating_duration_since(Instant::now());
        let late = || (rest <= self.clock.suspended()).then(|| Error::new(ErrorKind::LockLost, LATE));
        let over = || self.max_hold.filter(HoldLimit::is_over).map(HoldLimit::into_error);
        self.ended.clone().or_else(over).or_else(late)
    }

    /// Returns when the lock is lost without another renewal.
    fn ends(&self) -> Instant {
        self.max_hold.map_or(self.until, |limit| limit.ends().min(self.until))
    }
}

impl Shared {
    fn about(&self, error: Error) -> Error {
        error.about("EVALSHA", Some(self.template.name()), Some(self.claim.key.as_str()))
    }

    fn lost(&self, how: &str) -> Error {
        self.about(Error::new(ErrorKind::LockLost, how))
    }

    /// Records that the lock is no longer held, and passes the turn to the next task of this
    /// process.
    fn end(&self, why: Error) {
        self.state.send_if_modified(|state| {
            let is_news = state.ended.is_none();
            state.ended.get_or_insert(why);
            is_news
        });
        drop(self.take_turn());
    }

    fn take_turn(&self) -> Option<Turn<Streak>> {
        lock(&self.turn).take()
    }

    /// Records a renewal that was requested at `asked`. Returns false if it came too late.
    fn extend(&self, asked: Instant, clock: SuspensionClock) -> bool {
        let mut is_ours = false;
        self.state.send_if_modified(|state| {
            is_ours = state.why().is_none();
            if is_ours {
                state.until = end(asked, self.lifetime);
                state.clock = clock;
            }
            is_ours
        });
        is_ours
    }

    /// Renews the lock, and retries while there is time. Returns when the renewal was requested, or
    /// why the lock is lost.
    async fn renew(&self) -> Result<Instant, Error> {
        let timeout = self.claim.binding.timeout;
        let mut failure: Option<Error> = None;
        loop {
            let (asked, until, clock) =
                (Instant::now(), self.state.borrow().ends(), SuspensionClock::start());
            let rest = until.saturating_duration_since(asked);
            if rest.is_zero() {
                if let Some(limit) = self.max_hold.filter(HoldLimit::is_over) {
                    return Err(limit.into_error());
                }
                let late = Error::new(ErrorKind::LockLost, LATE);
                return Err(match failure {
                    Some(failure) => {
                        late.explained(&format!("the last attempt failed: {failure}")).sourced(failure)
                    }
                    None => late,
                });
            }
            // An unresponsive connection must not use up all of the time.
            let deadline = Deadline::after(timeout.min((rest / 2).max(SHORTEST_TRY)));
            match self.claim.renew(deadline).await {
                Ok(true) if self.extend(asked, clock) => return Ok(asked),
                Ok(true) => {}
                Ok(false) => return Err(Error::new(ErrorKind::LockLost, NOT_OURS)),
                Err(error) if error.kind() == ErrorKind::Closed => {
                    let closed = "the Redis handle was closed, so the lock is no longer renewed";
                    return Err(Error::new(ErrorKind::LockLost, closed).sourced(error));
                }
                Err(error) => {
                    event!(warn, "lock not renewed, trying again", error = %error);
                    failure = Some(error);
                    let pause = jittered((self.lifetime / 24).clamp(SHORTEST_TRY, LONGEST_PAUSE));
                    sleep_until(until.min(Instant::now() + pause)).await;
                }
            }
        }
    }
}

const SHORTEST_TRY: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Returns until when a lock that was requested at `asked` is certainly held. This is less than its
/// lifetime, by a margin for clocks that run at different speeds.
fn end(asked: Instant, lifetime: Duration) -> Instant {
    let margin = lifetime / 100 + Duration::from_millis(2);
    asked + lifetime.saturating_sub(margin)
}

/// Renews a lock until it is lost or reaches its `max_hold`. The task is aborted when the lock is
/// released.
async fn keep(shared: Arc<Shared>, asked: Instant) {
    let Some(limit) = shared.max_hold else { return renew_until_lost(&shared, asked).await };
    tokio::select! {
        biased;
        () = sleep_until(limit.at) => {}
        () = renew_until_lost(&shared, asked) => if !limit.is_over() { return },
    }
    let lost = limit.into_error();
    event!(warn, "lock lost", error = %lost, template = shared.template.template());
    // The turn passes to the next task of this process when the lock is free.
    let _turn = shared.take_turn();
    shared.end(lost);
    if let Err(error) = shared.claim.release(Deadline::after(shared.claim.binding.timeout)).await {
        event!(warn, "lock not released: it expires by itself", error = %error);
    }
}

async fn renew_until_lost(shared: &Shared, mut asked: Instant) {
    loop {
        sleep_until(asked + shared.lifetime / 3).await;
        match shared.renew().await {
            Ok(renewed) => asked = renewed,
            Err(lost) => {
                event!(warn, "lock lost", error = %lost, template = shared.template.template());
                shared.end(lost);
                return;
            }
        }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.released {
            return;
        }
        let shared = Arc::clone(&self.held.shared);
        // The turn passes to the next task of this process after the reply. Before, that task would
        // find the lock held.
        let turn = shared.take_turn();
        shared.end(Error::new(ErrorKind::LockLost, RELEASED));
        let runtime = shared.claim.runtime.clone();
        runtime.spawn(async move {
            let _turn = turn;
            // After an error, the lock expires. Retrying for longer than its TTL would not help
            // waiting callers.
            let deadline = Deadline::after(shared.claim.binding.timeout.min(shared.lifetime));
            if shared.claim.release(deadline).await.is_err_and(|error| error.is_connection_lost()) {
                let _ = shared.claim.release(deadline).await;
            }
        });
    }
}

impl Deref for LockGuard {
    type Target = LockHandle;

    fn deref(&self) -> &LockHandle {
        &self.held
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.print("LockGuard", f)
    }
}

impl fmt::Debug for LockHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print("LockHandle", f)
    }
}

impl LockHandle {
    fn print(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("key", &short_name(self.shared.claim.key.as_str()))
            .field("fencing", &self.shared.fencing)
            .field("is_lost", &self.is_lost())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_expired_while_the_machine_was_suspended_is_lost() {
        let state = |suspended: Duration| State {
            until: Instant::now() + MINUTE,
            clock: SuspensionClock::before_suspension(suspended),
            max_hold: None,
            ended: None,
        };
        assert!(state(Duration::ZERO).why().is_none());
        assert!(state(MINUTE / 2).why().is_none());
        assert_eq!(state(2 * MINUTE).why().map(|error| error.kind()), Some(ErrorKind::LockLost));
        let later = state(MINUTE / 2);
        tokio::time::advance(MINUTE * 3 / 4).await;
        assert!(later.why().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn max_hold_includes_the_time_of_a_suspension() {
        let state = |suspended: Duration, limit: Duration| {
            let clock = SuspensionClock::before_suspension(suspended);
            let max_hold = HoldLimit::new(Instant::now(), limit).map(|limit| HoldLimit { clock, ..limit });
            State {
                until: Instant::now() + 60 * MINUTE,
                clock: SuspensionClock::start(),
                max_hold,
                ended: None,
            }
        };
        assert!(state(MINUTE, 3 * MINUTE).why().is_none());
        assert!(state(4 * MINUTE, 3 * MINUTE).why().is_some());
        let held = state(2 * MINUTE, 3 * MINUTE);
        tokio::time::advance(2 * MINUTE).await;
        assert!(held.why().is_some());
        assert!(held.ends() <= Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreachable_max_hold_is_no_limit() {
        let state = State {
            until: Instant::now() + 1000 * MINUTE * 60 * 24,
            clock: SuspensionClock::start(),
            max_hold: HoldLimit::new(Instant::now(), Duration::MAX),
            ended: None,
        };
        tokio::time::advance(MINUTE * 60 * 24 * 30).await;
        assert!(state.why().is_none(), "the lock is held for a month");
    }
}
