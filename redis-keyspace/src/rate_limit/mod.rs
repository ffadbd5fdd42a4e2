//! Rate limits that all processes share.

mod check;
mod decision;
mod rate;
mod script;
mod take;
mod windows;

pub use check::RateCheck;
pub use decision::RateLimitDecision;
pub use rate::Rate;
#[cfg(feature = "embedded")]
pub(crate) use script::RATE_LIMIT_SCRIPT;
pub use take::RateTake;
#[cfg(feature = "embedded")]
pub(crate) use windows::FIXED_WINDOW_SCRIPT;

use crate::kind::RateLimit;
pub use crate::kind::{FixedWindow, Gcra, RateAlgorithm};
use crate::schema::{Key, Keyspace};

/// Rate limits, exact to the microsecond by the server's clock. They use the generic cell rate
/// algorithm, or [fixed windows](FixedWindow) if declared as `RateLimit<FixedWindow>`. Each limit
/// is one key of a few bytes, which expires when the limit has fully recovered.
///
/// [`del`](Key::del) resets a limit.
impl<S: Keyspace, A: RateAlgorithm> Key<S, RateLimit<A>> {
    /// Takes one from the limit if the rate allows it now, or as many as [`cost`](RateCheck::cost)
    /// sets. A check that is not allowed takes nothing.
    ///
    /// The rate is an argument of each check, so it can depend on the caller. Checks of one key
    /// with different rates share the same usage.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, RateLimit, Redis};
    /// # use redis_keyspace::rate_limit::Rate;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "api", ttl = none)]
    /// # struct ApiKeys { calls: fn(user: u64) -> RateLimit }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let rate = Rate::per_minute(100).burst(2);
    /// assert_eq!(ApiKeys::calls(7).check(rate).await?.remaining, 1);
    /// assert_eq!(ApiKeys::calls(7).check(rate).await?.remaining, 0);
    /// let rejected = ApiKeys::calls(7).check(rate).await?;
    /// assert!(!rejected.allowed);
    /// println!("429, Retry-After: {:?}", rejected.retry_after);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a rate that allows nothing, a cost that
    /// is never allowed, and a template whose TTL is shorter than the rate takes to recover.
    /// Otherwise those of any command. Not retried after a lost connection: the check might count
    /// twice.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the check may still
    /// count.
    ///
    /// # Round trips
    ///
    /// One. With [`wait`](RateCheck::wait), one per attempt.
    pub fn check(&self, rate: Rate) -> RateCheck<S, A> {
        RateCheck::new(self, rate, true)
    }

    /// Returns the state of the limit, as [`check`](Self::check) would, but takes nothing.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, RateLimit, Redis};
    /// # use redis_keyspace::rate_limit::Rate;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "api", ttl = none)]
    /// # struct ApiKeys { calls: fn(user: u64) -> RateLimit }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let rate = Rate::per_minute(100);
    /// assert_eq!(ApiKeys::calls(7).peek(rate).await?.remaining, 100);
    /// assert_eq!(ApiKeys::calls(7).peek(rate).await?.remaining, 100); // nothing was taken
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check). Retried after a lost connection.
    ///
    /// # Cancellation
    ///
    /// Dropping the future changes nothing.
    ///
    /// # Round trips
    ///
    /// One. With [`wait`](RateCheck::wait), one per attempt.
    pub fn peek(&self, rate: Rate) -> RateCheck<S, A> {
        RateCheck::new(self, rate, false)
    }

    /// Takes as many as are allowed now, at most `most`. [`taken`](RateLimitDecision::taken) is the
    /// number taken, for example how many queued messages to send now.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, RateLimit, Redis};
    /// # use redis_keyspace::rate_limit::Rate;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "mail", ttl = none)]
    /// # struct MailKeys { sent: fn(account: u64) -> RateLimit }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let rate = Rate::per_minute(100);
    /// assert_eq!(MailKeys::sent(7).allow_at_most(rate, 70).await?.taken, 70);
    /// assert_eq!(MailKeys::sent(7).allow_at_most(rate, 70).await?.taken, 30);
    /// let none = MailKeys::sent(7).allow_at_most(rate, 70).await?;
    /// assert!(!none.allowed && none.retry_after.is_some());
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check). After an error, nothing was taken, unless the connection was
    /// lost or the timeout passed.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, some may or may not be taken.
    ///
    /// # Round trips
    ///
    /// One if `most` is allowed, else two, and one more each time another caller takes some in
    /// between.
    pub fn allow_at_most(&self, rate: Rate, most: u64) -> RateTake<S, A> {
        RateTake::new(self, rate, most)
    }
}
