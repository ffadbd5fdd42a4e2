//! A fill with its options.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use super::error::FillError;
use super::fill::{Fetched, fetch};
use super::job::{Spawn, spawn};
use super::loader::{FallibleOptional, Loader, Optional};
use super::lookup::{GetOrSetLookup, Lookup, Source};
use super::policy::{Options, part};
use crate::Redis;
use crate::command::OnUnavailable;
use crate::key::Key;
use crate::keyspace::Keyspace;
use crate::kind::SingleValue;

/// A [`get_or_set`](Key::get_or_set), or another one of its family, with its options: await it.
///
/// Most options can be declared for a keyspace or a template instead, under the same names:
/// `#[keyspace(.., stale_for = "1h", ttl_jitter = "10%")]`. What a call states rules.
///
/// # Cancellation
///
/// Dropping the future drops the loader's with it; whether a value that was loaded gets stored is then open, and callers who
/// wait for it load for themselves, the next one first. A loader that has a task of its own goes on.
#[must_use = "nothing is read or loaded unless it is awaited"]
pub struct GetOrSet<'l, S, V: SingleValue, L> {
    key: Key<S, V>,
    loader: L,
    /// Where a call states any: most don't.
    options: Option<Box<Options<V::Owned>>>,
    spawn: Option<Spawn<S, V, L>>,
    /// For how long what the loader borrows is there.
    borrows: PhantomData<&'l ()>,
}

impl<'l, S: Keyspace, V: SingleValue, L: Loader<V>> GetOrSet<'l, S, V, L> {
    pub(crate) fn new(key: Key<S, V>, loader: L) -> Self {
        Self { key, loader, options: None, spawn: None, borrows: PhantomData }
    }

    fn options(&mut self) -> &mut Options<V::Owned> {
        let key = &self.key;
        self.options.get_or_insert_with(|| Box::new(Options::of(key.template(), key.redis())))
    }

    /// A lifetime other than the template's for a value that is loaded.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options().ttl = Some(ttl);
        self
    }

    /// A lifetime that is chosen from what was loaded: that of a token which says when it ends, a short one for a list that is
    /// empty. Of a value whose lifetime is zero, nothing is stored.
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
    /// assert!(TokenKeys::user(7).ttl().await?.left() <= Some(Duration::from_secs(60)));
    /// # Ok(()) }).await }
    /// ```
    pub fn ttl_by(mut self, ttl: impl Fn(&V::Owned) -> Duration + Send + Sync + 'static) -> Self {
        self.options().ttl_by = Some(Box::new(ttl));
        self
    }

    /// Shortens each lifetime at random, by this part of it at most (0.1 for a tenth), so that what was loaded at once is not
    /// gone at once. A lifetime is never longer than stated.
    pub fn ttl_jitter(mut self, jitter: f64) -> Self {
        self.options().jitter = part(jitter);
        self
    }

    /// Keeps a copy of what is loaded for this long beyond its lifetime. When the value is gone, one caller loads it anew, and all
    /// others are given the copy; so is that one when the loader fails or takes longer than its timeouts.
    ///
    /// The copy is kept beside the key, not at it: whoever reads the key, by [`get`](Key::get) or by another program, finds
    /// a plain value with its plain lifetime, and nothing afterwards. It takes the memory of the value once more. Whatever writes,
    /// deletes or [`expire`](Key::expire)s the key by this library deletes the copy, a `set` that is not done because of its
    /// condition too. For 30 days at most, lifetime included. A template with `ttl = none` has none: its values don't end.
    ///
    /// When Redis itself is away, the process gives what it has seen of the key no longer ago than this, if it has and has not
    /// written the key since; what others have written it can't know. With [`OnUnavailable::Miss`], the loader is asked before
    /// that. The process keeps 16 MiB of such values at most, and none above 1 MiB.
    pub fn stale_for(mut self, time: Duration) -> Self {
        self.options().stale_for = Some(time).filter(|time| !time.is_zero());
        self
    }

    /// Has a value that is read after this part of its lifetime loaded anew, by one caller: at 0.8, during the last fifth. That
    /// one waits for it, unless it is done [in the background](Self::in_background); others are given what is there. If the
    /// loader fails, so is that one.
    ///
    /// The part is of the lifetime that [`ttl_by`](Self::ttl_by) gives for the value, or else [`ttl`](Self::ttl) or the template.
    /// A template with `ttl = none` has none. A hit costs a command more, in the same round trip.
    pub fn early_refresh(mut self, after: f64) -> Self {
        self.options().early_refresh = Some(part(after));
        self
    }

    /// Has processes load once together: one loads, and the others look every now and then whether it is done, at most a tenth
    /// of a second apart. Should that process end, another one goes on after five seconds, or half a minute if its caller had not
    /// asked for this. Without it, each process loads once.
    ///
    /// A loader that in turn waits for a key which another process loads, whose loader waits for this one's, waits for ever; a
    /// [hard timeout](Self::hard_timeout) ends that.
    pub fn across_processes(mut self) -> Self {
        self.options().across_processes = true;
        self
    }

    /// Whether callers of this process who miss the key at the same time share one load; they do unless this says
    /// otherwise.
    pub fn coalesce(mut self, coalesces: bool) -> Self {
        self.options().coalesces = coalesces;
        self
    }

    /// Loads the value whatever is there, and stores it in the place of that. A load of another caller's that began before is
    /// not waited for, and stores nothing any more. What is written to the key while the loader runs stays.
    pub fn refresh(mut self) -> Self {
        self.options().refreshes = true;
        self
    }

    /// Limits how long the loader may take, and waiting for another caller's. After it the loader is dropped and the call gives
    /// something [stale](Self::stale_for), or fails: with [`LoaderTimeout`](crate::ErrorKind::LoaderTimeout), or
    /// [`FillError::TimedOut`](crate::FillError::TimedOut).
    pub fn hard_timeout(mut self, limit: Duration) -> Self {
        self.options().hard_timeout = Some(limit);
        self
    }

    /// Tells where the value came from as well.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Source, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1h")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let title = || async { "A page".to_owned() };
    /// assert_eq!(PageKeys::title(7).get_or_set(title).lookup().await?.source, Source::Filled);
    /// assert_eq!(PageKeys::title(7).get_or_set(title).lookup().await?.source, Source::Hit);
    /// # Ok(()) }).await }
    /// ```
    pub fn lookup(self) -> GetOrSetLookup<'l, S, V, L> {
        GetOrSetLookup(self)
    }

    /// Runs it on this server, whatever is installed or in scope.
    pub fn on(mut self, redis: &Redis) -> Self {
        self.options().redis = Some(redis.clone());
        self
    }

    /// What it comes to when Redis is away, whatever the keyspace declares: an error before the loader has run, or,
    /// for a miss, what the loader gives, which is stored nowhere.
    pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
        self.options().on_unavailable = Some(answer);
        self
    }

    /// Gives each of its commands a deadline of its own. The loader is not limited by it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options().timeout = Some(timeout);
        self
    }
}

/// What takes a task of its own, so that the loader may not borrow.
impl<S: Keyspace, V: SingleValue, L: Loader<V> + 'static> GetOrSet<'_, S, V, L> {
    /// With something to give meanwhile, a [stale copy](Self::stale_for) or what is there still, has the loader run in a task of
    /// its own, and nobody wait for it. There it may take five minutes, unless its [hard timeout](Self::hard_timeout) is stated.
    pub fn in_background(self) -> Self {
        self.soft_timeout(Duration::ZERO)
    }

    /// With a [stale copy](Self::stale_for) to give instead, or what is there still, waits this long for the loader at most; then it goes on in a task
    /// of its own.
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
            /// Remembers for this long that the loader has found no value, so that it is not asked again: beside the key, where
            /// readers of the key find nothing. Without it, a loader that finds none is asked each time.
            pub fn negative_ttl(mut self, time: Duration) -> Self {
                self.options().negative_ttl = Some(time);
                self
            }
        }
    };
}

negative!(Optional);
negative!(FallibleOptional);

impl<'l, S: Keyspace, V: SingleValue, L: Loader<V> + 'l> GetOrSet<'l, S, V, L> {
    pub(super) async fn run(self) -> Result<Lookup<L::Value>, L::Failure> {
        let fetched = fetch(self.key, self.loader, self.options, self.spawn).await;
        finish::<V, L>(fetched).map(|(value, source)| Lookup { value, source })
    }
}

fn finish<V: SingleValue, L: Loader<V>>(
    fetched: Result<Fetched<V::Owned>, FillError<L::Error>>,
) -> Result<(L::Value, Source), L::Failure> {
    let Fetched { value, source } = fetched.map_err(L::failure)?;
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
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'l>>;

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
