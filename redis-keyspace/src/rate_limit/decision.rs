//! The result of a check.

use std::time::Duration;

/// The decision of a rate limit. See [`Key::check`](crate::Key::check).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "the decision says whether the caller may continue"]
pub struct RateLimitDecision {
    /// Whether the cost is allowed. For [`allow_at_most`](crate::Key::allow_at_most): whether at
    /// least one is.
    pub allowed: bool,
    /// How many were taken: the cost if it is allowed, else 0. Always 0 for
    /// [`peek`](crate::Key::peek).
    pub taken: u64,
    /// How many are allowed at once: the burst, or the count of a window.
    pub limit: u64,
    /// How many more are allowed now.
    pub remaining: u64,
    /// How long until the cost is allowed. `None` if it is allowed now.
    pub retry_after: Option<Duration>,
    /// How long until the limit has fully recovered.
    pub reset_after: Duration,
}
