//! `get_or_set` of one key.

use std::sync::Arc;

use futures_core::future::BoxFuture;

use super::error::{FillError, LoadFailure};
use super::fill::{Fill, Known, note};
use super::kind::FilledKind;
use super::load::{Ended, Load, Loaded, Loading, run_to_end, spawn};
use super::loader::Loader;
use super::lookup::ValueSource;
use super::options::{Options, check_filled};
use super::progress::{Engine, StartLoad, Starting};
use crate::client::Target;
use crate::local::{Flights, LoadStage};
use crate::schema::{Key, Keyspace, OnUnavailable};

/// A fill in progress, boxed to keep its caller's future small.
type BoxFilling<'l, T> = BoxFuture<'l, Result<Known<T>, FillError<LoadFailure>>>;

/// Reads the key, and loads its value if it does not exist.
pub(super) async fn fetch<S: Keyspace, V: FilledKind>(
    key: Key<S, V>,
    options: Option<Box<Options<V::Value>>>,
    loader: &mut (dyn StartLoad<S, V> + '_),
) -> Result<Known<V::Value>, FillError<LoadFailure>> {
    check_filled(V::FORM.read(), &key)?;
    let binding = match &options {
        Some(options) => {
            options.check().map_err(|error| key.explain(V::FORM.read(), error))?;
            options.call.resolve::<S>()?
        }
        None => Target::from(key.redis()).resolve(Some(S::META))?,
    };
    let came = binding.pool().local.flights.now();
    let (mut failure, mut is_final) = (None, true);
    // The common case: no options, and the value exists. It takes one `GET` and no further
    // allocation.
    let is_plain = options.is_none() && key.template().fills().is_plain_read() && !binding.is_disabled;
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
    let filling: BoxFilling<'_, V::Value> = Box::pin(async move {
        let fill = Fill::new(binding, options, [(key, None, false)]);
        let looked = match (is_plain, failure) {
            (false, _) => fill.look().await?,
            (true, _) if !is_final => fill.look().await?,
            (true, None) => fill.looked(Ok(vec![(None, None)]))?,
            (true, Some(failure)) => fill.looked(Err(failure))?,
        };
        let mut known = Engine::new(fill, loader).run(came, looked).await?;
        Ok(known.pop().unwrap_or_else(Known::absent))
    });
    filling.await
}

/// Starts a loader that can move to a background task.
pub(super) type Detach<V, L> = fn(L) -> Loading<'static, <V as FilledKind>::Value>;

pub(super) fn detach<V: FilledKind, L: Loader<V> + 'static>(loader: L) -> Loading<'static, V::Value> {
    Box::pin(async {
        let loaded = loader.load().await;
        loaded.map(|value| vec![value]).map_err(|error| LoadFailure::of(&error))
    })
}

/// A loader of one value, which runs at most once.
pub(super) struct OneLoader<V: FilledKind, L: Loader<V>> {
    loader: Option<L>,
    /// Set if the loader may run in a background task.
    detach: Option<Detach<V, L>>,
    /// The error of the loader, for its caller.
    error: Option<L::Error>,
}

impl<V: FilledKind, L: Loader<V>> OneLoader<V, L> {
    pub(super) fn new(loader: L, detach: Option<Detach<V, L>>) -> Self {
        Self { loader: Some(loader), detach, error: None }
    }

    /// Returns the error of the fill, with that of the loader if it failed.
    pub(super) fn explain(self, error: FillError<LoadFailure>) -> FillError<L::Error> {
        error.of_loader(self.error)
    }
}

impl<S: Keyspace, V: FilledKind, L: Loader<V>> StartLoad<S, V> for OneLoader<V, L> {
    fn finds_none(&self) -> bool {
        L::FINDS_NONE || V::empty().is_some()
    }

    fn start(&mut self, load: Load<S, V>) -> Starting<'_, V::Value> {
        // Each key is loaded once; after that, it is known.
        let Some(loader) = self.loader.take() else { return Box::pin(async { Ended::Pending }) };
        if let Some(detach) = self.detach.filter(|_| load.has_fallback) {
            return Box::pin(in_background(load, detach(loader)));
        }
        let kept = &mut self.error;
        let loading = Box::pin(async move {
            let loaded = loader.load().await;
            loaded.map(|value| vec![value]).map_err(|error| {
                let failure = LoadFailure::of(&error);
                *kept = Some(error);
                failure
            })
        });
        Box::pin(run_to_end(load, loading))
    }
}

/// Runs the loader in a background task, and waits for it up to the soft timeout.
async fn in_background<S: Keyspace, V: FilledKind>(
    mut load: Load<S, V>,
    loading: Loading<'static, V::Value>,
) -> Ended<V::Value> {
    let fill = Arc::clone(&load.fill);
    let follower = load.led.first_mut().and_then(|led| {
        let entry = fill.entries.get(led.index)?;
        // A load that is not shared needs its own flight, so that this caller can wait for it.
        Some((entry, led.leader.get_or_insert_with(|| Flights::alone(&entry.name)).follower()))
    });
    spawn(load, loading);
    let Some((entry, mut follower)) = follower else { return Ended::Pending };
    let soft_timeout = fill.options.soft_timeout.unwrap_or_default();
    match tokio::time::timeout(soft_timeout, follower.wait(false)).await.ok().flatten() {
        Some(LoadStage::Done { value: Some(bytes), .. }) => match fill.decode(entry, &bytes) {
            Ok(value) => Ended::Loaded(vec![Loaded { value: Some(value), encoded: Some(bytes) }]),
            Err(error) => Ended::Failed(error.into()),
        },
        Some(LoadStage::Done { value: None, .. }) => Ended::Loaded(vec![Loaded::nothing()]),
        // Not finished yet, or failed. The load has counted a failure itself.
        _ => Ended::Pending,
    }
}
