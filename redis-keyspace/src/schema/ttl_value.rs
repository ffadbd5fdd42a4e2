//! A TTL that a declaration computes, as in `ttl = CART_TTL` or `ttl = 60 * 60`.

use std::time::Duration;

use super::lifetime::Lifetime;

/// The value of the expression. The name of its method is part of the compiler's message for other
/// types.
#[doc(hidden)]
#[derive(Debug)]
pub struct TtlValue<T>(pub T);

impl TtlValue<u64> {
    #[must_use]
    pub const fn as_seconds_or_duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl TtlValue<Duration> {
    #[must_use]
    pub const fn as_seconds_or_duration(self) -> Duration {
        self.0
    }
}

impl Lifetime {
    /// Checks a computed TTL. Generated code calls this at compile time.
    #[doc(hidden)]
    #[must_use]
    pub const fn declared(ttl: Duration) -> Self {
        const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        assert!(
            !ttl.is_zero(),
            "`ttl` must be greater than zero; for keys that never expire, write `ttl = none`"
        );
        assert!(ttl.as_secs() <= LONGEST.as_secs(), "`ttl` is longer than 100 years: check its unit");
        assert!(ttl.subsec_nanos().is_multiple_of(1_000_000), "`ttl` must be a whole number of milliseconds");
        Self::Expires(ttl)
    }
}
