//! Rate limits.

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

/// Rate limits, exact to the microsecond, by the server's clock. They use the generic cell rate algorithm, or
/// [fixed windows](FixedWindow) if declared as `RateLimit<FixedWindow>`. Each limit is one key of a few bytes, which expires
/// when the limit has fully recovered. A check is one round trip.
///
/// [`del`](Key::del) forgets what was used.
impl<S: Keyspace, A: RateAlgorithm> Key<S, RateLimit<A>> {
    /// Takes one of what the rate allows, if it does now. What is not allowed takes nothing.
    ///
    /// The rate is stated with each check, so that it can depend on who asks; checks of one key with different rates share
    /// what they use.
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
    /// let refused = ApiKeys::calls(7).check(rate).await?;
    /// assert!(!refused.allowed);
    /// println!("429, Retry-After: {:?}", refused.retry_after);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a rate that allows nothing, a cost that is never allowed, and
    /// a template whose lifetime is shorter than the rate takes to recover; and those of any command. If its connection
    /// is lost on the way, it is not tried again: it might count twice.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves it open whether it counts.
    pub fn check(&self, rate: Rate) -> RateCheck<S, A> {
        RateCheck::new(self, rate, true)
    }

    /// How the limit stands, as [`check`](Self::check) would find it; takes nothing, so dropping the future changes nothing. One
    /// round trip.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check); after a lost connection it is tried again.
    pub fn peek(&self, rate: Rate) -> RateCheck<S, A> {
        RateCheck::new(self, rate, false)
    }

    /// Takes as many as are allowed now, at most `most`. [`taken`](RateLimitDecision::taken) is the number taken, for example
    /// the number of queued messages to send now.
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
    /// As for [`check`](Self::check). If it fails, nothing was taken, unless the connection was lost or the
    /// timeout passed.
    ///
    /// # Round trips
    ///
    /// One if `most` is allowed, else two; one more each time another caller takes some in between.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, some may or may not have been taken.
    pub fn allow_at_most(&self, rate: Rate, most: u64) -> RateTake<S, A> {
        RateTake::new(self, rate, most)
    }
}
