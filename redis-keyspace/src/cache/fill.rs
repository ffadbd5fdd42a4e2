//! Read, or load and store.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::Redis;
use crate::command::{IntoCommand, OnUnavailable, is_away};
use crate::error::{Error, ErrorKind, Result};
use crate::handle::chosen;
use crate::key::Key;
use crate::keyspace::{Keyspace, TemplateMeta};
use crate::kind::SingleValue;

/// Why [`try_get_or_set`](Key::try_get_or_set) gave no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum FillError<E> {
    /// The loader failed; nothing was stored.
    Loader(E),
    /// Redis could not be asked; the loader did not run.
    Redis(Error),
}

impl<E: fmt::Display> fmt::Display for FillError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loader(error) => write!(f, "the loader failed: {error}"),
            Self::Redis(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for FillError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Loader(error) => Some(error),
            Self::Redis(error) => error.source(),
        }
    }
}

impl<E> From<Error> for FillError<E> {
    fn from(error: Error) -> Self {
        Self::Redis(error)
    }
}

macro_rules! fill_builder {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        ///
        /// # Cancellation
        ///
        /// Dropping the future drops the loader's with it; whether a value that was loaded gets stored is then open.
        #[must_use = "nothing is read or loaded unless it is awaited"]
        pub struct $name<'l, S, V, F> {
            key: Key<S, V>,
            loader: F,
            ttl: Option<Duration>,
            redis: Option<Redis>,
            timeout: Option<Duration>,
            on_unavailable: Option<OnUnavailable>,
            /// For how long what the loader borrows is there.
            borrows: PhantomData<&'l ()>,
        }

        impl<S, V, F> $name<'_, S, V, F> {
            pub(crate) fn new(key: Key<S, V>, loader: F) -> Self {
                let redis = key.redis();
                Self {
                    key,
                    loader,
                    ttl: None,
                    redis,
                    timeout: None,
                    on_unavailable: None,
                    borrows: PhantomData,
                }
            }

            /// A lifetime other than the template's for a value that is loaded.
            pub fn ttl(mut self, ttl: Duration) -> Self {
                self.ttl = Some(ttl);
                self
            }

            /// Runs it on this server, whatever is installed or in scope.
            pub fn on(mut self, redis: &Redis) -> Self {
                self.redis = Some(redis.clone());
                self
            }

            /// What it comes to when Redis is away, whatever the keyspace declares: an error before the loader has run, or,
            /// for a miss, what the loader gives, which is stored nowhere.
            pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
                self.on_unavailable = Some(answer);
                self
            }

            /// Gives each of its commands a deadline of its own. The loader is not limited by it.
            pub fn timeout(mut self, timeout: Duration) -> Self {
                self.timeout = Some(timeout);
                self
            }
        }

        impl<S, V, F> fmt::Debug for $name<'_, S, V, F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("key", &self.key).field("ttl", &self.ttl).finish_non_exhaustive()
            }
        }
    };
}

fill_builder! {
    /// A [`get_or_set`](Key::get_or_set) with its options: await it.
    GetOrSet
}

fill_builder! {
    /// A [`try_get_or_set`](Key::try_get_or_set) with its options: await it.
    TryGetOrSet
}

type BoxFuture<'l, T> = Pin<Box<dyn Future<Output = T> + Send + 'l>>;

impl<'l, S, V, F, Fut> IntoFuture for GetOrSet<'l, S, V, F>
where
    S: Keyspace,
    V: SingleValue,
    V::Owned: Sync,
    F: FnOnce() -> Fut + Send + 'l,
    Fut: Future<Output = V::Owned> + Send + 'l,
{
    type Output = Result<V::Owned>;
    type IntoFuture = BoxFuture<'l, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { key, loader, ttl, redis, timeout, on_unavailable, .. } = self;
            let loader = || async { Ok::<_, Infallible>(loader().await) };
            match get_or_load(&key, loader, ttl, redis, timeout, on_unavailable).await {
                Ok(value) => Ok(value),
                Err(FillError::Redis(error)) => Err(error),
                Err(FillError::Loader(never)) => match never {},
            }
        })
    }
}

impl<'l, S, V, F, Fut, E> IntoFuture for TryGetOrSet<'l, S, V, F>
where
    S: Keyspace,
    V: SingleValue,
    V::Owned: Sync,
    F: FnOnce() -> Fut + Send + 'l,
    Fut: Future<Output = Result<V::Owned, E>> + Send + 'l,
    E: Send,
{
    type Output = Result<V::Owned, FillError<E>>;
    type IntoFuture = BoxFuture<'l, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { key, loader, ttl, redis, timeout, on_unavailable, .. } = self;
            get_or_load(&key, loader, ttl, redis, timeout, on_unavailable).await
        })
    }
}

/// Counts what a fill has come to.
#[cfg_attr(not(feature = "metrics"), expect(unused_variables, reason = "for the metric only"))]
fn note_fill(template: &'static TemplateMeta, result: &'static str) {
    count!(
        "redis_keyspace_fills_total",
        "keyspace" => template.keyspace(),
        "template" => template.template(),
        "result" => result
    );
}

async fn get_or_load<S, V, F, Fut, E>(
    key: &Key<S, V>,
    loader: F,
    ttl: Option<Duration>,
    redis: Option<Redis>,
    timeout: Option<Duration>,
    on_unavailable: Option<OnUnavailable>,
) -> Result<V::Owned, FillError<E>>
where
    S: Keyspace,
    V: SingleValue,
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = Result<V::Owned, E>> + Send,
{
    // Chosen once, so that reading, storing and counting are about the same server.
    let redis = chosen(redis.as_ref(), Some(S::META))?;
    let template = key.template();
    let note = |counter: &AtomicU64, result: &'static str| {
        counter.fetch_add(1, Ordering::Relaxed);
        note_fill(template, result);
    };
    let on_unavailable = on_unavailable.unwrap_or(S::META.overrides.on_unavailable);
    let read = key.get().on(&redis).with_timeout(timeout).on_unavailable(OnUnavailable::Error);
    let replaces = match read.await {
        Ok(Some(value)) => {
            note(&redis.fills().hits, "hit");
            return Ok(value);
        }
        Ok(None) => {
            note(&redis.fills().misses, "miss");
            false
        }
        // What an older version of the program has left there is as good as nothing.
        Err(error) if error.is_decode() => {
            note(&redis.fills().undecodable, "undecodable");
            observe!(warn, error = %error, "a value that can't be decoded is loaded anew");
            true
        }
        Err(error) if on_unavailable == OnUnavailable::Miss && is_away(&error) => {
            redis.note_degraded(&error, Some(template));
            // Storing it would only wait for the next failure.
            return loader().await.map_err(FillError::Loader);
        }
        Err(error) => return Err(FillError::Redis(error)),
    };
    // No connection is held here: loaders take their time, and may need Redis themselves.
    let value = loader().await.map_err(FillError::Loader)?;
    let set = key.set(V::borrow(&value)).on(&redis);
    let set = match ttl {
        Some(ttl) => set.ttl(ttl),
        None => set,
    };
    // Whoever has set the key since the miss knows better than the loader, which began before. What was no value has
    // to be looked at again for that.
    let replaces = replaces && {
        let there = key.get().on(&redis).with_timeout(timeout).on_unavailable(OnUnavailable::Error).await;
        there.is_err_and(|error| error.is_decode())
    };
    let stored = if replaces {
        set.into_command().with_timeout(timeout).await
    } else {
        set.only_if_absent().into_command().with_timeout(timeout).await.map(drop)
    };
    match stored {
        Ok(()) => Ok(value),
        // These are mistakes in the program, and would hide for ever behind a cache that never hits.
        Err(error) if matches!(error.kind(), ErrorKind::Encode | ErrorKind::InvalidInput) => {
            Err(FillError::Redis(error))
        }
        Err(error) => {
            note(&redis.fills().not_stored, "not_stored");
            observe!(warn, error = %error, "a value that was loaded could not be stored");
            let _ = error;
            Ok(value)
        }
    }
}
