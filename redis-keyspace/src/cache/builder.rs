//! The builders of `get_or_set` and its variants.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::FutureExt as _;

use super::fill::Known;
use super::kind::FilledKind;
use super::loader::Loader;
use super::lookup::Lookup;
use super::one::{Detach, OneLoader, detach, fetch};
use super::options::{Options, part};
use crate::client::call_options;
use crate::schema::{Key, Keyspace, OnUnavailable};

/// A [`get_or_set`](Key::get_or_set) or one of its variants, with its options. Await it.
///
/// Most options can also be declared on a keyspace or a template, under the same names:
/// `#[keyspace(.., stale_for = "1h", ttl_jitter = "10%")]`. A call overrides the declaration.
///
/// # Cancellation
///
/// Dropping the future drops the loader. A value that is already loaded may or may not be stored.
/// If other callers wait for this load, one of them runs its own loader, and the rest wait for that
/// one. A loader that runs in a background task continues.
#[must_use = "nothing is read or loaded unless it is awaited"]
pub struct GetOrSet<'l, S, V: FilledKind, L> {
    key: Key<S, V>,
    loader: L,
    /// `None` for most calls: they set no option.
    options: Option<Box<Options<V::Value>>>,
    /// Set if the loader may run in a background task.
    detach: Option<Detach<V, L>>,
    /// The lifetime of the data that the loader borrows.
    borrows: PhantomData<&'l ()>,
}

impl<S, V: FilledKind, L> GetOrSet<'_, S, V, L> {
    pub(super) fn new(key: Key<S, V>, loader: L) -> Self {
        Self { key, loader, options: None, detach: None, borrows: PhantomData }
    }
}

impl<'l, S: Keyspace, V: FilledKind, L: Loader<V>> GetOrSet<'l, S, V, L> {
    fn options(&mut self) -> &mut Options<V::Value> {
        let key = &self.key;
        self.options.get_or_insert_with(|| Box::new(Options::of_key(key)))
    }

    /// Sets the TTL of the loaded value, instead of the template's. A TTL that is zero or longer
    /// than Redis supports is an [`InvalidInput`](crate::ErrorKind::InvalidInput) error, and the
    /// loader does not run.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options().ttl = Some(ttl);
        self
    }

    /// Computes the TTL from the loaded value. Use it for a token that has its own expiry time, or
    /// to keep an empty list for a shorter time. With [`early_refresh`](Self::early_refresh), the
    /// closure also runs on hits. A value with a TTL of zero is not stored, and an earlier value
    /// that it replaces is removed. A TTL longer than Redis supports is reduced to the longest, 73
    /// million years.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::{Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "token", ttl = "1h")]
    /// # struct TokenKeys { user: fn(id: u64) -> Json<Token> }
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Token { access: String, expires_in: u64 }
    ///
    /// # async fn request_token() -> Token { Token { access: "a".into(), expires_in: 60 } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let token = TokenKeys::user(7)
    ///     .get_or_set(|| request_token())
    ///     .ttl_by(|token| Duration::from_secs(token.expires_in))
    ///     .await?;
    /// assert!(TokenKeys::user(7).ttl().await?.remaining() <= Some(Duration::from_secs(60)));
    /// # Ok(()) }).await }
    /// ```
    pub fn ttl_by(mut self, ttl: impl Fn(&V::Value) -> Duration + Send + Sync + 'static) -> Self {
        self.options().ttl_by = Some(Box::new(ttl));
        self
    }

    /// Shortens each TTL by a random fraction of at most `jitter` (0.1 for a tenth), so that
    /// entries loaded together do not all expire together.
    pub fn ttl_jitter(mut self, jitter: f64) -> Self {
        self.options().jitter = part(jitter);
        self
    }

    /// Keeps a stale copy of the loaded value for this long after the value expires. After expiry,
    /// one caller reloads the value, and all others receive the copy. If the loader fails or
    /// exceeds its timeout, that caller receives the copy too.
    ///
    /// The copy is stored next to the key, not at it. [`get`](Key::get) and other programs see a
    /// plain value with its plain TTL, and no value once it has expired. The copy needs as much
    /// memory as the value. Every write to the key by this library deletes the copy in the same
    /// atomic step: `set`, `del`, [`expire`](Key::expire), .. A copy is kept for at most 30 days,
    /// TTL included. A template with `ttl = none` has no copies, because its values never expire.
    ///
    /// The template must declare `stale_for`, because its writes must delete the copies. A call can
    /// only shorten it. A longer time, or any time for a template that declares none, is an
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) error.
    ///
    /// When Redis is unavailable, the process serves the value that it last read, if it read it
    /// within this time and has not written the key since. It can't know about writes by other
    /// processes. With [`OnUnavailable::Miss`], the loader runs first. A process keeps at most 16
    /// MiB of such values, and none larger than 1 MiB.
    pub fn stale_for(mut self, time: Duration) -> Self {
        self.options().stale_for = Some(time).filter(|time| !time.is_zero());
        self
    }

    /// Reloads a value before it expires: a hit after this fraction of the TTL starts a reload,
    /// such as 0.8 for the last fifth. One caller reloads the value and waits for it, unless the
    /// reload runs [in the background](Self::in_background). All others receive the existing value.
    /// If the loader fails, that caller receives the existing value too.
    ///
    /// The TTL is the one from [`ttl_by`](Self::ttl_by), else from [`ttl`](Self::ttl), else from
    /// the template. The closure of `ttl_by` runs again on each hit, so it must return how long the
    /// value lives from its load, not how long it has left. A value that was written with a shorter
    /// TTL, or whose TTL was shortened, looks nearly expired and is reloaded at once. The option
    /// has no effect on a template with `ttl = none`. A hit sends one more command, in the same
    /// round trip.
    pub fn early_refresh(mut self, after: f64) -> Self {
        self.options().early_refresh = Some(part(after));
        self
    }

    /// Shares one load among all processes. One process loads, and the others poll for the value at
    /// least every 100 ms. If the loading process dies, a waiting call takes over when the lease of
    /// that process ends: after 5 seconds, or after 30 seconds if the call of the dead process did
    /// not set this option. It takes over earlier if its own [`wait_timeout`](Self::wait_timeout)
    /// passes first. Without this option, a call does not wait for other processes: each process
    /// loads for itself.
    ///
    /// A load that fails, or finds no value to store, leaves nothing for the others. After two such
    /// loads, a process no longer waits, and loads the value itself.
    ///
    /// Two loaders in different processes that wait for each other's keys block each other, until
    /// one of them has waited for the [`wait_timeout`](Self::wait_timeout).
    pub fn across_processes(mut self) -> Self {
        self.options().across_processes = true;
        self
    }

    /// Sets whether callers in this process that miss the key at the same time share one load. The
    /// default is `true`.
    pub fn coalesce(mut self, coalesces: bool) -> Self {
        self.options().coalesces = coalesces;
        self
    }

    /// Loads the value even if it exists, and replaces it. The call does not wait for a load that
    /// started earlier, and that load no longer stores its value. If the key is written while the
    /// loader runs, the write wins.
    pub fn refresh(mut self) -> Self {
        self.options().refreshes = true;
        self
    }

    /// Limits how long the loader may run, and how long the call waits for another caller's loader.
    /// After that, the loader is dropped. The call then returns a [stale copy](Self::stale_for), or
    /// fails with [`LoaderTimeout`](crate::ErrorKind::LoaderTimeout) or
    /// [`FillError::TimedOut`](super::FillError::TimedOut).
    pub fn hard_timeout(mut self, limit: Duration) -> Self {
        self.options().hard_timeout = Some(limit);
        self
    }

    /// Sets how long to wait for another caller's load before this caller loads the value itself.
    /// The default is 10 seconds, or the [hard timeout](Self::hard_timeout) if that is longer.
    ///
    /// Another caller's load may hang, or its future may no longer be polled. Of all callers that
    /// wait for it, only one takes over, and the others wait for that one. So at most one more load
    /// starts per timeout. With [`across_processes`](Self::across_processes), this holds for all
    /// processes together.
    pub fn wait_timeout(mut self, limit: Duration) -> Self {
        self.options().wait_timeout = Some(limit);
        self
    }

    /// Also returns the source of the value.
    ///
    /// ```
    /// # use redis_keyspace::cache::ValueSource;
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1h")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let title = || async { "A page".to_owned() };
    /// assert_eq!(PageKeys::title(7).get_or_set(title).lookup().await?.source, ValueSource::Filled);
    /// assert_eq!(PageKeys::title(7).get_or_set(title).lookup().await?.source, ValueSource::Hit);
    /// # Ok(()) }).await }
    /// ```
    pub fn lookup(self) -> GetOrSetLookup<'l, S, V, L> {
        GetOrSetLookup(self)
    }

    /// Overrides how the keyspace behaves when Redis is unavailable: fail before the loader runs,
    /// or return the loaded value without storing it.
    pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
        self.options().on_unavailable = Some(answer);
        self
    }

    call_options! { self => self.options().call;
        /// Sets the timeout of each command of the call, and the total time that the call waits for
        /// other callers' loads. After that, the call fails with
        /// [`LoaderTimeout`](crate::ErrorKind::LoaderTimeout) or
        /// [`FillError::TimedOut`](super::FillError::TimedOut). It does not limit the loader of
        /// this call.
    }
}

/// Options that run the loader in a background task. The loader must not borrow.
impl<S: Keyspace, V: FilledKind, L: Loader<V> + 'static> GetOrSet<'_, S, V, L> {
    /// Runs the loader in a background task, and returns the [stale copy](Self::stale_for) or the
    /// value that has not expired yet at once. If neither exists, the call waits for the loader. A
    /// background loader may run for 5 minutes, unless it has a
    /// [hard timeout](Self::hard_timeout).
    pub fn in_background(self) -> Self {
        self.soft_timeout(Duration::ZERO)
    }

    /// Limits how long the call waits for the loader if there is a [stale copy](Self::stale_for),
    /// or a value that has not expired yet. After that, the call returns that value, and the loader
    /// continues in a background task.
    pub fn soft_timeout(mut self, limit: Duration) -> Self {
        self.options().soft_timeout = Some(limit);
        self.detach = Some(detach::<V, L>);
        self
    }
}

impl<S: Keyspace, V: FilledKind, L: Loader<V, Value = Option<V::Value>>> GetOrSet<'_, S, V, L> {
    /// Remembers for this long that the loader found no value, so that it does not run again. The
    /// negative entry is stored next to the key; readers of the key find no value. Without this
    /// option, a loader that finds no value runs each time.
    ///
    /// The template must declare `negative_ttl`, because its writes must delete the entry. A call
    /// can only shorten it. A longer time, or any time for a template that declares none, is an
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) error.
    pub fn negative_ttl(mut self, time: Duration) -> Self {
        self.options().negative_ttl = Some(time).filter(|time| !time.is_zero());
        self
    }
}

impl<S: Keyspace, V: FilledKind, L: Loader<V>> GetOrSet<'_, S, V, L> {
    // Not an `async fn`: this proves that the future is `Send` where the lifetime of the caller is
    // not in scope. With a lifetime in the bounds, the compiler proves it for each part again and
    // remembers nothing, which takes it a second.
    #[expect(clippy::manual_async_fn, reason = "proves `Send` without a lifetime in scope")]
    fn run(self) -> impl Future<Output = Result<Lookup<L::Value>, L::Failure>> + Send {
        async move {
            let mut loader = OneLoader::new(self.loader, self.detach);
            let fetched = fetch(self.key, self.options, &mut loader).await;
            let Known { value, source, .. } = fetched.map_err(|error| L::failure(loader.explain(error)))?;
            let value = L::value(value).map_err(|error| L::failure(error.into()))?;
            Ok(Lookup { value, source })
        }
    }
}

impl<'l, S, V, L> IntoFuture for GetOrSet<'l, S, V, L>
where
    S: Keyspace,
    V: FilledKind,
    L: Loader<V> + 'l,
{
    type Output = Result<L::Value, L::Failure>;
    type IntoFuture = BoxFuture<'l, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        // Not in another `async` block, which would contain the loader twice. And not with
        // `Box::pin`: turning it into a `BoxFuture` here would let the compiler prove once more,
        // with the lifetime in scope, that the future of `run` is `Send`.
        self.run().map(|found| found.map(|lookup| lookup.value)).boxed()
    }
}

impl<S, V: FilledKind, L> fmt::Debug for GetOrSet<'_, S, V, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrSet")
            .field("key", &self.key)
            .field("ttl", &self.options.as_ref().and_then(|options| options.ttl))
            .finish_non_exhaustive()
    }
}

/// A [`get_or_set`](Key::get_or_set) that also returns the source of the value. Await it. See
/// [`GetOrSet::lookup`].
#[must_use = "nothing is read or loaded unless it is awaited"]
pub struct GetOrSetLookup<'l, S, V: FilledKind, L>(GetOrSet<'l, S, V, L>);

impl<'l, S, V, L> IntoFuture for GetOrSetLookup<'l, S, V, L>
where
    S: Keyspace,
    V: FilledKind,
    L: Loader<V> + 'l,
{
    type Output = Result<Lookup<L::Value>, L::Failure>;
    type IntoFuture = BoxFuture<'l, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.0.run().boxed()
    }
}

impl<S, V: FilledKind, L> fmt::Debug for GetOrSetLookup<'_, S, V, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GetOrSetLookup").field(&self.0).finish()
    }
}
