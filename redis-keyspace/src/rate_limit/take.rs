//! The builder of `allow_at_most`.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::FutureExt;

use super::check::RateCheck;
use super::decision::RateLimitDecision;
use super::rate::Rate;
use crate::client::Redis;
use crate::error::Result;
use crate::kind::{Gcra, RateAlgorithm, RateLimit};
use crate::schema::{Key, Keyspace};

/// A call that takes as many as a rate limit allows, with its options. Await it. See
/// [`Key::allow_at_most`].
#[must_use = "nothing is taken unless it is awaited"]
pub struct RateTake<S, A = Gcra> {
    check: RateCheck<S, A>,
    most: u64,
}

impl<S: Keyspace, A: RateAlgorithm> RateTake<S, A> {
    pub(super) fn new(key: &Key<S, RateLimit<A>>, rate: Rate, most: u64) -> Self {
        Self { check: RateCheck::new(key, rate, true), most }
    }

    /// Sets the handle to run on, overriding the installed or scoped one.
    pub fn on(self, redis: &Redis) -> Self {
        Self { check: self.check.on(redis), ..self }
    }

    /// Sets the timeout of each command: waiting for a connection, connecting and the reply.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { check: self.check.timeout(timeout), ..self }
    }

    async fn run(self) -> Result<RateLimitDecision> {
        let Self { mut check, most } = self;
        // More than the burst is never allowed at once. The check rejects a cost of zero.
        check.cost = most.min(check.rate.at_once());
        loop {
            let decision = check.observed().await?;
            if decision.allowed {
                return Ok(decision);
            }
            // Requests what remained at the last check. Another caller may take some of it first.
            check.cost = decision.remaining.min(check.cost.saturating_sub(1));
            if check.cost == 0 {
                // With a cost of 1, `retry_after` is the time until one is allowed, not all of
                // them.
                check.cost = 1;
                return check.observed().await;
            }
        }
    }
}

impl<S: Keyspace, A: RateAlgorithm> IntoFuture for RateTake<S, A> {
    type Output = Result<RateLimitDecision>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.run().boxed()
    }
}

impl<S, A> fmt::Debug for RateTake<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateTake").field("check", &self.check).field("most", &self.most).finish()
    }
}
