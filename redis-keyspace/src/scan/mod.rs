//! Scans for the keys of one template: count, read, delete or expire them.

mod fills;
mod matcher;
mod members;
mod nodes;
mod seen;
mod stream;
mod sweep;
mod target;
mod walk;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use matcher::Matcher;
pub use members::{HScan, SScan, ZScan};
pub use stream::{KeyMatch, Scan, Values};
pub use sweep::{Sweep, SweepError, SweepProgress};
use target::{PatternOptions, SweepTarget, Wanted};

use crate::client::{Binding, CallOptions, Redis};
use crate::error::{Result, short_name};
use crate::key::{Companion, KeyArgument, KeyWriter, without_generation};
use crate::kind::{Kind, Readable};
use crate::schema::{Keyspace, KeyspaceMeta, TemplateMeta, is_sweep_mark};

/// The keys of one template, with some of its arguments bound:
/// `SessionKeys::session_keys().user(7)`.
///
/// The derive generates the constructor, which is named after the field, and a method for each
/// argument.
///
/// A pattern with no bound argument contains every key of the template. It can be scanned and
/// counted. To delete or expire all its keys, write `.all()`:
/// `SessionKeys::session_keys().all().delete()`.
///
/// Operations on a pattern reach only keys that parse back to the template with exactly the bound
/// arguments. An argument of `*` is the text `*`. Other keys that the glob of the pattern matches
/// are skipped and counted.
///
/// The operations use `SCAN`, page by page, which does not block the server. As with `SCAN` itself,
/// keys that exist during the whole scan are found; keys that are created or deleted meanwhile may
/// or may not be. If the server restarts or is replaced during a scan, the scan starts again on the
/// new server. With a pool of the application, a restart can't be detected, and keys may be missed.
/// On a [cluster](crate::guide::cluster#scans), a scan visits every master, and slots that move
/// meanwhile are read again. Before and after that, it asks each master which slots it serves, in
/// one round trip. If all arguments are bound, the operation looks up that one key and does not
/// scan.
///
/// ```
/// # use redis_keyspace::{Keyspace, Redis, Text};
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "session", ttl = "1d")]
/// pub struct SessionKeys {
///     #[key("{user}:{device}")]
///     session: fn(user: u64, device: &str) -> Text,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// SessionKeys::session(7, "phone").set("a").await?;
/// SessionKeys::session(7, "desk*").set("b").await?;
/// SessionKeys::session(8, "phone").set("c").await?;
///
/// let mut scan = SessionKeys::session_keys().user(7).scan();
/// while let Some(found) = scan.next().await.transpose()? {
///     let ParsedSessionKeys::Session { user, device } = found.arguments();
///     println!("{user} on {device}: {}", found.key());
/// }
/// assert_eq!(SessionKeys::session_keys().device("desk*").count().await?, 1);
/// assert_eq!(SessionKeys::session_keys().user(7).delete().await?.affected, 2);
/// assert_eq!(SessionKeys::session_keys().count().await?, 1);
/// # Ok(()) }).await }
/// ```
#[must_use = "a pattern does nothing by itself: call an operation on it and await that"]
pub struct Pattern<S, V, B = Restricted> {
    matcher: Matcher<S>,
    options: PatternOptions,
    types: PhantomData<fn() -> (V, B)>,
}

/// Marks a [`Pattern`] that contains every key of its template, because none of its arguments is
/// bound.
#[derive(Debug)]
pub enum Unrestricted {}

/// Marks a [`Pattern`] that has a bound argument, or on which [`all`](Pattern::all) was called.
#[derive(Debug)]
pub enum Restricted {}

/// A pattern whose keys may be deleted. It contains all keys of its template only after `.all()`,
/// so that a forgotten argument does not delete them all.
#[diagnostic::on_unimplemented(
    message = "this pattern contains every key of its template",
    label = "bind an argument first, as in `..user_keys().user(7)`, or write `.all()`",
    note = "`CartKeys::user_keys().user(7).delete()` deletes the keys of one user; `CartKeys::user_keys().all().delete()` deletes the keys of all users"
)]
#[doc(hidden)]
pub trait SaysWhichKeys {}

impl SaysWhichKeys for Restricted {}

impl<S: Keyspace, V> Pattern<S, V, Unrestricted> {
    #[doc(hidden)]
    pub fn new(template: &'static TemplateMeta, index: usize) -> Self {
        Self {
            matcher: Matcher::new(template, index),
            options: PatternOptions::default(),
            types: PhantomData,
        }
    }

    /// Returns the pattern of all keys of the template, which can be deleted and expired.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { #[key("{user}:{device}")] session: fn(user: u64, device: &str) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SessionKeys::session(7, "phone").set("a").await?;
    /// SessionKeys::session(8, "phone").set("b").await?;
    /// assert_eq!(SessionKeys::session_keys().all().delete().await?.affected, 2);
    /// # Ok(()) }).await }
    /// ```
    pub fn all(&self) -> Pattern<S, V> {
        self.clone().restricted()
    }
}

impl<S: Keyspace, V, B> Pattern<S, V, B> {
    /// The template and the bound arguments.
    pub(crate) fn matcher(&self) -> &Matcher<S> {
        &self.matcher
    }

    /// The server, and the timeout of each round trip.
    pub(crate) fn call(&self) -> CallOptions {
        self.options.call()
    }

    fn restricted(self) -> Pattern<S, V> {
        Pattern { matcher: self.matcher, options: self.options, types: PhantomData }
    }

    /// Binds the argument of the placeholder at index `hole`.
    #[doc(hidden)]
    pub fn bind<A: KeyArgument + ?Sized>(mut self, hole: usize, argument: &A) -> Pattern<S, V> {
        let mut writer = KeyWriter::new();
        writer.argument(argument);
        self.matcher.bind(hole, writer.finish());
        self.restricted()
    }

    /// Sets the handle to run on, overriding the installed or scoped one.
    pub fn on(&self, redis: &Redis) -> Self {
        let mut on = self.clone();
        on.options.on = Some(redis.as_pinned());
        on
    }

    /// Sets the timeout of each round trip. It does not limit the operation as a whole.
    pub fn timeout(&self, timeout: Duration) -> Self {
        let mut within = self.clone();
        within.options.timeout = Some(timeout);
        within
    }

    /// Sets how many keys of the database the server examines for one page (`COUNT`). The default
    /// is 1000, the minimum 1.
    pub fn page_size(&self, keys: u32) -> Self {
        let mut sized = self.clone();
        sized.options.page_size = keys.max(1);
        sized
    }

    /// Allows keys to be returned twice, which the server may do while its hash table shrinks.
    ///
    /// With this option, no key is remembered, so a scan, its values or a count need memory only
    /// for one page. Without it, they need about 50 bytes for each key that they return.
    pub fn allow_repeats(&self) -> Self {
        let mut repeating = self.clone();
        repeating.options.repeats = true;
        repeating
    }

    /// Returns the glob that is sent to the server, without the application namespace. It matches
    /// every key of the pattern. Other keys that it matches are skipped.
    #[must_use]
    pub fn glob(&self) -> String {
        self.matcher.glob()
    }
}

impl<S: Keyspace, V: Kind, B> Pattern<S, V, B> {
    /// Returns the keys as a stream, each key once.
    ///
    /// To return each key once, the stream remembers a hash of every key, about 50 bytes each; see
    /// [`allow_repeats`](Self::allow_repeats). This call does no I/O.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { #[key("{user}:{device}")] session: fn(user: u64, device: &str) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SessionKeys::session(7, "phone").set("a").await?;
    /// let mut scan = SessionKeys::session_keys().user(7).scan();
    /// while let Some(found) = scan.next().await.transpose()? {
    ///     assert_eq!(found.key(), &SessionKeys::session(7, "phone"));
    /// }
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// The stream yields the errors of any command, and then ends.
    ///
    /// # Cancellation
    ///
    /// Dropping the stream ends the scan and leaves nothing on the server.
    ///
    /// # Round trips
    ///
    /// One for each page of the database.
    pub fn scan(&self) -> Scan<S, V> {
        let () = V::STORED;
        Scan::new(self.matcher.clone(), self.options.of_scan(), V::REDIS_TYPE)
    }

    /// Returns the number of keys.
    ///
    /// Scans the whole database, page by page, and remembers every key, as [`scan`](Self::scan)
    /// does. With [`allow_repeats`](Self::allow_repeats) it remembers none, and may count a key
    /// twice.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { #[key("{user}:{device}")] session: fn(user: u64, device: &str) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SessionKeys::session(7, "phone").set("a").await?;
    /// SessionKeys::session(8, "phone").set("b").await?;
    /// assert_eq!(SessionKeys::session_keys().count().await?, 2);
    /// assert_eq!(SessionKeys::session_keys().user(7).count().await?, 1);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the scan and leaves nothing on the server.
    ///
    /// # Round trips
    ///
    /// One for each page of the database; one in all if all arguments are bound.
    pub async fn count(&self) -> Result<u64> {
        let (mut scan, mut count) = (self.scan(), 0);
        while scan.next().await.transpose()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Returns whether any such key exists. Stops at the first key that it finds; if none exists,
    /// it scans the whole database.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { #[key("{user}:{device}")] session: fn(user: u64, device: &str) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(!SessionKeys::session_keys().user(7).exists().await?);
    /// SessionKeys::session(7, "phone").set("a").await?;
    /// assert!(SessionKeys::session_keys().user(7).exists().await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the scan and leaves nothing on the server.
    ///
    /// # Round trips
    ///
    /// One for each page of the database, up to the first key.
    pub async fn exists(&self) -> Result<bool> {
        Ok(self.scan().next().await.transpose()?.is_some())
    }

    /// Deletes the keys, page by page. If no argument is bound, write [`all`](Pattern::all) first.
    /// [`Sweep`] has the options for dry runs, progress and
    /// stopping.
    ///
    /// At most two pages of keys are held in memory.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { #[key("{user}:{device}")] session: fn(user: u64, device: &str) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SessionKeys::session(7, "phone").set("a").await?;
    /// let preview = SessionKeys::session_keys().user(7).delete().dry_run().await?;
    /// assert_eq!((preview.matched, preview.affected), (1, 0));
    /// let deleted = SessionKeys::session_keys().user(7).delete().await?;
    /// assert_eq!(deleted.affected, 1);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// A [`SweepError`], which contains the progress before the error.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops after the current round trip; some keys may already be deleted.
    /// See [`Sweep`].
    ///
    /// # Round trips
    ///
    /// As for [`Sweep`].
    pub fn delete(&self) -> Sweep<'static>
    where
        B: SaysWhichKeys,
    {
        let () = V::STORED;
        Sweep::delete(self.target(), self.options.clone())
    }

    /// Sets the TTL of the keys, counted from when each key is reached. Zero deletes them. If no
    /// argument is bound, write [`all`](Pattern::all) first.
    ///
    /// Like [`Key::expire`](crate::Key::expire) on each key, it ends loads in flight and deletes
    /// stale copies. [`Sweep`] has the options.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # use std::time::Duration;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { #[key("{user}:{device}")] session: fn(user: u64, device: &str) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SessionKeys::session(7, "phone").set("a").await?;
    /// let expired = SessionKeys::session_keys().user(7).expire(Duration::from_secs(60)).await?;
    /// assert_eq!(expired.affected, 1);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// A [`SweepError`], which contains the progress before the error. Its kind is
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the TTL is longer than Redis supports.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops after the current round trip; some keys may already have the TTL.
    /// See [`Sweep`].
    ///
    /// # Round trips
    ///
    /// As for [`Sweep`].
    pub fn expire(&self, lifetime: Duration) -> Sweep<'static>
    where
        B: SaysWhichKeys,
    {
        let () = V::STORED;
        Sweep::expire(lifetime, self.target(), self.options.clone())
    }

    fn target(&self) -> SweepTarget {
        let matcher = self.matcher.clone();
        SweepTarget {
            filter: Box::new(move |key| matcher.arguments(key).is_some()),
            wanted: self.matcher.wanted(V::REDIS_TYPE),
            keyspace: S::META,
            template: Some(self.matcher.template()),
        }
    }
}

impl<S: Keyspace, V: Readable, B> Pattern<S, V, B> {
    /// Returns the keys with their values, as a stream.
    ///
    /// A key that is deleted before its value is read is left out. The values of a page are in
    /// memory at once, so use [smaller pages](Self::page_size) for large values. This call does no
    /// I/O.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { #[key("{user}:{device}")] session: fn(user: u64, device: &str) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SessionKeys::session(7, "phone").set("a").await?;
    /// let mut values = SessionKeys::session_keys().user(7).values();
    /// while let Some((found, value)) = values.next().await.transpose()? {
    ///     assert_eq!((found.key().as_str(), value.as_str()), ("session:7:phone", "a"));
    /// }
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// The stream yields the errors of any command, and then ends. A value that can't be decoded is
    /// a [`Decode`](crate::ErrorKind::Decode) error, after which the stream continues.
    ///
    /// # Cancellation
    ///
    /// Dropping the stream ends the scan and leaves nothing on the server.
    ///
    /// # Round trips
    ///
    /// One for each page of the database, and one more for the values of the last page. The values
    /// of a page and the `SCAN` of the next page share a round trip.
    pub fn values(&self) -> Values<S, V> {
        Values::new(self.scan())
    }
}

impl<S, V, B> Clone for Pattern<S, V, B> {
    fn clone(&self) -> Self {
        Self { matcher: self.matcher.clone(), options: self.options.clone(), types: PhantomData }
    }
}

impl<S, V, B> fmt::Debug for Pattern<S, V, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&short_name(&self.matcher.glob())).finish()
    }
}

/// Deletes the keys that start with the prefix of `S` and match a raw glob: the generated
/// `delete_pattern`.
#[doc(hidden)]
pub fn delete_pattern<S: Keyspace>(glob: &str) -> Sweep<'static> {
    delete_within(S::META, glob, |_| true)
}

/// Deletes all keys of a keyspace. Without a prefix, these are the keys that it can make.
pub(crate) fn delete_all(keyspace: &'static KeyspaceMeta, binding: Arc<Binding>) -> Sweep<'static> {
    let has_prefix = !keyspace.prefix().is_empty();
    let is_own = move |key: &str| has_prefix || keyspace.template_of(without_generation(key)).is_some();
    delete_within(keyspace, "*", is_own).within(binding)
}

/// Deletes the keys of a keyspace that start with its prefix, match a raw glob, and pass a filter.
fn delete_within(
    keyspace: &'static KeyspaceMeta,
    glob: &str,
    filter: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> Sweep<'static> {
    let prefix = if keyspace.prefix().is_empty() { String::new() } else { format!("{}:", keyspace.prefix()) };
    let mut whole = String::new();
    matcher::escape_glob(&prefix, &mut whole);
    whole.push_str(glob);
    let target = SweepTarget {
        filter: Box::new(move |key| {
            key.starts_with(&prefix) && !is_sweep_mark(key) && !Companion::is_companion(key) && filter(key)
        }),
        wanted: Wanted { glob: whole, only: None, redis_type: None, refusal: None },
        keyspace,
        template: None,
    };
    Sweep::delete(target, PatternOptions::default())
}
