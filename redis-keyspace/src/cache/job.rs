//! A load under way, in its caller or in a task of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::error::FillError;
use super::fill::Fill;
use super::flight::{Leader, Stage};
use super::lease::{Lease, Outcome};
use super::loader::Loader;
use super::policy::{Options, shortened};
use crate::Redis;
use crate::error::{Error, Result};
use crate::expiry::Expiry;
use crate::handle::in_scope_of_caller;
use crate::keyspace::{Keyspace, TemplateMeta};
use crate::kind::SingleValue;
use crate::stats::Fills;

tokio::task_local! {
    /// The keys whose loaders have led to here.
    pub(super) static LEADING: Vec<Led>;
}

/// A key by the address of the pool that it is on, and its name there.
pub(super) type Led = (usize, String);

/// How long a loader may take that nobody waits for and nobody could give up, unless its hard timeout is stated.
const BACKGROUND: Duration = Duration::from_secs(300);

/// One run of a loader, with what becomes of its value.
pub(super) struct Job<S, V: SingleValue, L> {
    pub(super) fill: Arc<Fill<S, V>>,
    pub(super) loader: L,
    /// The right to store; without one when Redis is away, and storing would only wait for the next failure.
    pub(super) lease: Option<Lease>,
    pub(super) leader: Option<Leader>,
    /// The keys whose loaders have led to here, this one among them.
    pub(super) keys: Vec<Led>,
}

/// Gives a job a task of its own: there is one only for loaders that can be in one.
pub(super) type Spawn<S, V, L> = fn(Job<S, V, L>);

pub(super) fn spawn<S, V, L>(job: Job<S, V, L>)
where
    S: Keyspace,
    V: SingleValue,
    L: Loader<V> + 'static,
{
    // What the loader asks for, it asks of the same servers.
    tokio::spawn(in_scope_of_caller(async move {
        let mut unfinished = Unfinished(Some(Arc::clone(&job.fill)));
        let ended = match job.fill.options.hard_timeout {
            Some(_) => Some(job.run().await),
            None => tokio::time::timeout(BACKGROUND, job.run()).await.ok(),
        };
        if ended.is_some() {
            unfinished.0 = None;
        }
    }));
}

/// Counts a load in the background that panicked, or was given up.
struct Unfinished<S: Keyspace, V: SingleValue>(Option<Arc<Fill<S, V>>>);

impl<S: Keyspace, V: SingleValue> Drop for Unfinished<S, V> {
    fn drop(&mut self) {
        if let Some(fill) = &self.0 {
            fill.note(|fills| &fills.failed, "failed");
            observe!(warn, key = fill.key.as_str(), "a loader in the background has not ended");
        }
    }
}

impl<S: Keyspace, V: SingleValue, L: Loader<V>> Job<S, V, L> {
    /// Loads the value and stores it. No connection is held while the loader runs: loaders take their time, and may need Redis
    /// themselves.
    pub(super) async fn run(self) -> Result<Option<V::Owned>, FillError<L::Error>> {
        let Self { fill, loader, lease, leader, keys } = self;
        let loading = LEADING.scope(keys, loader.load());
        let loaded = match fill.options.hard_timeout {
            None => loading.await.map_err(FillError::Loader),
            Some(limit) => match tokio::time::timeout(limit, loading).await {
                Ok(loaded) => loaded.map_err(FillError::Loader),
                Err(_) => Err(FillError::TimedOut(limit)),
            },
        };
        let ended = match loaded {
            Ok(value) => {
                let encoded =
                    value.as_ref().map(|value| encode::<V>(value).map_err(|error| fill.about(error)));
                match encoded.transpose() {
                    Ok(encoded) => Ok((value, encoded)),
                    Err(error) => Err(error.into()),
                }
            }
            Err(error) => Err(error),
        };
        let (value, encoded) = match ended {
            Ok(loaded) => loaded,
            Err(error) => {
                fill.note(|fills| &fills.failed, "failed");
                observe!(warn, key = fill.key.as_str(), "a loader has failed");
                // Before the place is free: whoever comes next is not to wait for what nobody holds.
                if let Some(lease) = lease {
                    lease.release().await;
                }
                if let Some(leader) = leader {
                    leader.tell(Stage::Failed);
                }
                return Err(error);
            }
        };
        let template = fill.key.template();
        let degraded = lease.is_none();
        let stored = match lease {
            Some(lease) => match outcome::<V>(&fill.options, template, value.as_ref(), encoded.as_deref()) {
                Some(outcome) => {
                    let stored = lease.finish(&outcome).await;
                    settle(&fill.redis, template, fill.key.as_str(), stored)
                }
                None => {
                    lease.release().await;
                    Ok(())
                }
            },
            None => Ok(()),
        };
        if let (Some(encoded), Ok(())) = (&encoded, &stored) {
            fill.keep(encoded);
        }
        if let Some(leader) = leader {
            leader.finish(|| Some(Stage::Done { value: encoded.map(Arc::from), degraded }));
        }
        // A mistake of the program's is told to who has loaded. Those who have waited need not load it again for that.
        stored?;
        Ok(value)
    }
}

pub(super) fn encode<V: SingleValue>(value: &V::Owned) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    V::encode(V::borrow(value), &mut bytes).map_err(Error::encode)?;
    Ok(bytes)
}

/// What a load ends with; `None` for a value that is not to be stored.
pub(super) fn outcome<'v, V: SingleValue>(
    options: &Options<V::Owned>,
    template: &TemplateMeta,
    value: Option<&V::Owned>,
    encoded: Option<&'v [u8]>,
) -> Option<Outcome<'v>> {
    let (Some(value), Some(encoded)) = (value, encoded) else {
        return Some(Outcome::Absent(options.negative_ttl.unwrap_or_default()));
    };
    let chosen = options.ttl_by.as_ref().map(|ttl_by| ttl_by(value));
    if chosen.is_some_and(|chosen| chosen.is_zero()) {
        return None;
    }
    let expiry = match chosen.or(options.ttl).map_or_else(|| template.lifetime().into(), Expiry::After) {
        Expiry::After(lifetime) => Expiry::After(shortened(lifetime, options.jitter)),
        expiry => expiry,
    };
    let stale = match (options.stale_for, expiry) {
        (Some(stale), Expiry::After(lifetime)) => lifetime.saturating_add(stale),
        _ => Duration::ZERO,
    };
    Some(Outcome::Value { encoded, expiry, stale })
}

/// Counts what has become of storing. That a value could not be stored is no reason to keep it from those who wait for it.
pub(super) fn settle(
    redis: &Redis,
    template: &'static TemplateMeta,
    key: &str,
    stored: Result<bool>,
) -> Result<()> {
    match stored {
        Ok(true) => Ok(()),
        Ok(false) => {
            note(redis, template, |fills| &fills.superseded, "superseded");
            observe!(debug, "what was loaded was not stored: the key was written meanwhile");
            Ok(())
        }
        Err(error) if is_mistake(&error) => Err(error.about("SET", Some(template), Some(key))),
        Err(error) => {
            note(redis, template, |fills| &fills.not_stored, "not_stored");
            observe!(warn, error = %error, "a value that was loaded could not be stored");
            let _ = error;
            Ok(())
        }
    }
}

/// Counts what a fill has come to.
pub(super) fn note(
    redis: &Redis,
    template: &'static TemplateMeta,
    counter: impl FnOnce(&Fills) -> &AtomicU64,
    result: &'static str,
) {
    counter(redis.fills()).fetch_add(1, Ordering::Relaxed);
    let _ = (template, result);
    count!(
        "redis_keyspace_fills_total",
        "keyspace" => template.keyspace(),
        "template" => template.template(),
        "result" => result
    );
}

/// Whether it is a mistake in the program, which would hide for ever behind a cache that never hits.
fn is_mistake(error: &Error) -> bool {
    use crate::error::ErrorKind;

    matches!(error.kind(), ErrorKind::Encode | ErrorKind::InvalidInput | ErrorKind::TooLarge)
}
