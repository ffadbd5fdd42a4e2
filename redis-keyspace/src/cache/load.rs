//! The last step of a fill: running the loader, storing its values, and handing them to waiting
//! callers.

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::Instant;

use super::error::{FailureCause, FillError, LoadFailure};
use super::fill::{Fill, LEADING, LoadingKey};
use super::kind::FilledKind;
use super::lease::{FillOutcome, Lease};
use super::options::{Options, shortened};
use crate::client::{Binding, in_scope_of_caller};
use crate::error::{Error, ErrorKind, Result, short_name};
use crate::local::{Leader, LoadStage};
use crate::schema::{Keyspace, Lifetime, TemplateMeta};
use crate::task::spawn_here;
use crate::time::{Expiry, LONGEST_LIFETIME};

/// How long a loader without a hard timeout may run in the background, where no caller can drop it.
const BACKGROUND: Duration = Duration::from_secs(300);

/// A key that this fill loads.
pub(super) struct Led {
    /// Its index among the entries of the fill.
    pub(super) index: usize,
    /// Set if other callers in this process can wait for the load.
    pub(super) leader: Option<Leader>,
    /// The right to store. `None` if Redis is unavailable: an attempt to store would only wait for
    /// the next failure.
    pub(super) lease: Option<Lease>,
    /// The value to serve if the loader fails or takes too long.
    pub(super) stale: Option<Arc<[u8]>>,
    /// Whether this caller is a part of another load of the key, or that load waits for it. It must
    /// not wait for that load, which would deadlock, so it loads the key itself.
    pub(super) is_self_wait: bool,
    /// The lease of a load that this caller replaces, after it has waited long enough.
    pub(super) instead_of: Option<Arc<str>>,
    pub(super) awaited: Option<Awaited>,
}

/// The lease of another process that a caller waits for.
pub(super) struct Awaited {
    pub(super) token: Arc<str>,
    pub(super) until: Instant,
    /// How many leases ended without a value while the caller waited.
    pub(super) ended: u32,
}

impl Led {
    /// Creates an entry for which no other caller waits.
    pub(super) fn alone(index: usize) -> Self {
        Self {
            index,
            leader: None,
            lease: None,
            stale: None,
            is_self_wait: false,
            instead_of: None,
            awaited: None,
        }
    }

    pub(super) fn of(index: usize, leader: Leader) -> Self {
        Self { leader: Some(leader), ..Self::alone(index) }
    }

    /// Passes a stage to waiting callers, and ends this entry.
    pub(super) fn tell(self, stage: LoadStage) {
        if let Some(leader) = self.leader {
            leader.tell(stage);
        }
    }
}

/// A loader that is about to run, for one or more keys.
pub(super) struct Load<S, V: FilledKind> {
    pub(super) fill: Arc<Fill<S, V>>,
    pub(super) led: Vec<Led>,
    /// Whether the caller has a value to return if the load fails or takes too long.
    pub(super) has_fallback: bool,
    /// The keys that the caller's task is loading, and those of this load. They are collected in
    /// the caller's task, because a background task does not inherit its task-locals.
    leading: Vec<LoadingKey>,
}

/// A running loader: its values in the order of the keys, with `None` for those that it did not
/// find.
pub(super) type Loading<'l, T> = BoxFuture<'l, Result<Vec<Option<T>>, LoadFailure>>;

/// The outcome of a load for the caller that started it.
pub(super) enum Ended<T> {
    Loaded(Vec<Loaded<T>>),
    Failed(FillError<LoadFailure>),
    /// The load continues in the background.
    Pending,
}

/// A loaded value, or its absence.
pub(super) struct Loaded<T> {
    pub(super) value: Option<T>,
    pub(super) encoded: Option<Arc<[u8]>>,
}

impl<T> Loaded<T> {
    pub(super) fn nothing() -> Self {
        Self { value: None, encoded: None }
    }
}

impl<S: Keyspace, V: FilledKind> Load<S, V> {
    pub(super) fn new(fill: Arc<Fill<S, V>>, led: Vec<Led>, has_fallback: bool) -> Self {
        let mut leading = LEADING.try_with(Clone::clone).unwrap_or_default();
        leading.extend(led.iter().filter_map(|led| Some(fill.loading_key(fill.entries.get(led.index)?))));
        Self { fill, led, has_fallback, leading }
    }

    /// Returns the indices of the keys to load.
    pub(super) fn indices(&self) -> Vec<usize> {
        self.led.iter().map(|led| led.index).collect()
    }

    /// Awaits the loaded values, in the order of the keys, and stores them. No connection is held
    /// while the loader runs, because loaders take time and may use Redis themselves.
    ///
    /// A value that can't be encoded fails only its own key: its lease is released, and waiting
    /// callers receive the failure. The other values are stored. After that, the error is returned.
    pub(super) async fn run(
        self,
        loading: Loading<'_, V::Value>,
    ) -> Result<Vec<Loaded<V::Value>>, FillError<LoadFailure>> {
        let Self { fill, led, leading, .. } = self;
        let loading = LEADING.scope(leading, loading);
        let loaded = match fill.options.hard_timeout {
            None => loading.await.map_err(FillError::Loader),
            Some(limit) => match tokio::time::timeout(limit, loading).await {
                Ok(loaded) => loaded.map_err(FillError::Loader),
                Err(_) => Err(FillError::TimedOut(limit)),
            },
        };
        let values = match loaded {
            Ok(values) => values,
            Err(error) => {
                let cause = FailureCause::of(&error);
                let failed = led.into_iter().map(|led| (led, cause.clone())).collect();
                fail(&fill, failed).await;
                return Err(error);
            }
        };
        let mut program_error = ProgramError::default();
        let (mut good, mut failed) = (Vec::new(), Vec::new());
        for (led, value) in led.into_iter().zip(values) {
            let Some(entry) = fill.entries.get(led.index) else { continue };
            let Some(value) = value else {
                good.push((led, Loaded::nothing(), true));
                continue;
            };
            match encode::<V>(&fill.binding, &led, &value) {
                // An empty collection does not exist in Redis.
                Ok((encoded, _)) if encoded.is_empty() && V::FORM.collection().is_some() => {
                    good.push((led, Loaded::nothing(), true));
                }
                Ok((encoded, too_large)) => {
                    let is_storable = too_large.is_none();
                    too_large
                        .into_iter()
                        .for_each(|error| program_error.add(entry.key.explain(V::FORM.write(), error)));
                    good.push((
                        led,
                        Loaded { value: Some(value), encoded: Some(encoded.into()) },
                        is_storable,
                    ));
                }
                Err(error) => {
                    let error = entry.key.explain(V::FORM.write(), error);
                    program_error.add(error.clone());
                    failed.push((led, FailureCause::Value(error)));
                }
            }
        }
        fail(&fill, failed).await;
        let loaded = store(&fill, good, &mut program_error).await;
        program_error.into_result()?;
        Ok(loaded)
    }
}

/// Awaits the loaded values, and returns how the load ended.
pub(super) async fn run_to_end<S: Keyspace, V: FilledKind>(
    load: Load<S, V>,
    loading: Loading<'_, V::Value>,
) -> Ended<V::Value> {
    match load.run(loading).await {
        Ok(loaded) => Ended::Loaded(loaded),
        Err(error) => Ended::Failed(error),
    }
}

/// Ends the loads of keys that failed, each with its cause.
async fn fail<S: Keyspace, V: FilledKind>(fill: &Fill<S, V>, mut failed: Vec<(Led, FailureCause)>) {
    // The leases are released before the flights end. Otherwise, the next caller could wait for a
    // lease that no process uses.
    Lease::release(failed.iter_mut().filter_map(|(led, _)| led.lease.take()).collect()).await;
    for (Led { index, leader, .. }, cause) in failed {
        if let Some(entry) = fill.entries.get(index) {
            fill.note(entry, |fills| &fills.failed, "failed");
            match &cause {
                FailureCause::Value(error) => event!(warn, "loaded value can't be encoded", error = %error),
                FailureCause::Loader(_) => {
                    event!(warn, "loader failed", key = %short_name(entry.key.as_str()))
                }
            }
        }
        if let Some(leader) = leader {
            leader.tell(LoadStage::Failed(Some(Arc::new(cause))));
        }
    }
}

/// Stores the loaded values, and passes them to waiting callers. Each has a flag that says whether
/// it may be stored.
async fn store<S: Keyspace, V: FilledKind>(
    fill: &Fill<S, V>,
    mut loaded: Vec<(Led, Loaded<V::Value>, bool)>,
    program_error: &mut ProgramError,
) -> Vec<Loaded<V::Value>> {
    let degraded: Vec<_> = loaded.iter().map(|(led, ..)| led.lease.is_none()).collect();
    let (mut ends, mut sent, mut unused) = (Vec::new(), Vec::new(), Vec::new());
    for (led, Loaded { value, encoded }, is_storable) in &mut loaded {
        let (Some(entry), Some(lease)) = (fill.entries.get(led.index), led.lease.take()) else { continue };
        let template = entry.key.template();
        let lifetime = fill.binding.lifetime(template);
        if !*is_storable {
            unused.push(lease);
            continue;
        }
        let outcome = outcome::<V>(&fill.options, template, lifetime, value.as_ref(), encoded.as_deref());
        let is_stored = matches!(outcome, FillOutcome::Value { .. });
        sent.push((entry, encoded.clone().filter(|_| is_stored)));
        ends.push((lease, outcome));
    }
    Lease::release(unused).await;
    for ((entry, encoded), outcome) in sent.into_iter().zip(Lease::finish(ends).await) {
        match settle(fill, entry.key.template(), outcome) {
            Ok(true) => match encoded {
                Some(encoded) => fill.keep_stored(entry, &encoded),
                None => fill.forget_copy(entry),
            },
            Ok(false) => {}
            Err(error) => program_error.add(entry.key.explain(V::FORM.write(), error)),
        }
    }
    let hand_over = |((led, loaded, _), degraded): ((Led, Loaded<V::Value>, bool), bool)| {
        if let Some(leader) = led.leader {
            let value = loaded.encoded.clone();
            leader.finish(|| Some(LoadStage::Done { value, degraded }));
        }
        loaded
    };
    loaded.into_iter().zip(degraded).map(hand_over).collect()
}

/// Errors of the program, such as a value without an encoding. They are returned after everything
/// else is done. If they were only logged, a cache that never hits would hide them.
#[derive(Default)]
struct ProgramError(Option<Error>);

impl ProgramError {
    /// Keeps the first error.
    fn add(&mut self, error: Error) {
        self.0.get_or_insert(error);
    }

    fn into_result(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Returns the encoded value. With an error, it is too large to store, and only for waiting
/// callers.
fn encode<V: FilledKind>(binding: &Binding, led: &Led, value: &V::Value) -> Result<(Vec<u8>, Option<Error>)> {
    let mut bytes = Vec::new();
    match V::encode_whole(value, binding.checks.most, binding.checks.verifies, &mut bytes) {
        Err(error)
            if error.kind() == ErrorKind::TooLarge
                && led.leader.as_ref().is_some_and(Leader::is_followed) =>
        {
            bytes.clear();
            V::encode_whole(value, usize::MAX, false, &mut bytes)?;
            Ok((bytes, Some(error)))
        }
        encoded => encoded.map(|()| (bytes, None)),
    }
}

/// Returns what a load stores.
fn outcome<'v, V: FilledKind>(
    options: &Options<V::Value>,
    template: &TemplateMeta,
    lifetime: Lifetime,
    value: Option<&V::Value>,
    encoded: Option<&'v [u8]>,
) -> FillOutcome<'v> {
    let (Some(value), Some(encoded)) = (value, encoded) else {
        // One of several keys may have a template that declares no `negative_ttl`: its writes would
        // not delete the entry.
        let kept = options.negative_ttl.filter(|_| template.fills().negative_ttl().is_some());
        return FillOutcome::Absent(kept.unwrap_or_default());
    };
    // The value is already loaded, so a TTL that is too long for Redis is reduced instead of
    // rejected.
    let chosen = options.ttl_by.as_ref().map(|ttl_by| ttl_by(value).min(LONGEST_LIFETIME));
    if chosen.is_some_and(|chosen| chosen.is_zero()) {
        // After a refresh, the value from before must not stay: the loaded one replaces it.
        return FillOutcome::Absent(Duration::ZERO);
    }
    let expiry = match chosen.or(options.ttl).map_or_else(|| lifetime.into(), Expiry::After) {
        Expiry::After(lifetime) => Expiry::After(shortened(lifetime, options.jitter)),
        expiry => expiry,
    };
    let stale = match (options.stale_for, expiry) {
        (Some(stale), Expiry::After(lifetime)) => lifetime.saturating_add(stale),
        _ => Duration::ZERO,
    };
    FillOutcome::Value { encoded, expiry, stale }
}

/// Counts the outcome of storing, and returns whether the value was stored. Callers always receive
/// it, except after an error of the program, which is returned.
fn settle<S: Keyspace, V: FilledKind>(
    fill: &Fill<S, V>,
    template: &'static TemplateMeta,
    stored: Result<bool>,
) -> Result<bool> {
    match stored {
        Ok(true) => Ok(true),
        Ok(false) => {
            super::fill::note(&fill.binding, template, |fills| &fills.superseded, "superseded");
            event!(debug, "loaded value not stored: the key was written meanwhile");
            Ok(false)
        }
        Err(error) if is_program_error(&error) => Err(error),
        Err(error) => {
            super::fill::note(&fill.binding, template, |fills| &fills.not_stored, "not_stored");
            event!(warn, "loaded value could not be stored", error = %error);
            Ok(false)
        }
    }
}

fn is_program_error(error: &Error) -> bool {
    use ErrorKind::{Encode, InvalidInput, MissingCommand, TooLarge};
    matches!(error.kind(), Encode | InvalidInput | MissingCommand | TooLarge)
}

/// Runs a load in a background task.
pub(super) fn spawn<S: Keyspace, V: FilledKind>(load: Load<S, V>, loading: Loading<'static, V::Value>) {
    // Commands of the loader use the same servers as the caller's.
    spawn_here(in_scope_of_caller(async move {
        let mut unfinished = Unfinished { fill: Arc::clone(&load.fill), indices: load.indices() };
        let has_limit = load.fill.options.hard_timeout.is_some();
        let running = load.run(loading);
        let ended = if has_limit {
            running.await.map(drop).ok();
            true
        } else {
            tokio::time::timeout(BACKGROUND, running).await.is_ok()
        };
        if ended {
            unfinished.indices.clear();
        }
    }));
}

/// Counts a background load that panics or is dropped.
struct Unfinished<S: Keyspace, V: FilledKind> {
    fill: Arc<Fill<S, V>>,
    indices: Vec<usize>,
}

impl<S: Keyspace, V: FilledKind> Drop for Unfinished<S, V> {
    fn drop(&mut self) {
        for entry in self.indices.iter().filter_map(|&index| self.fill.entries.get(index)) {
            self.fill.note(entry, |fills| &fills.failed, "failed");
            event!(warn, "background loader did not finish", key = %short_name(entry.key.as_str()));
        }
    }
}
