//! Keys of one template found by a scan: counted, read, deleted or given a lifetime.

mod fills;
mod matcher;
mod stream;
mod sweep;
mod target;
mod walk;

use std::fmt;
use std::time::Duration;

use matcher::Matcher;
pub use stream::{KeyMatch, Scan, Values};
pub use sweep::{Sweep, SweepError, SweepProgress};
use target::{ScanOptions, SweepTarget, Wanted};

use crate::client::Redis;
use crate::error::{Result, short_name};
use crate::key::{Companion, KeyArgument, KeyWriter};
use crate::kind::{Kind, Readable};
use crate::schema::{Keyspace, KeyspaceMeta, TemplateMeta, is_sweep_mark};

/// The keys of one template, with some of its arguments bound: `SessionKeys::session_keys().user(7)`. The derive
/// generates the constructor, named after the field, with a method for each argument.
///
/// Whatever is done with it reaches keys that parse back to the template with exactly the bound arguments, and nothing
/// else: an argument of `*` is the text `*`. Other keys that the server's glob lets through are skipped and counted.
///
/// The work goes page by page with `SCAN`, which does not hold up the server. As Redis has it, keys that are there from
/// beginning to end are found; those that come or go meanwhile may be. When the server restarts or is replaced meanwhile,
/// the scan starts anew on the one that is there then; only by a pool of the application's it can't know, and may pass over
/// keys. Of a cluster, the node that is talked to gives its own keys. With all arguments bound there is one key to ask for,
/// and no scan.
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
pub struct Pattern<S, V> {
    matcher: Matcher<S>,
    options: ScanOptions,
    types: std::marker::PhantomData<fn() -> V>,
}

impl<S: Keyspace, V> Pattern<S, V> {
    #[doc(hidden)]
    pub fn new(template: &'static TemplateMeta, index: usize) -> Self {
        Self {
            matcher: Matcher::new(template, index),
            options: ScanOptions::default(),
            types: std::marker::PhantomData,
        }
    }

    /// Binds the argument that fills the hole at `hole`.
    #[doc(hidden)]
    pub fn bind<A: KeyArgument + ?Sized>(mut self, hole: usize, argument: &A) -> Self {
        let mut writer = KeyWriter::new();
        writer.argument(argument);
        self.matcher.bind(hole, writer.finish());
        self
    }

    /// The keys on this server, whatever is installed or in scope.
    pub fn on(&self, redis: &Redis) -> Self {
        let mut on = self.clone();
        on.options.call.target = Some(redis.clone()).into();
        on
    }

    /// Gives each round trip a deadline of its own. The whole may take as long as it takes.
    pub fn timeout(&self, timeout: Duration) -> Self {
        let mut within = self.clone();
        within.options.call.timeout = Some(timeout);
        within
    }

    /// How many keys of the database the server looks at for one page (`COUNT`); 1000 unless stated, at least 1.
    pub fn page_size(&self, keys: u32) -> Self {
        let mut sized = self.clone();
        sized.options.page_size = keys.max(1);
        sized
    }

    /// Lets a key be given twice, which the server may do while its table of keys shrinks: then no key is remembered, and a
    /// scan, its values or a count take memory for a page, whatever the number of keys. Otherwise they take some 50 bytes
    /// for each key given.
    pub fn allow_repeats(&self) -> Self {
        let mut repeating = self.clone();
        repeating.options.repeats = true;
        repeating
    }

    /// The glob that the server is given, without an application namespace. It matches every key of the pattern, and may
    /// match others, which are skipped.
    #[must_use]
    pub fn glob(&self) -> String {
        self.matcher.glob()
    }
}

impl<S: Keyspace, V: Kind> Pattern<S, V> {
    /// The keys, as a stream. Each is given once, for which the stream remembers a hash of every key that it has given, some
    /// 50 bytes each; see [`allow_repeats`](Self::allow_repeats).
    ///
    /// A page of the database is one round trip. Dropping the stream ends the scan and leaves nothing on the server.
    pub fn scan(&self) -> Scan<S, V> {
        Scan::new(self.matcher.clone(), self.options.clone(), V::REDIS_TYPE)
    }

    /// How many keys there are. Goes through the whole database, page by page, as [`scan`](Self::scan) does, and remembers
    /// every key; with [`allow_repeats`](Self::allow_repeats) it does not, and may count one twice.
    ///
    /// # Errors
    ///
    /// Those of any command.
    pub async fn count(&self) -> Result<u64> {
        let (mut scan, mut count) = (self.scan(), 0);
        while scan.next().await.transpose()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Whether there is any such key. Stops at the first one; without one it goes through the whole database.
    ///
    /// # Errors
    ///
    /// Those of any command.
    pub async fn exists(&self) -> Result<bool> {
        Ok(self.scan().next().await.transpose()?.is_some())
    }

    /// Deletes the keys, a page at a time; see [`Sweep`] for dry runs, progress and stopping. `UNLINK` of a page and the
    /// `SCAN` of the next are one round trip, and no more than two pages of keys are held in memory.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { #[key("{user}:{device}")] session: fn(user: u64, device: &str) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// SessionKeys::session(7, "phone").set("a").await?;
    /// let would_go = SessionKeys::session_keys().user(7).delete().dry_run().await?;
    /// assert_eq!((would_go.matched, would_go.affected), (1, 0));
    /// let gone = SessionKeys::session_keys().user(7).delete().await?;
    /// assert_eq!(gone.affected, 1);
    /// # Ok(()) }).await }
    /// ```
    pub fn delete(&self) -> Sweep<'static> {
        Sweep::delete(self.target(), self.options.clone())
    }

    /// Sets the TTL of the keys, counted from when each is reached. Zero deletes them. Like [`expire`](crate::Key::expire) of
    /// each key, it ends loads in flight and deletes stale copies. See [`Sweep`].
    pub fn expire(&self, lifetime: Duration) -> Sweep<'static> {
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

impl<S: Keyspace, V: Readable> Pattern<S, V> {
    /// The keys with their values, as a stream: the values of a page and the `SCAN` of the next are one round trip. A key
    /// that goes between the two is left out; one whose value can't be decoded is an error, after which the stream goes on.
    /// The values of a page are in memory at once: of big ones, ask for [smaller pages](Self::page_size).
    pub fn values(&self) -> Values<S, V> {
        Values::new(self.scan())
    }
}

impl<S, V> Clone for Pattern<S, V> {
    fn clone(&self) -> Self {
        Self { matcher: self.matcher.clone(), options: self.options.clone(), types: std::marker::PhantomData }
    }
}

impl<S, V> fmt::Debug for Pattern<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&short_name(&self.matcher.glob())).finish()
    }
}

/// Deletes what a raw glob matches among the keys that start with the prefix of `S`: the generated `delete_pattern`.
#[doc(hidden)]
pub fn delete_pattern<S: Keyspace>(glob: &str) -> Sweep<'static> {
    delete_within(S::META, glob)
}

/// Deletes the keys of a keyspace that start with its prefix and match a raw glob.
pub(crate) fn delete_within(keyspace: &'static KeyspaceMeta, glob: &str) -> Sweep<'static> {
    let prefix = if keyspace.prefix().is_empty() { String::new() } else { format!("{}:", keyspace.prefix()) };
    let mut whole = String::new();
    matcher::escape_glob(&prefix, &mut whole);
    whole.push_str(glob);
    let target = SweepTarget {
        filter: Box::new(move |key| {
            key.starts_with(&prefix) && !is_sweep_mark(key) && !Companion::is_one(key)
        }),
        wanted: Wanted { glob: whole, only: None, redis_type: None, refusal: None },
        keyspace,
        template: None,
    };
    Sweep::delete(target, ScanOptions::default())
}
