//! Locks: held by one at a time, renewed while they are held, and whoever loses one is told.

mod acquire;
mod guard;
mod script;

use std::fmt;
use std::future::IntoFuture;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use guard::HoldTimes;
pub use guard::{LockGuard, LockHandle};
use script::Claim;
#[cfg(feature = "embedded")]
pub(crate) use script::{ACQUIRE, RELEASE, RENEW};

use crate::client::{Binding, CallOptions, Observed, Subject, call_options, current_runtime};
use crate::command::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::kind::Lock;
use crate::schema::{Key, Keyspace};
use crate::time::{Deadline, millis};

/// How long `lock` waits by default.
const WAIT: Duration = Duration::from_secs(10);
/// A lock with a shorter TTL can't be renewed in time.
const SHORTEST: Duration = Duration::from_millis(10);

/// Locks: one holder at a time, among all programs that use the key.
///
/// A background task renews the lock every third of its TTL. The lock is lost if renewal fails until the TTL has passed, if
/// the key is deleted or overwritten, and if the handle is [closed](crate::Redis::close).
/// [`lost`](LockHandle::lost) and [`check`](LockHandle::check) report it, by the clock of this process and shortly before the
/// server may grant the lock to another holder. A closed handle can't release the lock, so release it first.
///
/// **Limits.** A lock prevents duplicate work most of the time; it does not make it impossible.
///
/// - It is on one server. Replicas follow with a delay, so after a failover two holders may have the same lock.
/// - A holder that is stopped for longer than the TTL (a suspended machine, a debugger, a task that does not yield)
///   continues without noticing the loss.
/// - Requests that were sent elsewhere before the lock was lost still arrive there.
///
/// If two holders at once would do harm, send the [`fencing`](LockHandle::fencing) number with every write, and let the
/// target reject numbers lower than the highest that it has seen.
///
/// The lock is not reentrant: a holder that requests it again waits for itself until the wait times out.
///
/// The operations of every key work here, too. [`del`](Key::del) breaks the lock, so that another process can take it; the
/// holder notices at its next renewal, and then waiting tasks of its process try again. [`ttl`](Key::ttl) returns how long
/// the lock is held without renewal.
impl<S: Keyspace> Key<S, Lock> {
    /// Takes the lock if it is free; returns `None` if it is held. One round trip.
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
    /// Those of any command.
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, a lock that it may have taken is given back in the background.
    pub fn try_lock(&self) -> TryLock<S> {
        TryLock { options: LockOptions::new(self) }
    }

    /// Takes the lock, waiting for whoever has it: up to 10 s, or as [`wait`](LockWait::wait) says.
    ///
    /// Tasks of this process get it in the order of asking, and one of them at a time asks the server. Among processes
    /// there is no order, but one that has waited longer asks more often, and one whose tasks hand the lock to each other
    /// leaves it to others now and then.
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
    ///     guard.check()?; // still ours
    ///     println!("step {step}, as holder number {}", guard.fencing());
    /// }
    /// guard.release().await?;
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LockTimeout`](ErrorKind::LockTimeout) if another holder still has the lock when the time is over.
    /// [`InvalidInput`](ErrorKind::InvalidInput) without a lifetime, for one of less than 10 ms, and for a `max_hold` of zero.
    /// Otherwise those of any command; an error ends the wait.
    ///
    /// # Cancellation
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn lock(&self) -> LockWait<S> {
        LockWait { options: LockOptions::new(self), wait: WAIT }
    }

    /// Runs work while the lock is held, and gives the lock back: [`LockWait::with_lock`] without options.
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
    /// As [`LockWait::with_lock`].
    pub fn with_lock<F, Fut>(&self, work: F) -> impl Future<Output = Result<Fut::Output>> + use<S, F, Fut>
    where
        F: FnOnce(LockHandle) -> Fut,
        Fut: Future,
    {
        self.lock().with_lock(work)
    }

    /// Whether somebody holds the lock now. By the time that the answer is there, that may have changed.
    pub fn is_locked(&self) -> Command<bool> {
        self.exists()
    }
}

/// What all ways to take a lock have.
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

    /// Where it is, how long a command may take, how long the lock lasts, and who asks for it.
    fn prepare(&self, observed: &Observed) -> Result<(Arc<Binding>, Duration, Duration, Arc<Claim>)> {
        let binding = self.call.resolve::<S>()?;
        observed.to(&binding);
        let lifetime = self
            .ttl
            .or(binding.lifetime(self.key.template()).duration())
            .ok_or_else(|| Error::invalid_input("a lock needs a lifetime: state one with `.ttl(..)`"))?;
        if lifetime < SHORTEST {
            return Err(Error::invalid_input(format!(
                "a lock of {lifetime:?} could not be renewed in time; {SHORTEST:?} is the least"
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
            /// How long the lock stays without renewal, instead of the template's lifetime. At least 10 ms; what is to
            /// survive a pause of the program, or a server that is away for a moment, should be much longer.
            pub fn ttl(mut self, ttl: Duration) -> Self {
                self.options.ttl = Some(ttl);
                self
            }

            /// Limits how long the lock is held, counted from when it is taken, renewals included. After that time, the lock is
            /// [lost](LockHandle::lost) with [`LockLost`](crate::ErrorKind::LockLost) and is released.
            /// [`with_lock`](LockWait::with_lock) then drops its work. Use it for work that may hang.
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
                Box::pin(self.run())
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

/// Taking a lock that nobody has, with its options: await it. See [`Key::try_lock`].
#[must_use = "nothing is locked unless it is awaited"]
pub struct TryLock<S> {
    options: LockOptions<S>,
}

lock_builder!(TryLock => Option<LockGuard>);

impl<S: Keyspace> TryLock<S> {
    async fn take(&self, observed: &Observed) -> Result<Option<LockGuard>> {
        let (binding, timeout, lifetime, claim) = self.options.prepare(observed)?;
        // With it, tasks of this process that want the lock next need not ask the server.
        let turn = binding.pool().local.locks.try_take(claim.name());
        let taken = acquire::try_once(&claim, timeout).await?;
        let template = self.options.key.template();
        Ok(taken
            .ok()
            .map(|taken| LockGuard::new(claim, template, &taken, self.options.times(lifetime), turn)))
    }
}

/// Taking a lock and waiting for it, with its options: await it. See [`Key::lock`].
#[must_use = "nothing is locked unless it is awaited"]
pub struct LockWait<S> {
    options: LockOptions<S>,
    wait: Duration,
}

lock_builder!(LockWait => LockGuard);

impl<S: Keyspace> LockWait<S> {
    /// How long to wait for the lock while somebody else has it; 10 s unless stated. The last command by which it is asked
    /// for may go beyond that by its own deadline.
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    /// Takes the lock, runs work, and gives the lock back. The work is given what it may need to know of the lock.
    ///
    /// As soon as the lock is lost, the work is dropped where it stands, which takes that it yields now and then. When
    /// the future is dropped, the work is too, and then the lock is given back in the background.
    ///
    /// # Errors
    ///
    /// [`LockLost`](ErrorKind::LockLost) when the lock was lost before the work was done, or turns out to have been when
    /// it is given back; and those of [`Key::lock`], with which the work does not begin. What the work itself fails with
    /// is its output.
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
            // The work is done; a lock that can't be given back expires.
            Ok(()) | Err(_) => Ok(output),
        }
    }

    async fn take(&self, observed: &Observed) -> Result<LockGuard> {
        let (binding, timeout, lifetime, claim) = self.options.prepare(observed)?;
        let limit = Deadline::after(self.wait);
        let turn = binding.pool().local.locks.take(claim.name());
        let mut turn = tokio::time::timeout_at(limit.at(), turn)
            .await
            .map_err(|_| locked(limit, "a task of this process"))?;
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
        format!("{holder} held the lock for all of the {:?} that it was waited for", limit.limit()),
    )
}
