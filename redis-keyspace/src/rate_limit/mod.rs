//! Rate limits.

mod rate;
mod script;

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures_core::future::BoxFuture;
use rate::Quota;
pub use rate::Rate;
#[cfg(feature = "embedded")]
pub(crate) use script::RATE_LIMIT_SCRIPT;

use crate::client::{CallOptions, Observed, Subject, call_options};
use crate::error::{Error, Result};
use crate::kind::RateLimit;
use crate::schema::{Key, Keyspace};

/// Rate limits, by the generic cell rate algorithm, on the server's clock to the microsecond, and exact. One key of a few
/// bytes each, which expires when the limit has fully recovered; one round trip a check.
///
/// [`del`](Key::del) forgets what was used.
impl<S: Keyspace> Key<S, RateLimit> {
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
    pub fn check(&self, rate: Rate) -> RateCheck<S> {
        RateCheck::new(self, rate, true)
    }

    /// How the limit stands, as [`check`](Self::check) would find it; takes nothing, so dropping the future changes nothing. One
    /// round trip.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check); after a lost connection it is tried again.
    pub fn peek(&self, rate: Rate) -> RateCheck<S> {
        RateCheck::new(self, rate, false)
    }
}

/// What a rate limit allows. See [`Key::check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "it says whether to go on"]
pub struct RateLimitDecision {
    /// Whether what was asked for is allowed.
    pub allowed: bool,
    /// How many are allowed at once: the burst.
    pub limit: u64,
    /// How many more are allowed now.
    pub remaining: u64,
    /// How long until what was refused would be allowed; `None` for what is allowed.
    pub retry_after: Option<Duration>,
    /// How long until the limit has fully recovered.
    pub reset_after: Duration,
}

/// Checking a rate limit, with its options: await it. See [`Key::check`] and [`Key::peek`].
#[must_use = "nothing is checked unless it is awaited"]
pub struct RateCheck<S> {
    key: Key<S, RateLimit>,
    rate: Rate,
    takes: bool,
    cost: u64,
    options: CallOptions,
}

impl<S: Keyspace> RateCheck<S> {
    fn new(key: &Key<S, RateLimit>, rate: Rate, takes: bool) -> Self {
        Self { key: key.clone(), rate, takes, cost: 1, options: CallOptions::of_key(key) }
    }

    /// How many it takes at once; one unless stated. All or nothing.
    pub fn cost(mut self, cost: u64) -> Self {
        self.cost = cost;
        self
    }

    call_options! { self => self.options;
        /// Sets the timeout of the command: waiting for a connection, connecting and the reply.
    }

    async fn run(self) -> Result<RateLimitDecision> {
        let subject = Subject::new(Some(S::META), Some(self.key.template()), "EVALSHA");
        let observed = Observed::command(&subject);
        let outcome = self.ask(&observed).await;
        observed.outcome(&subject, outcome.as_ref().err());
        outcome.map_err(|error| self.key.explain("EVALSHA", error))
    }

    async fn ask(&self, observed: &Observed) -> Result<RateLimitDecision> {
        let quota = Quota::new(self.rate, self.cost)?;
        let window = quota.window();
        if let Some(lifetime) =
            self.key.template().lifetime().duration().filter(|lifetime| *lifetime < window)
        {
            return Err(Error::invalid_input(format!(
                "the template states a lifetime of {lifetime:?}, and the limit takes {window:?} to recover: state a longer \
                 one, or `ttl = none`, since the key expires by itself"
            )));
        }
        let binding = self.options.resolve::<S>()?;
        observed.to(&binding);
        let deadline = binding.deadline(self.options.timeout);
        let call = script::call(self.key.text(), &quota, self.takes);
        let answer = script::SCRIPT.run(&binding, call, deadline, !self.takes).await?;
        let (allowed, reading) = script::reading(answer)?;
        Ok(RateLimitDecision {
            allowed,
            limit: quota.burst,
            remaining: quota.remaining(reading),
            retry_after: (!allowed).then(|| quota.retry_after(reading)),
            reset_after: quota.reset_after(reading),
        })
    }
}

impl<S: Keyspace> IntoFuture for RateCheck<S> {
    type Output = Result<RateLimitDecision>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<S> fmt::Debug for RateCheck<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateCheck")
            .field("key", &self.key)
            .field("rate", &self.rate)
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}
