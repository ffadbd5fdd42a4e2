//! `PEXPIRE` with its options.

use std::time::{Duration, SystemTime};

use super::base::Command;
use super::builder::{Deferred, command_builder};
use super::key_options::{BuildOptions, KeyOptions};
use crate::kind::Kind;
use crate::protocol::{Args, read};
use crate::schema::{Key, Keyspace};
use crate::time::{millis, unix_millis};

/// A change of the TTL of a key, created by [`Key::expire`] and [`Key::expire_at`]. Await it,
/// or pass it to [`Redis::batch`](crate::Redis::batch).
///
/// There is one condition at most: a later one replaces it. Conditions need Redis 7.0.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct Expire<S: Keyspace, V: Kind>(Deferred<KeyOptions<S, V, ExpireOptions>, bool>);

struct ExpireOptions {
    end: ExpireEnd,
    condition: Option<&'static str>,
}

/// When the key expires.
#[derive(Clone, Copy)]
enum ExpireEnd {
    After(Duration),
    At(SystemTime),
}

impl<S: Keyspace, V: Kind> Key<S, V> {
    /// Sets the TTL, counted from now. Returns whether it was set: `false` if the key does not
    /// exist, or if a condition does not hold.
    ///
    /// The conditions are [`only_if_none`](Expire::only_if_none),
    /// [`extend_only`](Expire::extend_only) and [`shorten_only`](Expire::shorten_only).
    ///
    /// Zero deletes the key. Fractions of a millisecond are rounded up. Loads of the key that are
    /// in flight do not store their values, and its stale copy is deleted.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # use std::time::Duration;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// assert!(PageKeys::title(7).expire(Duration::from_secs(60)).await?);
    /// assert!(!PageKeys::title(8).expire(Duration::from_secs(60)).await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the TTL is longer than Redis supports;
    /// otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "PEXPIRE")]
    #[doc(alias = "EXPIRE")]
    pub fn expire(&self, lifetime: Duration) -> Expire<S, V> {
        let () = V::STORED;
        Expire::new(self, ExpireEnd::After(lifetime))
    }

    /// Sets the time at which the key expires. Returns whether it was set; see
    /// [`expire`](Self::expire). A time in the past deletes the key.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # use std::time::{Duration, SystemTime};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    /// assert!(PageKeys::title(7).expire_at(in_an_hour).await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the time is before 1970 or later than
    /// Redis supports; otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "PEXPIREAT")]
    #[doc(alias = "EXPIREAT")]
    pub fn expire_at(&self, time: SystemTime) -> Expire<S, V> {
        let () = V::STORED;
        Expire::new(self, ExpireEnd::At(time))
    }
}

impl<S: Keyspace, V: Kind> Expire<S, V> {
    fn new(key: &Key<S, V>, end: ExpireEnd) -> Self {
        Self(Deferred::Building(KeyOptions::new(key, ExpireOptions { end, condition: None })))
    }

    fn only_if(self, condition: &'static str) -> Self {
        let condition = Some(condition);
        Self(self.0.map(|options| options.with(|options| ExpireOptions { condition, ..options })))
    }

    /// Sets the TTL only if the key has none. Redis's `NX`.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # use std::time::Duration;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let title = PageKeys::title(7);
    /// title.set("A page").await?;
    /// assert!(!title.expire(Duration::from_secs(60)).only_if_none().await?);
    /// assert!(title.expire(Duration::from_secs(60)).shorten_only().await?);
    /// assert!(title.expire(Duration::from_secs(90)).extend_only().await?);
    /// # Ok(()) }).await }
    /// ```
    pub fn only_if_none(self) -> Self {
        self.only_if("NX")
    }

    /// Sets the TTL only if it ends later than the current one. A key that never expires is
    /// not changed. Redis's `GT`.
    pub fn extend_only(self) -> Self {
        self.only_if("GT")
    }

    /// Sets the TTL only if it ends earlier than the current one, or if the key never expires.
    /// Redis's `LT`.
    pub fn shorten_only(self) -> Self {
        self.only_if("LT")
    }
}

impl<S: Keyspace, V: Kind> BuildOptions<S, V> for ExpireOptions {
    type Output = bool;

    fn build(self, key: &Key<S, V>) -> Command<bool> {
        let Self { end, condition } = self;
        let (command, moment) = match end {
            ExpireEnd::After(lifetime) => ("PEXPIRE", millis(lifetime)),
            ExpireEnd::At(time) => ("PEXPIREAT", unix_millis(time)),
        };
        let fill = |args: &mut Args| {
            args.push_int(moment?);
            condition.into_iter().for_each(|condition| args.push(condition.as_bytes()));
            Ok(())
        };
        let command = Command::on_key(key, command, fill, read::boolean).ending_loads();
        match (end, condition) {
            // A key that a first run deleted does not exist for a second one, which would report
            // that. The same applies to a condition that a first run has changed.
            (ExpireEnd::After(lifetime), None) if !lifetime.is_zero() => command.repeatable(),
            _ => command,
        }
    }
}

command_builder!(Expire<S, V> => bool, where S: Keyspace, V: Kind);
