//! A load under way, in its caller or in a task of its own.

use std::sync::Arc;

use super::error::FillError;
use super::fill::Fill;
use super::flight::{Leader, Stage};
use super::lease::{Lease, Outcome};
use super::loader::Loader;
use super::policy::shortened;
use crate::command::is_away;
use crate::error::{Error, Result};
use crate::expiry::Expiry;
use crate::handle::in_scope_of_caller;
use crate::keyspace::Keyspace;
use crate::kind::SingleValue;

tokio::task_local! {
    /// The keys whose loaders have led to here.
    pub(super) static LEADING: Vec<String>;
}

/// One run of a loader, with what becomes of its value.
pub(super) struct Job<S, V: SingleValue, L> {
    pub(super) fill: Arc<Fill<S, V>>,
    pub(super) loader: L,
    /// The right to store; without one when Redis is away, and storing would only wait for the next failure.
    pub(super) lease: Option<Lease>,
    pub(super) leader: Option<Leader>,
    /// The keys whose loaders have led to here, this one among them.
    pub(super) keys: Vec<String>,
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
        let _ = job.run().await;
    }));
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
                return Err(error);
            }
        };
        if let Some(lease) = lease {
            store(&fill, lease, value.as_ref().map(|value| lifetime(&fill, value)), encoded.as_deref())
                .await?;
        }
        if let Some(leader) = leader {
            leader.finish(|| Some(Stage::Done(encoded.map(Arc::from))));
        }
        Ok(value)
    }
}

fn encode<V: SingleValue>(value: &V::Owned) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    V::encode(V::borrow(value), &mut bytes).map_err(Error::encode)?;
    Ok(bytes)
}

/// How long a value lives; `None` for one that is not to be stored.
fn lifetime<S: Keyspace, V: SingleValue>(fill: &Fill<S, V>, value: &V::Owned) -> Option<Expiry> {
    let chosen = fill.options.ttl_by.as_ref().map(|ttl_by| ttl_by(value));
    if chosen.is_some_and(|chosen| chosen.is_zero()) {
        return None;
    }
    let stated = chosen.or(fill.options.ttl);
    let expiry = stated.map_or_else(|| fill.key.template().lifetime().into(), Expiry::After);
    Some(match expiry {
        Expiry::After(lifetime) => Expiry::After(shortened(lifetime, fill.options.jitter)),
        expiry => expiry,
    })
}

/// Stores what was loaded. That it could not be is no reason to keep it from those who wait for it.
async fn store<S: Keyspace, V: SingleValue>(
    fill: &Fill<S, V>,
    lease: Lease,
    expiry: Option<Option<Expiry>>,
    encoded: Option<&[u8]>,
) -> Result<()> {
    let outcome = match (expiry.flatten(), encoded) {
        (Some(expiry), Some(encoded)) => {
            let stale = match (fill.options.stale_for, expiry) {
                (Some(stale), Expiry::After(lifetime)) => lifetime.saturating_add(stale),
                _ => std::time::Duration::ZERO,
            };
            Outcome::Value { encoded, expiry, stale }
        }
        // Its lifetime was chosen to be none.
        (None, Some(_)) => {
            lease.release().await;
            return Ok(());
        }
        (_, None) => Outcome::Absent(fill.options.negative_ttl.unwrap_or_default()),
    };
    match lease.finish(&outcome).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            fill.note(|fills| &fills.superseded, "superseded");
            observe!(
                debug,
                key = fill.key.as_str(),
                "what was loaded was not stored: the key was written meanwhile"
            );
            Ok(())
        }
        Err(error) if is_mistake(&error) => {
            Err(error.about("SET", Some(fill.key.template()), Some(fill.key.as_str())))
        }
        Err(error) => {
            fill.note(|fills| &fills.not_stored, "not_stored");
            observe!(warn, error = %error, "a value that was loaded could not be stored");
            let _ = (is_away(&error), error);
            Ok(())
        }
    }
}

/// Whether it is a mistake in the program, which would hide for ever behind a cache that never hits.
fn is_mistake(error: &Error) -> bool {
    use crate::error::ErrorKind;

    matches!(error.kind(), ErrorKind::Encode | ErrorKind::InvalidInput | ErrorKind::TooLarge)
}
