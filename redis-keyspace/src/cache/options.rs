//! The options of one fill.

use std::time::Duration;

use crate::client::CallOptions;
use crate::error::{Error, Result};
use crate::schema::{FillPolicy, Key, OnUnavailable};
use crate::time::{check_lifetime, part_of};

/// How long a caller waits for another caller's load by default.
const WAITS: Duration = Duration::from_secs(10);

/// Computes the TTL of a value from the value.
pub(super) type ChooseTtl<T> = Box<dyn Fn(&T) -> Duration + Send + Sync>;

/// The options of one fill.
pub(super) struct Options<T> {
    pub(super) ttl: Option<Duration>,
    pub(super) ttl_by: Option<ChooseTtl<T>>,
    pub(super) jitter: f64,
    pub(super) stale_for: Option<Duration>,
    pub(super) early_refresh: Option<f64>,
    pub(super) negative_ttl: Option<Duration>,
    pub(super) soft_timeout: Option<Duration>,
    pub(super) hard_timeout: Option<Duration>,
    pub(super) wait_timeout: Option<Duration>,
    pub(super) across_processes: bool,
    pub(super) coalesces: bool,
    pub(super) refreshes: bool,
    pub(super) call: CallOptions,
    pub(super) on_unavailable: Option<OnUnavailable>,
    pub(super) declared: FillPolicy,
}

impl<T> Options<T> {
    /// Creates the options that the template declares.
    pub(super) fn of_key<S, V>(key: &Key<S, V>) -> Self {
        Self::of_policy(key.template().fills(), CallOptions::of_key(key))
    }

    pub(super) fn of_policy(policy: FillPolicy, call: CallOptions) -> Self {
        Self {
            ttl: None,
            ttl_by: None,
            jitter: policy.ttl_jitter(),
            stale_for: policy.stale_for(),
            early_refresh: policy.early_refresh(),
            negative_ttl: policy.negative_ttl(),
            soft_timeout: None,
            hard_timeout: policy.hard_timeout(),
            wait_timeout: policy.wait_timeout(),
            across_processes: policy.across_processes(),
            coalesces: true,
            refreshes: false,
            call,
            on_unavailable: None,
            declared: policy,
        }
    }

    /// Returns how long this caller waits for another caller's load before it loads the value
    /// itself. By default at least the hard timeout, so that the other loader can reach its own.
    pub(super) fn waits_for_a_load(&self) -> Duration {
        self.wait_timeout.unwrap_or(WAITS.max(self.hard_timeout.unwrap_or_default()))
    }

    /// Checks the options before the loader runs. Fails if Redis would reject the TTL, because the
    /// loaded value would be lost. Also fails if the call keeps stale copies or negative entries
    /// for longer than the template declares: writes know only from the declaration what they must
    /// delete.
    pub(super) fn check(&self) -> Result<()> {
        let longer = |option, called: Option<Duration>, declared: Option<Duration>| match (called, declared) {
            (Some(called), Some(declared)) if called > declared => Err(Error::invalid_input(format!(
                "`{option}({called:?})` is longer than the {declared:?} that the template declares; declare a longer time, a call \
                 can only shorten it"
            ))),
            (Some(_), None) => Err(Error::invalid_input(format!(
                "`{option}` is used on a template that does not declare it; add `{option} = ..` to `#[key(..)]` or `#[keyspace(..)]`, \
                 so that writes know what they must delete"
            ))),
            _ => Ok(()),
        };
        self.ttl.map_or(Ok(()), check_lifetime)?;
        longer("stale_for", self.stale_for, self.declared.stale_for())?;
        longer("negative_ttl", self.negative_ttl, self.declared.negative_ttl())
    }
}

/// Fails if the template declares `fills = false`, or if it is a collection without `fills = true`.
/// Its writes do not end fills, so a loaded value could replace a newer one.
#[inline]
pub(super) fn check_filled<S, V>(command: &'static str, key: &Key<S, V>) -> Result<()> {
    if key.template().fills.enabled {
        return Ok(());
    }
    let problem = if key.template().kind.may_be_filled {
        "`get_or_set` is used on a collection whose template does not declare `fills = true`; the loader did not run: add \
         `fills = true` to `#[key(..)]`, so that writes end fills"
    } else {
        "`get_or_set` is used on a key whose template declares `fills = false`; the loader did not run: remove \
         `fills = false` from `#[key(..)]`, or use `get` and `set`"
    };
    Err(key.explain(command, Error::invalid_input(problem)))
}

/// Limits a fraction to the range from 0 to 1.
pub(super) fn part(part: f64) -> f64 {
    if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) }
}

/// Shortens a lifetime by a random fraction of at most `jitter`, and never to zero.
pub(super) fn shortened(lifetime: Duration, jitter: f64) -> Duration {
    if jitter <= 0.0 || lifetime.is_zero() {
        return lifetime;
    }
    part_of(lifetime, 1.0 - jitter * fastrand::f64()).max(Duration::from_millis(1))
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
