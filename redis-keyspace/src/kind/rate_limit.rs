//! The kind of rate limits.

use super::role::Role;
use super::traits::Kind;

/// A rate limit: how much of something was done of late. See [`Key::check`](crate::Key::check).
///
/// Declared as the return type of a field. The key expires by itself once the limit has fully recovered, so a template may
/// say `ttl = none`; a lifetime that is shorter than that is refused when the limit is checked.
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
#[derive(Debug)]
pub struct RateLimit(());

impl Kind for RateLimit {
    const WIRE_FORMAT: &'static str = "the moment of recovery in microseconds since 1970";
    const IS_FILLED: bool = false;
    const ROLE: Role = Role::RateLimit;
}
