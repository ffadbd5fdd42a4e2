//! The guard of a held lock, and the handle for work that runs under it.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use futures_core::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep_until;

use super::acquire::Taken;
use super::renewal::{HeldLock, NOT_OURS, RELEASED, keep};
use super::script::Claim;
use super::state::{HoldLimit, HoldState, HoldTimes, end};
use crate::error::{Error, ErrorKind, Result, short_name};
use crate::local::{Streak, Turn};
use crate::schema::TemplateMeta;
use crate::task::spawn;
use crate::time::Deadline;

/// A handle on a held lock, for work that runs under it. It says whether the lock is still held,
/// and has the fencing number. Cheap to clone.
///
/// [`LockGuard`] dereferences to it, and [`with_lock`](crate::Key::with_lock) passes it to the
/// work.
#[derive(Clone)]
pub struct LockHandle {
    shared: Arc<HeldLock>,
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
        let shared = Arc::new(HeldLock {
            claim,
            template,
            fencing: taken.fencing,
            lifetime,
            max_hold,
            state: watch::Sender::new(HoldState {
                until: end(taken.asked.at, lifetime),
                clock: taken.asked.clock,
                max_hold,
                ended: None,
            }),
            turn: Mutex::new(turn),
        });
        let renewal = spawn(&shared.claim.runtime, keep(Arc::clone(&shared), taken.asked.at));
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
    /// One. The first release on a server may take two more, to find out which commands it has.
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
        spawn(&runtime, async move {
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
