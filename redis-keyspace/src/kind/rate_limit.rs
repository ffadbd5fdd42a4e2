//! The kind of rate limits.

use std::fmt;
use std::marker::PhantomData;

use super::role::Role;
use super::traits::Kind;

/// A rate limit: how often something happened recently. See [`Key::check`](crate::Key::check).
///
/// Use it as the return type of a field. The key expires by itself when the limit has fully
/// recovered, so a template can use `ttl = none`. A check fails if the TTL is shorter than the
/// recovery takes.
///
/// ```
/// use redis_keyspace::{Keyspace, RateLimit};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "api", ttl = none)]
/// struct ApiKeys {
///     calls: fn(user: u64) -> RateLimit,
/// }
/// ```
///
/// `RateLimit` recovers steadily, by the [generic cell rate algorithm](Gcra).
/// `RateLimit<FixedWindow>` counts in [fixed windows](FixedWindow). The algorithm is part of the
/// declared kind, because two algorithms on one key would destroy each other's state.
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | take | [`check`], [`allow_at_most`] |
/// | read | [`peek`] |
///
/// [`check`]: crate::Key::check
/// [`allow_at_most`]: crate::Key::allow_at_most
/// [`peek`]: crate::Key::peek
pub struct RateLimit<A = Gcra>(PhantomData<fn() -> A>);

impl<A> fmt::Debug for RateLimit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RateLimit")
    }
}

/// The generic cell rate algorithm: the limit recovers steadily. At 60 per minute, it allows one
/// more each second.
#[derive(Debug)]
pub struct Gcra(());

/// Fixed windows. A window starts with the first allowed check and lasts for the period of the
/// rate. It allows as many checks as the rate permits, and then none until it ends.
///
/// Up to twice that number can be allowed within one period: at the end of one window and at the
/// start of the next.
///
/// ```
/// use redis_keyspace::rate_limit::{FixedWindow, Rate};
/// use redis_keyspace::{Keyspace, RateLimit, Redis};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "api", ttl = none)]
/// struct ApiKeys {
///     calls: fn(user: u64) -> RateLimit<FixedWindow>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let decision = ApiKeys::calls(7).check(Rate::per_minute(100)).await?;
/// assert_eq!(decision.remaining, 99); // in a minute, all 100 are allowed again
/// # Ok(()) }).await }
/// ```
#[derive(Debug)]
pub struct FixedWindow(());

/// The algorithm of a rate limit: [`Gcra`] or [`FixedWindow`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a rate limit algorithm",
    label = "write `RateLimit` or `RateLimit<FixedWindow>`"
)]
pub trait RateAlgorithm: sealed::SealedAlgorithm + 'static {
    #[doc(hidden)]
    const WIRE_FORMAT: &'static str;
    #[doc(hidden)]
    const HAS_WINDOWS: bool;
}

mod sealed {
    pub trait SealedAlgorithm {}
}

impl sealed::SealedAlgorithm for Gcra {}
impl sealed::SealedAlgorithm for FixedWindow {}

impl RateAlgorithm for Gcra {
    const WIRE_FORMAT: &'static str = "the moment of recovery in microseconds since 1970";
    const HAS_WINDOWS: bool = false;
}

impl RateAlgorithm for FixedWindow {
    const WIRE_FORMAT: &'static str = "the end of the window in microseconds since 1970, and the count";
    const HAS_WINDOWS: bool = true;
}

impl<A: RateAlgorithm> Kind for RateLimit<A> {
    const WIRE_FORMAT: &'static str = A::WIRE_FORMAT;
    const IS_FILLED: bool = false;
    const ROLE: Role = Role::RateLimit;
}
