//! A fill with its options.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::Duration;

use futures_core::future::BoxFuture;

use super::error::FillError;
use super::fill::Known;
use super::load::{Spawn, spawn};
use super::loader::{FallibleOptional, Loader, Optional};
use super::lookup::{Lookup, ValueSource};
use super::one::fetch;
use super::options::{Options, part};
use crate::client::call_options;
use crate::kind::SingleValue;
use crate::schema::{Key, Keyspace, OnUnavailable};

/// A [`get_or_set`](Key::get_or_set), or another one of its family, with its options: await it.
///
/// Most options can also be declared on a keyspace or a template, under the same names:
/// `#[keyspace(.., stale_for = "1h", ttl_jitter = "10%")]`. A call overrides the declaration.
///
/// # Cancellation
///
/// Dropping the future drops the loader. A value that was loaded may or may not be stored, and waiting callers load it
/// themselves, one at a time. A loader that runs in a separate task continues.
#[must_use = "nothing is read or loaded unless it is awaited"]
pub struct GetOrSet<'l, S, V: SingleValue, L> {
    key: Key<S, V>,
    loader: L,
    /// Set if the call has any: most have none.
    options: Option<Box<Options<V::Owned>>>,
    spawn: Option<Spawn<S, V, L>>,
    /// The lifetime of what the loader borrows.
    borrows: PhantomData<&'l ()>,
}

impl<'l, S: Keyspace, V: SingleValue, L: Loader<V>> GetOrSet<'l, S, V, L> {
    pub(crate) fn new(key: Key<S, V>, loader: L) -> Self {
        Self { key, loader, options: None, spawn: None, borrows: PhantomData }
    }

    fn options(&mut self) -> &mut Options<V::Owned> {
        let key = &self.key;
        self.options.get_or_insert_with(|| Box::new(Options::of_key(key)))
    }

    /// Sets another TTL than the template's for the loaded value. Zero, and one that is longer than Redis supports, is an
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) error before anything is read or loaded.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options().ttl = Some(ttl);
        self
    }

    /// Chooses the TTL from the loaded value: for a token that says when it expires, or a short one for an empty list. A
    /// value whose TTL is zero is not stored; one that is longer than Redis supports counts as the longest, 73 million years.
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
    /// # async fn ask_for_a_token() -> Token { Token { access: "a".into(), expires_in: 60 } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let token = TokenKeys::user(7)
    ///     .get_or_set(|| ask_for_a_token())
    ///     .ttl_by(|token| Duration::from_secs(token.expires_in))
    ///     .await?;
    /// assert!(TokenKeys::user(7).ttl().await?.remaining() <= Some(Duration::from_secs(60)));
    /// # Ok(()) }).await }
    /// ```
    pub fn ttl_by(mut self, ttl: impl Fn(&V::Owned) -> Duration + Send + Sync + 'static) -> Self {
        self.options().ttl_by = Some(Box::new(ttl));
        self
    }

    /// Shortens each TTL at random, by at most this part of it (0.1 for a tenth), so that entries loaded at the same time do
    /// not all expire at the same time.
    pub fn ttl_jitter(mut self, jitter: f64) -> Self {
        self.options().jitter = part(jitter);
        self
    }

    /// Keeps a copy of the loaded value for this long after it expires. When the value has expired, one caller reloads it and
    /// all others receive the copy; so does that caller if the loader fails or exceeds its timeouts.
    ///
    /// The copy is kept next to the key, not at it: [`get`](Key::get) and other programs find a plain value with its plain TTL,
    /// and nothing after it expires. The copy takes the memory of the value again. Every write of the key by this library
    /// deletes the copy in the same step: `set`, `del`, [`expire`](Key::expire), .. It is kept for at most 30 days, TTL
    /// included. A template with `ttl = none` has no copies: its values never expire.
    ///
    /// The template must declare `stale_for`, so that its writes know of the copies. A call can only shorten it; a longer time,
    /// or one for a template that declares none, is an [`InvalidInput`](crate::ErrorKind::InvalidInput) error.
    ///
    /// When Redis is unavailable, the process serves the value as it last read it, if that was within this time and it has
    /// not written the key since; it can't know about writes of other processes. With [`OnUnavailable::Miss`], the loader runs
    /// first. The process keeps at most 16 MiB of such values, none of more than 1 MiB.
    pub fn stale_for(mut self, time: Duration) -> Self {
        self.options().stale_for = Some(time).filter(|time| !time.is_zero());
        self
    }

    /// Reloads a value that is read after this part of its TTL, such as 0.8 for the last fifth. One caller reloads it and waits
    /// for it, unless it runs [in the background](Self::in_background); all others receive the existing value, and so does that
    /// caller if the loader fails.
    ///
    /// The TTL is that of [`ttl_by`](Self::ttl_by) for the value, else that of [`ttl`](Self::ttl) or the template. It has no
    /// effect on a template with `ttl = none`. A hit sends another command in the same round trip.
    pub fn early_refresh(mut self, after: f64) -> Self {
        self.options().early_refresh = Some(part(after));
        self
    }

    /// Loads once across all processes: one process loads, and the others check for the value at most a tenth of a second
    /// apart. If the loading process dies, another one takes over after five seconds, or half a minute if its caller did not
    /// set this. Without it, each process loads once.
    ///
    /// Two loaders in different processes that wait for each other's keys block each other until one of them has waited for
    /// the [`wait_timeout`](Self::wait_timeout).
    pub fn across_processes(mut self) -> Self {
        self.options().across_processes = true;
        self
    }

    /// Sets whether callers of this process that miss the key at the same time share one load; the default is true.
    pub fn coalesce(mut self, coalesces: bool) -> Self {
        self.options().coalesces = coalesces;
        self
    }

    /// Loads the value even if it exists, and replaces it. Does not wait for a load that began earlier; such a load does not
    /// store its value any more. A write to the key while the loader runs wins.
    pub fn refresh(mut self) -> Self {
        self.options().refreshes = true;
        self
    }

    /// Limits how long the loader may take, and how long to wait for another caller's. After it, the loader is dropped, and the
    /// call returns a [stale copy](Self::stale_for) or fails with [`LoaderTimeout`](crate::ErrorKind::LoaderTimeout) or
    /// [`FillError::TimedOut`].
    pub fn hard_timeout(mut self, limit: Duration) -> Self {
        self.options().hard_timeout = Some(limit);
        self
    }

    /// Sets how long to wait for another caller's load before this caller loads the value itself; the default is 10 seconds, or
    /// the [hard timeout](Self::hard_timeout) if that is longer.
    ///
    /// Another caller's load may hang, or its future may no longer be polled. Of all callers that wait for it, only one takes
    /// over, and the others wait for that one. So at most one more load starts in each such time. With
    /// [`across_processes`](Self::across_processes) this applies to all processes together.
    pub fn wait_timeout(mut self, limit: Duration) -> Self {
        self.options().wait_timeout = Some(limit);
        self
    }

    /// Also returns where the value came from.
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

    /// Overrides how the keyspace behaves when Redis is unavailable: fail before the loader runs, or return the loaded value
    /// without storing it.
    pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
        self.options().on_unavailable = Some(answer);
        self
    }

    call_options! { self => self.options().call;
        /// Sets the deadline of each of its commands, and how long the call waits for other callers' loads in total: after
        /// that it fails with [`LoaderTimeout`](crate::ErrorKind::LoaderTimeout) or [`FillError::TimedOut`]. It does not limit
        /// the loader of the call.
    }
}

/// Options that run the loader in a separate task. The loader must not borrow.
impl<S: Keyspace, V: SingleValue, L: Loader<V> + 'static> GetOrSet<'_, S, V, L> {
    /// If there is a [stale copy](Self::stale_for), or a value that has not expired yet, runs the loader in a background task and
    /// returns that value at once. The loader may take five minutes there, unless it has a
    /// [hard timeout](Self::hard_timeout).
    pub fn in_background(self) -> Self {
        self.soft_timeout(Duration::ZERO)
    }

    /// If there is a [stale copy](Self::stale_for), or a value that has not expired yet, waits at most this long for the loader;
    /// then the loader continues in a background task.
    pub fn soft_timeout(mut self, limit: Duration) -> Self {
        self.options().soft_timeout = Some(limit);
        self.spawn = Some(spawn::<S, V, L>);
        self
    }
}

macro_rules! negative {
    ($loader:ident) => {
        impl<S: Keyspace, V: SingleValue, F> GetOrSet<'_, S, V, $loader<F>>
        where
            $loader<F>: Loader<V>,
        {
            /// Remembers for this long that the loader found no value, so that it does not run again. The entry is kept next to
            /// the key, where readers of the key find nothing. Without it, a loader that finds no value runs each time.
            ///
            /// The template must declare `negative_ttl`, so that its writes know of the entry. A call can only shorten it; a
            /// longer time, or one for a template that declares none, is an
            /// [`InvalidInput`](crate::ErrorKind::InvalidInput) error.
            pub fn negative_ttl(mut self, time: Duration) -> Self {
                self.options().negative_ttl = Some(time).filter(|time| !time.is_zero());
                self
            }
        }
    };
}

negative!(Optional);
negative!(FallibleOptional);

impl<'l, S: Keyspace, V: SingleValue, L: Loader<V> + 'l> GetOrSet<'l, S, V, L> {
    async fn run(self) -> Result<Lookup<L::Value>, L::Failure> {
        let fetched = fetch(self.key, self.loader, self.options, self.spawn).await;
        finish::<V, L>(fetched).map(|(value, source)| Lookup { value, source })
    }
}

fn finish<V: SingleValue, L: Loader<V>>(
    fetched: Result<Known<V::Owned>, FillError<L::Error>>,
) -> Result<(L::Value, ValueSource), L::Failure> {
    let Known { value, source, .. } = fetched.map_err(L::failure)?;
    let value = L::value(value).map_err(|error| L::failure(error.into()))?;
    Ok((value, source))
}

impl<'l, S, V, L> IntoFuture for GetOrSet<'l, S, V, L>
where
    S: Keyspace,
    V: SingleValue,
    L: Loader<V> + 'l,
{
    type Output = Result<L::Value, L::Failure>;
    type IntoFuture = BoxFuture<'l, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let fetching = fetch(self.key, self.loader, self.options, self.spawn);
        Box::pin(async move { finish::<V, L>(fetching.await).map(|(value, _)| value) })
    }
}

impl<S, V: SingleValue, L> fmt::Debug for GetOrSet<'_, S, V, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrSet")
            .field("key", &self.key)
            .field("ttl", &self.options.as_ref().and_then(|options| options.ttl))
            .finish_non_exhaustive()
    }
}

/// A [`get_or_set`](Key::get_or_set) that also returns where the value came from: await it. See [`GetOrSet::lookup`].
#[must_use = "nothing is read or loaded unless it is awaited"]
pub struct GetOrSetLookup<'l, S, V: SingleValue, L>(GetOrSet<'l, S, V, L>);

impl<'l, S, V, L> IntoFuture for GetOrSetLookup<'l, S, V, L>
where
    S: Keyspace,
    V: SingleValue,
    L: Loader<V> + 'l,
{
    type Output = Result<Lookup<L::Value>, L::Failure>;
    type IntoFuture = BoxFuture<'l, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.0.run())
    }
}

impl<S, V: SingleValue, L> fmt::Debug for GetOrSetLookup<'_, S, V, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GetOrSetLookup").field(&self.0).finish()
    }
}
