//! How a fill goes about it: what a declaration states, and what a call does.

use std::time::Duration;

use crate::Redis;
use crate::command::OnUnavailable;
use crate::keyspace::TemplateMeta;

/// What a keyspace or a template states about [`get_or_set`](crate::Key::get_or_set) of its keys; a call may state
/// otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillPolicy {
    /// By how much lifetimes are shortened at random, at most, in thousandths.
    #[doc(hidden)]
    pub jitter: u16,
    #[doc(hidden)]
    pub stale_for: Option<Duration>,
    /// After how much of the lifetime a hit has the value loaded anew, in thousandths.
    #[doc(hidden)]
    pub early_refresh: Option<u16>,
    #[doc(hidden)]
    pub negative_ttl: Option<Duration>,
    #[doc(hidden)]
    pub hard_timeout: Option<Duration>,
    #[doc(hidden)]
    pub across_processes: bool,
}

impl FillPolicy {
    /// Nothing stated; the derive sets what the attributes say.
    #[doc(hidden)]
    pub const NONE: Self = Self {
        jitter: 0,
        stale_for: None,
        early_refresh: None,
        negative_ttl: None,
        hard_timeout: None,
        across_processes: false,
    };

    /// Whether looking for a value is nothing but a `GET`.
    pub(crate) fn looks_plainly(&self) -> bool {
        self.stale_for.is_none() && self.early_refresh.is_none()
    }

    /// By how much the lifetimes of what is loaded are shortened at random, at most: a part from 0 to 1.
    #[must_use]
    pub fn ttl_jitter(&self) -> f64 {
        f64::from(self.jitter) / 1000.0
    }

    /// For how long beyond its lifetime what was loaded is kept as stale.
    #[must_use]
    pub const fn stale_for(&self) -> Option<Duration> {
        self.stale_for
    }

    /// After which part of its lifetime a value that is read is loaded anew, from 0 to 1.
    #[must_use]
    pub fn early_refresh(&self) -> Option<f64> {
        self.early_refresh.map(|part| f64::from(part) / 1000.0)
    }

    /// For how long it is remembered that there is no value.
    #[must_use]
    pub const fn negative_ttl(&self) -> Option<Duration> {
        self.negative_ttl
    }

    /// How long a loader may take.
    #[must_use]
    pub const fn hard_timeout(&self) -> Option<Duration> {
        self.hard_timeout
    }

    /// Whether processes load once together.
    #[must_use]
    pub const fn across_processes(&self) -> bool {
        self.across_processes
    }
}

/// The lifetime of a value, chosen from the value.
pub(super) type Chosen<T> = Box<dyn Fn(&T) -> Duration + Send + Sync>;

/// How one fill goes about it.
pub(super) struct Options<T> {
    pub(super) ttl: Option<Duration>,
    pub(super) ttl_by: Option<Chosen<T>>,
    pub(super) jitter: f64,
    pub(super) stale_for: Option<Duration>,
    pub(super) early_refresh: Option<f64>,
    pub(super) negative_ttl: Option<Duration>,
    pub(super) soft_timeout: Option<Duration>,
    pub(super) hard_timeout: Option<Duration>,
    pub(super) across_processes: bool,
    pub(super) coalesces: bool,
    pub(super) refreshes: bool,
    pub(super) redis: Option<Redis>,
    pub(super) timeout: Option<Duration>,
    pub(super) on_unavailable: Option<OnUnavailable>,
}

impl<T> Options<T> {
    /// As the template states.
    pub(super) fn of(template: &TemplateMeta, redis: Option<Redis>) -> Self {
        Self::of_policy(template.fills(), redis)
    }

    pub(super) fn of_policy(policy: FillPolicy, redis: Option<Redis>) -> Self {
        Self {
            ttl: None,
            ttl_by: None,
            jitter: policy.ttl_jitter(),
            stale_for: policy.stale_for,
            early_refresh: policy.early_refresh(),
            negative_ttl: policy.negative_ttl,
            soft_timeout: None,
            hard_timeout: policy.hard_timeout,
            across_processes: policy.across_processes,
            coalesces: true,
            refreshes: false,
            redis,
            timeout: None,
            on_unavailable: None,
        }
    }
}

/// A part from 0 to 1, whatever was stated.
pub(super) fn part(part: f64) -> f64 {
    if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) }
}

/// A lifetime shortened at random, by this part of it at most, and never to nothing.
pub(super) fn shortened(lifetime: Duration, jitter: f64) -> Duration {
    if jitter <= 0.0 || lifetime.is_zero() {
        return lifetime;
    }
    lifetime.mul_f64(1.0 - jitter * fastrand::f64()).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn lifetimes_are_shortened_within_bounds_and_vary() {
        let hour = Duration::from_secs(3600);
        let lifetimes: HashSet<_> = (0..1000).map(|_| shortened(hour, 0.1)).collect();
        assert!(lifetimes.iter().all(|&lifetime| lifetime <= hour && lifetime >= hour.mul_f64(0.9)));
        assert!(lifetimes.len() > 900);
        assert!(lifetimes.iter().any(|&lifetime| lifetime < hour.mul_f64(0.95)));
        assert_eq!(shortened(hour, 0.0), hour);
        assert_eq!(shortened(Duration::ZERO, 1.0), Duration::ZERO);
        assert!((0..1000).all(|_| !shortened(Duration::from_millis(1), 1.0).is_zero()));
        assert_eq!((part(f64::NAN), part(-1.0), part(7.0)), (0.0, 0.0, 1.0));
    }
}
