//! `get_or_set` of many keys.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::IntoFuture;
use std::hash::Hash;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::FutureExt as _;

use super::error::{FillError, LoadFailure};
use super::fill::{Fill, Known};
use super::kind::FilledKind;
use super::load::{Load, run_to_end};
use super::loader::{Always, Fallible, LoadedValues, TryLoadedValues};
use super::options::{Options, check_filled, part};
use super::progress::{Engine, StartLoad, Starting};
use crate::client::{CallOptions, call_options};
use crate::error::{Error, Result};
use crate::kind::SingleValue;
use crate::protocol::MOST_IN_SCRIPT;
use crate::schema::{FilledKeyspace, Key, Keyspace, OnUnavailable};

/// Read-through caching of many keys at once.
impl<S: Keyspace, V: SingleValue> Key<S, V> {
    /// Returns the values of many keys, and loads the missing ones together. The loader receives
    /// each missing id once, and returns the values that it finds. The result has the order of the
    /// ids, with `None` for each id that the loader did not find.
    ///
    /// Each key has the guarantees of [`get_or_set`](Self::get_or_set). If another caller in this
    /// process is loading an id, this call does not load it, but waits for that load after it has
    /// loaded its own ids. If that load fails, the loader runs once more for the remaining ids.
    /// Values that are written while the loader runs are not replaced. Declared options apply,
    /// except `early_refresh`, `stale_for` and `across_processes`.
    ///
    /// ```
    /// # use std::collections::HashMap;
    /// # use redis_keyspace::{Key, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "1h")]
    /// # struct UserKeys { name: fn(id: u64) -> Text }
    /// # async fn find_users(ids: Vec<u64>) -> HashMap<u64, String> {
    /// #     ids.into_iter().filter(|&id| id != 9).map(|id| (id, format!("user {id}"))).collect()
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// UserKeys::name(7).set("Ada").await?;
    /// let names = Key::get_or_set_many([7, 8, 9], UserKeys::name, find_users).await?;
    /// assert_eq!(names, [Some("Ada".to_owned()), Some("user 8".to_owned()), None]);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`get_or_set`](Self::get_or_set). If a loaded value is invalid, the other values are
    /// stored, and the call fails. On a [cluster](crate::guide::cluster), the call fails if the
    /// node of any key does not answer.
    ///
    /// # Cancellation
    ///
    /// As for [`get_or_set`](Self::get_or_set).
    ///
    /// # Round trips
    ///
    /// One if all values exist, else two or three. Waiting for other callers' loads may take one
    /// more. If such a load fails, up to three more. On a [cluster](crate::guide::cluster), each of
    /// them goes to several nodes at the same time.
    pub fn get_or_set_many<'l, I, F, Fut>(
        ids: impl IntoIterator<Item = I>,
        key: impl Fn(I) -> Self,
        loader: F,
    ) -> GetOrSetMany<'l, S, V, I, AlwaysMany<'l, F, I, V::Owned>>
    where
        S: FilledKeyspace,
        I: Clone + Eq + Hash + Send + Sync + 'l,
        F: FnMut(Vec<I>) -> Fut + Send + 'l,
        Fut: LoadedValues<I, V::Owned> + Send + 'l,
    {
        let wanted = ids.into_iter().map(|id| WantedValue::key(key(id.clone()), id)).collect();
        GetOrSetMany::new(
            wanted,
            Always {
                closure: loader,
                call: |load, ids| {
                    let loading = load(ids);
                    Box::pin(async { loading.await.into_iter().collect() })
                },
            },
        )
    }

    /// Like [`get_or_set_many`](Self::get_or_set_many), with a loader that can fail. If it fails,
    /// nothing is stored.
    ///
    /// ```
    /// # use redis_keyspace::{Key, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "1h")]
    /// # struct UserKeys { name: fn(id: u64) -> Text }
    /// # async fn find_users(ids: Vec<u64>) -> Result<Vec<(u64, String)>, redis_keyspace::Error> {
    /// #     Ok(ids.into_iter().map(|id| (id, format!("user {id}"))).collect())
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let names = Key::try_get_or_set_many([7, 8], UserKeys::name, find_users).await?;
    /// assert_eq!(names, [Some("user 7".to_owned()), Some("user 8".to_owned())]);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// The loader's error as [`FillError::Loader`], and the errors of
    /// [`get_or_set_many`](Self::get_or_set_many) as the other variants.
    ///
    /// # Cancellation
    ///
    /// As for [`get_or_set`](Self::get_or_set).
    ///
    /// # Round trips
    ///
    /// As for [`get_or_set_many`](Self::get_or_set_many).
    pub fn try_get_or_set_many<'l, I, F, Fut, R, E>(
        ids: impl IntoIterator<Item = I>,
        key: impl Fn(I) -> Self,
        loader: F,
    ) -> GetOrSetMany<'l, S, V, I, FallibleMany<'l, F, I, V::Owned, E>>
    where
        S: FilledKeyspace,
        I: Clone + Eq + Hash + Send + Sync + 'l,
        F: FnMut(Vec<I>) -> Fut + Send + 'l,
        Fut: TryLoadedValues<R, E> + Send + 'l,
        R: IntoIterator<Item = (I, V::Owned)>,
        E: fmt::Debug + Send,
    {
        let wanted = ids.into_iter().map(|id| WantedValue::key(key(id.clone()), id)).collect();
        GetOrSetMany::new(
            wanted,
            Fallible {
                closure: loader,
                call: |load, ids| {
                    let loading = load(ids);
                    Box::pin(async { Ok(loading.await?.into_iter().collect()) })
                },
            },
        )
    }
}

/// A [`get_or_set_many`](Key::get_or_set_many) or a
/// [`hget_or_set_many`](Key::hget_or_set_many) with its options. Await it.
///
/// # Cancellation
///
/// As for [`GetOrSet`](super::GetOrSet).
#[must_use = "nothing is read or loaded unless it is awaited"]
pub struct GetOrSetMany<'l, S, V, I, L> {
    wanted: Vec<WantedValue<S, V, I>>,
    loader: L,
    options: ManyOptions,
    borrows: PhantomData<&'l ()>,
}

/// An id, and where its value is.
pub(super) struct WantedValue<S, V, I> {
    pub(super) key: Key<S, V>,
    pub(super) id: I,
    /// The field of the hash, or why it can't be encoded.
    pub(super) field: Result<Option<Bytes>>,
}

impl<S, V, I> WantedValue<S, V, I> {
    fn key(key: Key<S, V>, id: I) -> Self {
        Self { key, id, field: Ok(None) }
    }
}

/// The options of the call.
#[derive(Default)]
struct ManyOptions {
    ttl: Option<Duration>,
    jitter: Option<f64>,
    negative_ttl: Option<Duration>,
    hard_timeout: Option<Duration>,
    wait_timeout: Option<Duration>,
    on_unavailable: Option<OnUnavailable>,
    call: CallOptions,
}

impl<S, V, I, L> GetOrSetMany<'_, S, V, I, L> {
    pub(super) fn new(wanted: Vec<WantedValue<S, V, I>>, loader: L) -> Self {
        Self { wanted, loader, options: ManyOptions::default(), borrows: PhantomData }
    }

    /// Sets the TTL of the loaded values, instead of the template's. For fields, the TTL of a hash
    /// that does not exist yet.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Shortens each TTL by a random fraction of at most `jitter`, such as 0.1 for a tenth.
    pub fn ttl_jitter(mut self, jitter: f64) -> Self {
        self.options.jitter = Some(part(jitter));
        self
    }

    /// Remembers for this long which ids the loader did not find. The template must declare
    /// `negative_ttl`. A call can only shorten it: a longer time is an
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) error. Fields that the loader did not find
    /// are never remembered, so the option changes nothing for them.
    pub fn negative_ttl(mut self, time: Duration) -> Self {
        self.options.negative_ttl = Some(time);
        self
    }

    /// Limits how long the loader may run, and how long the call waits for other callers' loaders,
    /// as for [`GetOrSet`](super::GetOrSet::hard_timeout).
    pub fn hard_timeout(mut self, limit: Duration) -> Self {
        self.options.hard_timeout = Some(limit);
        self
    }

    /// Sets how long to wait for other callers' loads before this caller loads those keys itself,
    /// as for [`GetOrSet`](super::GetOrSet::wait_timeout).
    pub fn wait_timeout(mut self, limit: Duration) -> Self {
        self.options.wait_timeout = Some(limit);
        self
    }

    /// Overrides how the keyspace behaves when Redis is unavailable: fail before the loader runs,
    /// or load all ids and store nothing.
    pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
        self.options.on_unavailable = Some(answer);
        self
    }

    call_options! { self => self.options.call;
        /// Sets the timeout of each command of the call, and the total time that the call waits for
        /// other callers' loads. It does not limit the loader of this call.
    }
}

impl<'l, S, V, I, F> IntoFuture for GetOrSetMany<'l, S, V, I, AlwaysMany<'l, F, I, V::Value>>
where
    S: Keyspace,
    V: FilledKind,
    I: Clone + Eq + Hash + Send + Sync + 'l,
    F: Send + 'l,
{
    type Output = Result<Vec<Option<V::Value>>>;
    type IntoFuture = BoxFuture<'l, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { wanted, loader, options, .. } = self;
        fill(wanted, options, loader).map(|values| values.map_err(Error::from)).boxed()
    }
}

impl<'l, S, V, I, F, E> IntoFuture for GetOrSetMany<'l, S, V, I, FallibleMany<'l, F, I, V::Value, E>>
where
    S: Keyspace,
    V: FilledKind,
    I: Clone + Eq + Hash + Send + Sync + 'l,
    F: Send + 'l,
    E: fmt::Debug + Send + 'l,
{
    type Output = Result<Vec<Option<V::Value>>, FillError<E>>;
    type IntoFuture = BoxFuture<'l, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { wanted, loader, options, .. } = self;
        fill(wanted, options, loader).boxed()
    }
}

/// The values that a loader found, or its error.
pub(super) type Found<I, T, E> = Result<HashMap<I, T>, E>;

/// Calls a closure that loads many values.
pub(super) type LoadMany<'l, F, I, R> = fn(&mut F, Vec<I>) -> BoxFuture<'l, R>;

pub(super) type AlwaysMany<'l, F, I, T> = Always<F, LoadMany<'l, F, I, HashMap<I, T>>>;
pub(super) type FallibleMany<'l, F, I, T, E> = Fallible<F, LoadMany<'l, F, I, Found<I, T, E>>>;

/// A loader of many values. It may run more than once.
trait ManyLoader<I, T>: Send {
    type Error: fmt::Debug + Send;

    fn find(&mut self, ids: Vec<I>) -> impl Future<Output = Found<I, T, Self::Error>> + Send;
}

impl<I, T, F> ManyLoader<I, T> for AlwaysMany<'_, F, I, T>
where
    I: Send,
    F: Send,
{
    type Error = Infallible;

    fn find(&mut self, ids: Vec<I>) -> impl Future<Output = Found<I, T, Infallible>> + Send {
        let loading = (self.call)(&mut self.closure, ids);
        async { Ok(loading.await) }
    }
}

impl<I, T, F, E> ManyLoader<I, T> for FallibleMany<'_, F, I, T, E>
where
    I: Send,
    F: Send,
    E: fmt::Debug + Send,
{
    type Error = E;

    fn find(&mut self, ids: Vec<I>) -> impl Future<Output = Found<I, T, E>> + Send {
        (self.call)(&mut self.closure, ids)
    }
}

/// Fills the keys of these ids. Returns their values in the order of the ids.
#[expect(clippy::manual_async_fn, reason = "proves `Send` as `GetOrSet::run` does")]
fn fill<S, V, I, L>(
    wanted: Vec<WantedValue<S, V, I>>,
    options: ManyOptions,
    loader: L,
) -> impl Future<Output = Result<Vec<Option<V::Value>>, FillError<L::Error>>> + Send
where
    S: Keyspace,
    V: FilledKind,
    I: Clone + Eq + Hash + Send + Sync,
    L: ManyLoader<I, V::Value>,
{
    async move {
        let Some(WantedValue { key: first, .. }) = wanted.first() else {
            options.call.resolve::<S>()?;
            return Ok(Vec::new());
        };
        let command = if V::FORM.is_field() { V::FORM.read() } else { "MGET" };
        wanted.iter().try_for_each(|WantedValue { key, .. }| check_filled(command, key))?;
        let options = options.with_policy(first);
        options.check().map_err(|error| first.explain(command, error))?;
        let binding = options.call.resolve::<S>()?;
        let came = binding.pool().local.flights.now();
        // The distinct ids, in order. `needs_bytes` is set for an id that occurs more than once.
        let (mut ids, mut keys) = (Vec::<I>::new(), Vec::new());
        let (mut places, mut order) = (HashMap::new(), Vec::with_capacity(wanted.len()));
        for WantedValue { key, id, field } in wanted {
            let field = field.map_err(|error| key.explain(command, error))?;
            let place = *places.entry(id.clone()).or_insert(ids.len());
            if place == ids.len() {
                ids.push(id);
                keys.push((key, field, false));
            } else if let Some((_, _, needs_bytes)) = keys.get_mut(place) {
                *needs_bytes = true;
            }
            order.push(place);
        }
        if V::FORM.is_field() && keys.len() > MOST_FIELDS {
            return Err(too_many_fields(keys.len()).into());
        }
        let texts: Vec<Key<S, V>> = keys.iter().map(|(key, ..)| key.clone()).collect();
        let fill = Fill::new(binding, Box::new(options), keys);
        let looked = fill.look().await?;
        let mut loader = IdLoader::<I, V::Value, L> { ids, loader, error: None };
        let filled = Engine::new(fill, &mut loader).run(came, looked).await;
        let mut known = filled.map_err(|error| error.of_loader(loader.error))?;
        let mut values = Vec::with_capacity(order.len());
        for place in order {
            let value = match (known.get_mut(place), texts.get(place)) {
                (Some(known), Some(key)) => take::<V>(known).map_err(|error| key.explain(command, error))?,
                _ => None,
            };
            values.push(value);
        }
        Ok(values)
    }
}

/// The maximum number of fields in one call: Lua's stack holds about 8000 values.
const MOST_FIELDS: usize = MOST_IN_SCRIPT - 8;

#[cold]
fn too_many_fields(fields: usize) -> Error {
    Error::invalid_input(format!(
        "{fields} fields are too many for one call: use at most {MOST_FIELDS} at a time; the loader did not run"
    ))
}

/// Returns the value. Decodes it from its bytes if it was returned before.
fn take<V: FilledKind>(known: &mut Known<V::Value>) -> Result<Option<V::Value>> {
    match (known.value.take(), &known.bytes) {
        (Some(value), _) => Ok(Some(value)),
        (None, Some(bytes)) => V::decode_whole(bytes).map(Some).map_err(Error::decode),
        (None, None) => Ok(None),
    }
}

impl ManyOptions {
    /// Returns the options of the fill. Options of the call override declared ones.
    fn with_policy<S, V: FilledKind>(self, key: &Key<S, V>) -> Options<V::Value> {
        let policy = key.template().fills();
        let target = self.call.target.or(key.redis().into());
        let call = CallOptions { target, timeout: self.call.timeout, ..CallOptions::default() };
        let options = Options::of_policy(policy, call);
        Options {
            ttl: self.ttl,
            jitter: self.jitter.unwrap_or(options.jitter),
            negative_ttl: self.negative_ttl.or(options.negative_ttl).filter(|time| !time.is_zero()),
            hard_timeout: self.hard_timeout.or(options.hard_timeout),
            wait_timeout: self.wait_timeout.or(options.wait_timeout),
            on_unavailable: self.on_unavailable,
            // These work for one key only: several keys could wait for each other, or be served at
            // different ages.
            stale_for: None,
            early_refresh: None,
            across_processes: false,
            ..options
        }
    }
}

/// A loader with the ids of the keys, in their order.
struct IdLoader<I, T, L: ManyLoader<I, T>> {
    ids: Vec<I>,
    loader: L,
    /// The error of the loader, for its caller.
    error: Option<L::Error>,
}

impl<S, V, I, L> StartLoad<S, V> for IdLoader<I, V::Value, L>
where
    S: Keyspace,
    V: FilledKind,
    I: Clone + Eq + Hash + Send + Sync,
    L: ManyLoader<I, V::Value>,
{
    fn finds_none(&self) -> bool {
        true
    }

    fn start(&mut self, load: Load<S, V>) -> Starting<'_, V::Value> {
        let ids: Vec<I> = load.indices().iter().filter_map(|&index| self.ids.get(index)).cloned().collect();
        let Self { loader, error: kept, .. } = self;
        let loading = Box::pin(async move {
            match loader.find(ids.clone()).await {
                Ok(mut found) => Ok(ids.iter().map(|id| found.remove(id)).collect()),
                Err(error) => {
                    let failure = LoadFailure::of(&error);
                    *kept = Some(error);
                    Err(failure)
                }
            }
        });
        Box::pin(run_to_end(load, loading))
    }
}

impl<S, V, I, L> fmt::Debug for GetOrSetMany<'_, S, V, I, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrSetMany").field("keys", &self.wanted.len()).finish_non_exhaustive()
    }
}
