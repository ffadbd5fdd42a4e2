//! Read, or load and store.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::flight::Part;
use crate::Redis;
use crate::command::{IntoCommand, OnUnavailable, is_away};
use crate::error::{Error, ErrorKind, Result};
use crate::handle::{chosen, target};
use crate::key::Key;
use crate::keyspace::{Keyspace, TemplateMeta};
use crate::kind::SingleValue;
use crate::stats::Fills;

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
            coalesces: bool,
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
                    coalesces: true,
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

            /// Whether callers of this process who miss the key at the same time share one load; they do unless this says
            /// otherwise.
            pub fn coalesce(mut self, coalesces: bool) -> Self {
                self.coalesces = coalesces;
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
            let Self { key, loader, ttl, redis, timeout, on_unavailable, coalesces, .. } = self;
            let loader = || async { Ok::<_, Infallible>(loader().await) };
            let options = Options { ttl, redis, timeout, on_unavailable, coalesces };
            match get_or_load(&key, loader, options).await {
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
            let Self { key, loader, ttl, redis, timeout, on_unavailable, coalesces, .. } = self;
            get_or_load(&key, loader, Options { ttl, redis, timeout, on_unavailable, coalesces }).await
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

tokio::task_local! {
    /// The keys whose loaders have led to here.
    static LEADING: Vec<String>;
}

/// How a fill goes about it.
struct Options {
    ttl: Option<Duration>,
    redis: Option<Redis>,
    timeout: Option<Duration>,
    on_unavailable: Option<OnUnavailable>,
    coalesces: bool,
}

/// What was found at the key.
enum Found<T> {
    Value(T),
    Nothing,
    /// What an older version of the program has left there is as good as nothing.
    Undecodable,
    /// Redis is away, and the fill goes on without it.
    Away,
}

/// One fill, on the server that was chosen for it: reading, storing and counting are about the same one.
struct Fill<'k, S, V> {
    key: &'k Key<S, V>,
    redis: Redis,
    options: Options,
}

async fn get_or_load<S, V, F, Fut, E>(
    key: &Key<S, V>,
    loader: F,
    options: Options,
) -> Result<V::Owned, FillError<E>>
where
    S: Keyspace,
    V: SingleValue,
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = Result<V::Owned, E>> + Send,
{
    let redis = chosen(options.redis.as_ref(), Some(S::META))?;
    let binding = target(Some(&redis), Some(S::META))?;
    let (flights, fill) = (&binding.pool().flights, Fill { key, redis, options });
    loop {
        let ended = flights.ended();
        let mut found = fill.look().await?;
        if let Found::Value(value) = found {
            fill.note(|fills| &fills.hits, "hit");
            return Ok(value);
        }
        let name = format!("{}{}", binding.namespace, key.as_str());
        let led_here = LEADING.try_with(|keys| keys.contains(&name)).unwrap_or(false);
        if !fill.options.coalesces || led_here {
            // To wait for oneself would take for ever.
            return fill.load(loader, &found).await;
        }
        let leader = match flights.join(name.clone()) {
            Part::Leader(leader) => leader,
            Part::Follower(follower) => match follower.wait().await {
                Some(bytes) => {
                    fill.note(|fills| &fills.coalesced, "coalesced");
                    return V::decode(&bytes).map_err(|problem| fill.about(Error::decode(problem)).into());
                }
                // The leader has failed, panicked or gone: another one is to load.
                None => continue,
            },
        };
        // One that ended between our look and our turn has stored its value since.
        if flights.ended() != ended {
            found = fill.look().await?;
        }
        let value = match found {
            Found::Value(value) => {
                fill.note(|fills| &fills.hits, "hit");
                value
            }
            found => {
                let mut keys = LEADING.try_with(Clone::clone).unwrap_or_default();
                keys.push(name);
                LEADING.scope(keys, fill.load(loader, &found)).await?
            }
        };
        leader.finish(|| {
            let mut bytes = Vec::new();
            V::encode(V::borrow(&value), &mut bytes).ok().map(|()| bytes)
        });
        return Ok(value);
    }
}

impl<S: Keyspace, V: SingleValue> Fill<'_, S, V> {
    fn note(&self, counter: impl FnOnce(&Fills) -> &AtomicU64, result: &'static str) {
        counter(self.redis.fills()).fetch_add(1, Ordering::Relaxed);
        note_fill(self.key.template(), result);
    }

    fn about(&self, error: Error) -> Error {
        error.about("GET", Some(self.key.template()), Some(self.key.as_str()))
    }

    async fn look(&self) -> Result<Found<V::Owned>> {
        let Options { timeout, on_unavailable, .. } = self.options;
        let on_unavailable = on_unavailable.unwrap_or(S::META.overrides.on_unavailable);
        let read = self.key.get().on(&self.redis).with_timeout(timeout);
        match read.on_unavailable(OnUnavailable::Error).await {
            Ok(value) => Ok(value.map_or(Found::Nothing, Found::Value)),
            Err(error) if error.is_decode() => {
                observe!(warn, error = %error, "a value that can't be decoded is loaded anew");
                Ok(Found::Undecodable)
            }
            Err(error) if on_unavailable == OnUnavailable::Miss && is_away(&error) => {
                self.redis.note_degraded(&error, Some(self.key.template()));
                Ok(Found::Away)
            }
            Err(error) => Err(error),
        }
    }

    /// Loads the value and stores it. No connection is held here: loaders take their time, and may need Redis themselves.
    async fn load<F, Fut, E>(&self, loader: F, found: &Found<V::Owned>) -> Result<V::Owned, FillError<E>>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<V::Owned, E>> + Send,
    {
        match found {
            Found::Undecodable => self.note(|fills| &fills.undecodable, "undecodable"),
            Found::Nothing => self.note(|fills| &fills.misses, "miss"),
            Found::Away | Found::Value(_) => {}
        }
        let value = loader().await.map_err(FillError::Loader)?;
        // While Redis is away, storing would only wait for the next failure.
        if !matches!(found, Found::Away) {
            self.store(&value, matches!(found, Found::Undecodable)).await?;
        }
        Ok(value)
    }

    async fn store(&self, value: &V::Owned, was_undecodable: bool) -> Result<()> {
        let timeout = self.options.timeout;
        let set = self.key.set(V::borrow(value)).on(&self.redis);
        let set = match self.options.ttl {
            Some(ttl) => set.ttl(ttl),
            None => set,
        };
        // Whoever has set the key since the miss knows better than the loader, which began before. What was no value has
        // to be looked at again for that.
        let replaces = was_undecodable && {
            let again = self.key.get().on(&self.redis).with_timeout(timeout);
            again.on_unavailable(OnUnavailable::Error).await.is_err_and(|error| error.is_decode())
        };
        let stored = if replaces {
            set.into_command().with_timeout(timeout).await
        } else {
            set.only_if_absent().into_command().with_timeout(timeout).await.map(drop)
        };
        match stored {
            Ok(()) => Ok(()),
            // These are mistakes in the program, and would hide for ever behind a cache that never hits.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Encode | ErrorKind::InvalidInput | ErrorKind::TooLarge
                ) =>
            {
                Err(error)
            }
            Err(error) => {
                self.note(|fills| &fills.not_stored, "not_stored");
                observe!(warn, error = %error, "a value that was loaded could not be stored");
                let _ = error;
                Ok(())
            }
        }
    }
}
