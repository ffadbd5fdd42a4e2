//! `get_or_set` of one key.

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;

use super::error::FillError;
use super::fill::{Fill, Known, note};
use super::kind::FilledKind;
use super::load::{Load, Loaded, Spawn};
use super::loader::Loader;
use super::lookup::ValueSource;
use super::options::{Options, check_filled};
use super::progress::{Ended, Engine, StartLoad, Starting};
use crate::client::Target;
use crate::local::{Flights, LoadStage};
use crate::schema::{Key, Keyspace, OnUnavailable};

/// A fill in progress, boxed to keep its caller's future small.
type BoxFilling<'l, T, E> = BoxFuture<'l, Result<Known<T>, FillError<E>>>;

/// Reads the key, and loads its value if it does not exist.
pub(super) async fn fetch<'l, S, V, L>(
    key: Key<S, V>,
    loader: L,
    options: Option<Box<Options<V::Value>>>,
    spawn: Option<Spawn<S, V, L>>,
) -> Result<Known<V::Value>, FillError<L::Error>>
where
    S: Keyspace,
    V: FilledKind,
    L: Loader<V> + 'l,
{
    check_filled(V::FORM.read, &key)?;
    let binding = match &options {
        Some(options) => {
            options.check().map_err(|error| key.explain(V::FORM.read, error))?;
            options.call.resolve::<S>()?
        }
        None => Target::from(key.redis()).resolve(Some(S::META))?,
    };
    let came = binding.pool().local.flights.now();
    let (mut failure, mut is_final) = (None, true);
    // The common case: no options, and the value exists. It takes one `GET` and no further
    // allocation.
    let is_plain = options.is_none() && key.template().fills().is_plain_get() && !binding.is_disabled;
    if is_plain {
        let read = V::read_whole(&key).on_target(Target::Bound(Arc::clone(&binding)));
        // A replica may not have the value yet, so only the master decides that it must be loaded.
        is_final = !read.may_use_replica(&binding);
        match read.on_unavailable(OnUnavailable::Error).await {
            Ok(Some(value)) => {
                note(&binding, key.template(), |fills| &fills.hits, "hit");
                return Ok(Known { value: Some(value), bytes: None, source: ValueSource::Hit });
            }
            Ok(None) => {}
            Err(error) => failure = Some(error),
        }
    }
    let options = options.unwrap_or_else(|| Box::new(Options::of_key(&key)));
    // Boxed, to keep the future of a hit small.
    let filling: BoxFilling<'l, V::Value, L::Error> = Box::pin(async move {
        let fill = Fill::new(binding, options, [(key, None, false)]);
        let looked = match (is_plain, failure) {
            (false, _) => fill.look().await?,
            (true, _) if !is_final => fill.look().await?,
            (true, None) => fill.looked(Ok(vec![(None, None)]))?,
            (true, Some(failure)) => fill.looked(Err(failure))?,
        };
        let soft_timeout = fill.options.soft_timeout.unwrap_or_default();
        let loader = OneLoader { loader: Some(loader), spawn, soft_timeout };
        let mut known = Engine::new(fill, loader).run(came, looked).await?;
        Ok(known.pop().unwrap_or_else(Known::absent))
    });
    filling.await
}

/// A loader of one value, which runs at most once.
struct OneLoader<S, V: FilledKind, L> {
    loader: Option<L>,
    spawn: Option<Spawn<S, V, L>>,
    /// How long the caller waits for a background loader.
    soft_timeout: Duration,
}

impl<S: Keyspace, V: FilledKind, L: Loader<V>> StartLoad<S, V> for OneLoader<S, V, L> {
    type Error = L::Error;
    const FINDS_NONE: bool = L::FINDS_NONE || V::HAS_EMPTY;

    fn start(&mut self, load: Load<S, V>) -> Starting<'_, V::Value, L::Error> {
        // Each key is loaded once; after that, it is known.
        let Some(loader) = self.loader.take() else { return Box::pin(async { Ended::Pending }) };
        match self.spawn.filter(|_| load.has_fallback) {
            Some(spawn) => Box::pin(in_background(load, loader, spawn, self.soft_timeout)),
            None => Box::pin(async move {
                match load.run(async { loader.load().await.map(|value| vec![value]) }).await {
                    Ok(loaded) => Ended::Loaded(loaded),
                    Err(error) => Ended::Failed(error),
                }
            }),
        }
    }
}

/// Starts the loader in a background task, and waits for it up to the soft timeout.
async fn in_background<S: Keyspace, V: FilledKind, L: Loader<V>>(
    mut load: Load<S, V>,
    loader: L,
    spawn: Spawn<S, V, L>,
    soft_timeout: Duration,
) -> Ended<V::Value, L::Error> {
    let fill = Arc::clone(&load.fill);
    let follower = load.led.first_mut().and_then(|led| {
        let entry = fill.entries.get(led.index)?;
        // A load that is not shared needs its own flight, so that this caller can wait for it.
        Some((entry, led.leader.get_or_insert_with(|| Flights::alone(&entry.name)).follower()))
    });
    spawn(load, loader);
    let Some((entry, mut follower)) = follower else { return Ended::Pending };
    match tokio::time::timeout(soft_timeout, follower.wait(false)).await.ok().flatten() {
        Some(LoadStage::Done { value: Some(bytes), .. }) => match fill.decode(entry, &bytes) {
            Ok(value) => Ended::Loaded(vec![Loaded { value: Some(value), encoded: Some(bytes) }]),
            Err(error) => Ended::Failed(error.into()),
        },
        Some(LoadStage::Done { value: None, .. }) => {
            Ended::Loaded(vec![Loaded { value: None, encoded: None }])
        }
        // Not finished yet, or failed. The load has counted a failure itself.
        _ => Ended::Pending,
    }
}
