//! Distributed locks: one holder at a time, renewed in the background. The holder can see when its
//! lock is lost.

mod acquire;
mod guard;
mod renewal;
mod script;
mod state;

use std::fmt;
use std::future::IntoFuture;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::FutureExt;
pub use guard::{LockGuard, LockHandle};
use script::Claim;
#[cfg(feature = "embedded")]
pub(crate) use script::{ACQUIRE, RELEASE, RENEW};
use state::HoldTimes;

use crate::client::{Binding, CallOptions, Observed, Subject, call_options, current_runtime};
use crate::command::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::kind::Lock;
use crate::schema::{Key, Keyspace};
use crate::time::{Deadline, millis};

/// The default limit of the wait in `lock`.
const WAIT: Duration = Duration::from_secs(10);
/// A lock with a shorter TTL can't be renewed in time.
const SHORTEST: Duration = Duration::from_millis(10);

/// Locks: one holder at a time, among all programs that use the key.
///
/// A background task renews the lock every third of its TTL. The lock is lost if:
///
/// - renewal fails until the TTL has passed;
/// - the key is deleted or overwritten;
/// - the handle is [closed](crate::Redis::close).
///
/// [`lost`](LockHandle::lost) and [`check`](LockHandle::check) report it. They use the clock of
/// this process and report the loss shortly before the server may grant the lock to another holder.
/// A closed handle can't release the lock, so release it first.
///
/// **Limitations.** A lock is best-effort mutual exclusion: it prevents duplicate work most of the
/// time.
///
/// - It is on one server. Replicas follow with a delay, so after a failover two holders may have
///   the same lock.
/// - A holder that is stopped for longer than the TTL (a suspended machine, a debugger, a task that
///   does not yield) continues without noticing the loss.
/// - Requests that were sent elsewhere before the lock was lost still arrive there.
///
/// If two holders at once would do harm, send the [`fencing`](LockHandle::fencing) number with
/// every write. The target must reject every number that is lower than the highest one it has seen.
///
/// The lock is not reentrant: a holder that requests it again waits for itself until the wait times
/// out.
///
/// The operations of every key also work on a lock. [`del`](Key::del) breaks the lock, and another
/// process can take it. The holder notices at its next renewal; waiting tasks of its process try
/// again only then. [`ttl`](Key::ttl) returns how long the lock is held without renewal.
impl<S: Keyspace> Key<S, Lock> {
    /// Takes the lock if it is free. Returns `None` if another holder has it.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Lock, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "job", ttl = "30s")]
    /// # struct JobKeys { lock: fn(job: &str) -> Lock }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// if let Some(guard) = JobKeys::lock("nightly").try_lock().await? {
    ///     assert!(JobKeys::lock("nightly").try_lock().await?.is_none());
    ///     guard.release().await?;
    /// }
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the lock has no TTL, or one of less than 10 ms,
    /// and for a `max_hold` of zero. Otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, a background task releases the lock in case it was taken.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn try_lock(&self) -> TryLock<S> {
        TryLock { options: LockOptions::new(self) }
    }

    /// Takes the lock, and waits while another holder has it. The wait is limited to 10 s, or to
    /// [`wait`](LockWait::wait).
    ///
    /// Tasks on one tokio runtime whose handles have the same configuration get the lock in the
    /// order of their calls, and only the first one asks the server. The order between other tasks,
    /// and between processes, is not defined. A task asks more often the longer it waits. A process
    /// whose tasks pass the lock to each other leaves it free for other processes now and then.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::{Keyspace, Lock, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "job", ttl = "30s")]
    /// # struct JobKeys { lock: fn(job: &str) -> Lock }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let guard = JobKeys::lock("nightly").lock().wait(Duration::from_secs(60)).await?;
    /// for step in 0..3 {
    ///     guard.check()?; // fails if the lock is lost
    ///     println!("step {step}, as holder number {}", guard.fencing());
    /// }
    /// guard.release().await?;
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LockTimeout`](ErrorKind::LockTimeout) if another holder still has the lock at the end of
    /// the wait, and the errors of [`try_lock`](Self::try_lock). Any error ends the wait.
    ///
    /// # Cancellation
    ///
    /// As for [`try_lock`](Self::try_lock).
    ///
    /// # Round trips
    ///
    /// One if the lock is free, plus one for each retry. The pause before a retry is at most 75 ms.
    pub fn lock(&self) -> LockWait<S> {
        LockWait { options: LockOptions::new(self), wait: WAIT }
    }

    /// Takes the lock, runs `work`, and releases the lock. Short for [`LockWait::with_lock`]
    /// without options.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Lock, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "job", ttl = "30s")]
    /// # struct JobKeys { lock: fn(job: &str) -> Lock }
    /// # async fn tidy_up(_: u64) -> u32 { 3 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let tidied = JobKeys::lock("nightly").with_lock(|lock| tidy_up(lock.fencing())).await?;
    /// assert_eq!(tidied, 3);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`LockWait::with_lock`].
    ///
    /// # Cancellation
    ///
    /// As for [`LockWait::with_lock`].
    ///
    /// # Round trips
    ///
    /// As for [`LockWait::with_lock`].
    pub fn with_lock<F, Fut>(&self, work: F) -> impl Future<Output = Result<Fut::Output>> + use<S, F, Fut>
    where
        F: FnOnce(LockHandle) -> Fut,
        Fut: Future,
    {
        self.lock().with_lock(work)
    }

    /// Returns whether the lock is held. This may have changed when the reply arrives.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Lock, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "job", ttl = "30s")]
    /// # struct JobKeys { lock: fn(job: &str) -> Lock }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(!JobKeys::lock("nightly").is_locked().await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future has no effect on the lock.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn is_locked(&self) -> Command<bool> {
        self.exists()
    }
}

/// The options that all ways to take a lock share.
struct LockOptions<S> {
    key: Key<S, Lock>,
    ttl: Option<Duration>,
    max_hold: Option<Duration>,
    call: CallOptions,
}

impl<S: Keyspace> LockOptions<S> {
    fn new(key: &Key<S, Lock>) -> Self {
        Self { key: key.clone(), ttl: None, max_hold: None, call: CallOptions::of_key(key) }
    }

    fn subject(&self) -> Subject {
        Subject::new(Some(S::META), Some(self.key.template()), "EVALSHA")
    }

    fn times(&self, lifetime: Duration) -> HoldTimes {
        HoldTimes { lifetime, max_hold: self.max_hold }
    }

    /// Checks the options. Returns the binding, the timeout of a command, the TTL of the lock, and
    /// the claim.
    fn prepare(
        &self,
        to_server: impl FnOnce(&Binding),
    ) -> Result<(Arc<Binding>, Duration, Duration, Arc<Claim>)> {
        let binding = self.call.resolve::<S>()?;
        to_server(&binding);
        let lifetime = self
            .ttl
            .or(binding.lifetime(self.key.template()).duration())
            .ok_or_else(|| Error::invalid_input("a lock needs a TTL; set one with `.ttl(..)`"))?;
        if lifetime < SHORTEST {
            return Err(Error::invalid_input(format!(
                "a lock with a TTL of {lifetime:?} can't be renewed in time; set at least {SHORTEST:?}"
            )));
        }
        if self.max_hold.is_some_and(|max_hold| max_hold.is_zero()) {
            return Err(Error::invalid_input(
                "`max_hold` is zero, so the lock would be lost at once; set a longer time",
            ));
        }
        let claim = Claim::new(Arc::clone(&binding), current_runtime()?, self.key.text(), millis(lifetime)?);
        let timeout = self.call.timeout.unwrap_or(binding.timeout);
        Ok((binding, timeout, lifetime.min(Deadline::LONGEST), Arc::new(claim)))
    }
}

macro_rules! lock_builder {
    ($name:ident => $output:ty) => {
        impl<S: Keyspace> $name<S> {
            /// Sets how long the lock is held without renewal, instead of the template's TTL. At
            /// least 10 ms. Choose a much longer time, so that the lock survives a pause of the
            /// program or a short outage of the server.
            pub fn ttl(mut self, ttl: Duration) -> Self {
                self.options.ttl = Some(ttl);
                self
            }

            /// Limits how long the lock is held in total, from its acquisition on, renewals
            /// included. After that time, the lock is [lost](LockHandle::lost) with
            /// [`LockLost`](crate::ErrorKind::LockLost) and is released.
            /// [`with_lock`](LockWait::with_lock) then drops its work. Use this for work that may
            /// hang.
            ///
            /// ```
            /// # use std::time::Duration;
            /// # use redis_keyspace::{ErrorKind, Keyspace, Lock, Redis};
            /// # #[derive(Keyspace)]
            /// # #[keyspace(prefix = "job", ttl = "30s")]
            /// # struct JobKeys { lock: fn(job: &str) -> Lock }
            /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), redis_keyspace::Error> {
            /// # Redis::embedded().scope(async {
            /// let hour = Duration::from_secs(3600);
            /// let work = |_| std::future::pending::<()>(); // hangs
            /// let outcome = JobKeys::lock("nightly").lock().max_hold(hour).with_lock(work).await;
            /// assert_eq!(outcome.unwrap_err().kind(), ErrorKind::LockLost);
            /// # Ok(()) }).await }
            /// ```
            pub fn max_hold(mut self, limit: Duration) -> Self {
                self.options.max_hold = Some(limit);
                self
            }

            call_options! { self => self.options.call;
                /// Sets the timeout of each command that requests the lock.
            }

            async fn run(self) -> Result<$output> {
                let subject = self.options.subject();
                let observed = Observed::command(&subject);
                let outcome = self.take(&observed).await;
                observed.outcome(&subject, outcome.as_ref().err());
                outcome.map_err(|error| self.options.key.explain("EVALSHA", error))
            }
        }

        impl<S: Keyspace> IntoFuture for $name<S> {
            type Output = Result<$output>;
            type IntoFuture = BoxFuture<'static, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                self.run().boxed()
            }
        }

        impl<S> fmt::Debug for $name<S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("key", &self.options.key)
                    .field("ttl", &self.options.ttl)
                    .finish_non_exhaustive()
            }
        }
    };
}

/// An attempt to take a lock, with its options. Await it. Created by [`Key::try_lock`].
#[must_use = "nothing is locked unless it is awaited"]
pub struct TryLock<S> {
    options: LockOptions<S>,
}

lock_builder!(TryLock => Option<LockGuard>);

impl<S: Keyspace> TryLock<S> {
    async fn take(&self, observed: &Observed) -> Result<Option<LockGuard>> {
        let (binding, timeout, lifetime, claim) = self.options.prepare(|binding| observed.to(binding))?;
        // While the guard has the turn, other tasks of this process wait for it and do not ask the
        // server.
        let turn = binding.pool().local.locks.try_take(claim.name());
        let taken = acquire::try_once(&claim, timeout).await?;
        let template = self.options.key.template();
        Ok(taken
            .ok()
            .map(|taken| LockGuard::new(claim, template, &taken, self.options.times(lifetime), turn)))
    }
}

/// A wait for a lock, with its options. Await it, or call [`with_lock`](Self::with_lock). Created
/// by [`Key::lock`].
#[must_use = "nothing is locked unless it is awaited"]
pub struct LockWait<S> {
    options: LockOptions<S>,
    wait: Duration,
}

lock_builder!(LockWait => LockGuard);

impl<S: Keyspace> LockWait<S> {
    /// Sets how long to wait while another holder has the lock: 10 s by default, at most seven
    /// days. The last command may end after that, at its own timeout.
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    /// Takes the lock, runs `work`, and releases the lock. `work` receives a [`LockHandle`].
    ///
    /// If the lock is lost, the work is dropped at its next yield point.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::{Keyspace, Lock, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "job", ttl = "30s")]
    /// # struct JobKeys { lock: fn(job: &str) -> Lock }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let lock = JobKeys::lock("nightly").lock().wait(Duration::from_secs(60));
    /// let count = lock.with_lock(async |_| 3).await?;
    /// assert_eq!(count, 3);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LockLost`](ErrorKind::LockLost) if the lock was lost before the work completed or before
    /// it was released; the output of completed work is dropped then. The errors of [`Key::lock`],
    /// and then the work does not start. An error of the work itself is part of the output. If the
    /// release fails otherwise, the output is returned, and the lock expires by its TTL.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, the work is dropped too, and the lock is released in the
    /// background.
    ///
    /// # Round trips
    ///
    /// Those of [`Key::lock`], and one to release the lock. Renewals run in the background.
    pub async fn with_lock<F, Fut>(self, work: F) -> Result<Fut::Output>
    where
        F: FnOnce(LockHandle) -> Fut,
        Fut: Future,
    {
        let guard = self.into_future().await?;
        let output = {
            let work = pin!(work(guard.held()));
            tokio::select! {
                biased;
                lost = guard.lost() => return Err(lost),
                output = work => output,
            }
        };
        match guard.release().await {
            Err(error) if error.kind() == ErrorKind::LockLost => Err(error),
            // The work is complete, so an error of the release is ignored: the lock expires.
            Ok(()) | Err(_) => Ok(output),
        }
    }

    async fn take(&self, observed: &Observed) -> Result<LockGuard> {
        let (binding, timeout, lifetime, claim) =
            self.options.prepare(|binding| observed.to_untimed(binding))?;
        let limit = Deadline::after(self.wait);
        let turn = binding.pool().local.locks.take(claim.name());
        let mut turn = tokio::time::timeout_at(limit.at(), turn)
            .await
            .map_err(|_| locked(limit, "another task of this process"))?;
        let taken = acquire::wait(&claim, &mut turn, timeout, limit).await?;
        let taken = taken.ok_or_else(|| locked(limit, "another task or process"))?;
        Ok(LockGuard::new(
            claim,
            self.options.key.template(),
            &taken,
            self.options.times(lifetime),
            Some(turn),
        ))
    }
}

fn locked(limit: Deadline, holder: &str) -> Error {
    Error::new(
        ErrorKind::LockTimeout,
        format!(
            "{holder} still holds the lock after {:?}; retry later, or raise the limit with `wait`",
            limit.limit(),
        ),
    )
}
