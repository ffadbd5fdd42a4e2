//! The builder of `check` and `peek`.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use tokio::time::{Instant, sleep_until};

use super::decision::RateLimitDecision;
use super::rate::{Quota, Rate};
use super::{script, windows};
use crate::client::{CallOptions, Observed, Subject, call_options};
use crate::error::{Error, Result};
use crate::kind::{Gcra, RateAlgorithm, RateLimit};
use crate::schema::{Key, Keyspace};
use crate::time::Deadline;

/// A check of a rate limit, with its options. Await it. See [`Key::check`] and [`Key::peek`].
#[must_use = "nothing is checked unless it is awaited"]
pub struct RateCheck<S, A = Gcra> {
    key: Key<S, RateLimit<A>>,
    pub(super) rate: Rate,
    takes: bool,
    pub(super) cost: u64,
    wait: Duration,
    options: CallOptions,
}

impl<S: Keyspace, A: RateAlgorithm> RateCheck<S, A> {
    pub(super) fn new(key: &Key<S, RateLimit<A>>, rate: Rate, takes: bool) -> Self {
        let options = CallOptions::of_key(key);
        Self { key: key.clone(), rate, takes, cost: 1, wait: Duration::ZERO, options }
    }

    /// Sets how many the check takes, all or nothing. The default is 1.
    pub fn cost(mut self, cost: u64) -> Self {
        self.cost = cost;
        self
    }

    /// Waits at most this long until the check is allowed, and at most seven days. If it can't be
    /// allowed within that time, returns at once with [`allowed`](RateLimitDecision::allowed) set
    /// to `false`. Waiting holds no connection. Waiting callers are not served in order. Each
    /// attempt is a round trip.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::{Keyspace, RateLimit, Redis};
    /// # use redis_keyspace::rate_limit::Rate;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "api", ttl = none)]
    /// # struct ApiKeys { calls: fn(user: u64) -> RateLimit }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let rate = Rate::per_second(1);
    /// for _ in 0..3 {
    ///     // The second and third call wait for a second each.
    ///     assert!(ApiKeys::calls(7).check(rate).wait(Duration::from_secs(2)).await?.allowed);
    /// }
    /// # Ok(()) }).await }
    /// ```
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    call_options! { self => self.options;
        /// Sets the timeout of each command: waiting for a connection, connecting and the reply.
    }

    async fn run(self) -> Result<RateLimitDecision> {
        let limit = Deadline::after(self.wait);
        loop {
            let decision = self.observed().await?;
            let Some(pause) = decision.retry_after else { return Ok(decision) };
            let again = Instant::now() + pause.min(Deadline::LONGEST);
            if self.wait.is_zero() || again > limit.at() {
                return Ok(decision);
            }
            sleep_until(again).await;
        }
    }

    /// Makes one attempt.
    pub(super) async fn observed(&self) -> Result<RateLimitDecision> {
        let subject = Subject::new(Some(S::META), Some(self.key.template()), "EVALSHA");
        let observed = Observed::command(&subject);
        let outcome = self.ask(&observed).await;
        observed.outcome(&subject, outcome.as_ref().err());
        outcome.map_err(|error| self.key.explain("EVALSHA", error))
    }

    async fn ask(&self, observed: &Observed) -> Result<RateLimitDecision> {
        let quota = Quota::new(self.rate, self.cost)?;
        if A::HAS_WINDOWS {
            quota.check_windows()?;
        }
        let window = quota.window();
        let binding = self.options.resolve::<S>()?;
        observed.to(&binding);
        if let Some(lifetime) =
            binding.lifetime(self.key.template()).duration().filter(|lifetime| *lifetime < window)
        {
            return Err(Error::invalid_input(format!(
                "the TTL of {lifetime:?} is shorter than the {window:?} that the limit takes to recover; declare a longer TTL, or \
                 `ttl = none`: the key of a limit expires by itself"
            )));
        }
        let deadline = binding.deadline(self.options.timeout);
        if A::HAS_WINDOWS {
            let call = windows::call(self.key.text(), &quota, self.takes);
            let answer = windows::SCRIPT.run(&binding, call, deadline, !self.takes).await?;
            return windows::decision(answer, &quota, self.takes);
        }
        let call = script::call(self.key.text(), &quota, self.takes);
        let answer = script::SCRIPT.run(&binding, call, deadline, !self.takes).await?;
        let (allowed, reading) = script::reading(answer)?;
        Ok(RateLimitDecision {
            allowed,
            taken: if allowed && self.takes { quota.cost } else { 0 },
            limit: quota.burst,
            remaining: quota.remaining(reading),
            retry_after: (!allowed).then(|| quota.retry_after(reading)),
            reset_after: quota.reset_after(reading),
        })
    }
}

impl<S: Keyspace, A: RateAlgorithm> IntoFuture for RateCheck<S, A> {
    type Output = Result<RateLimitDecision>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.run().boxed()
    }
}

impl<S, A> fmt::Debug for RateCheck<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateCheck")
            .field("key", &self.key)
            .field("rate", &self.rate)
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}
