//! The TTLs of the fields of hashes.

use std::borrow::Borrow;
use std::time::{Duration, SystemTime};

use super::base;
use super::docs::{reading, removing, taking};
use super::elements::EncodedElements;
use super::field_lifetimes::{self, FieldPersist, push_fields};
use super::hash_options::{Expiries, HExpire, HExpireOptions, HGetEx, HGetExOptions};
use crate::command::base::Command;
use crate::command::builder::Deferred;
use crate::command::collection::base::KeyOptions;
use crate::command::ttl::Ttl;
use crate::error::Result;
use crate::kind::{Hash, SingleValue};
use crate::protocol::{Args, Decode};
use crate::schema::{Key, Keyspace};
use crate::time::Expiry;

/// TTLs of the fields of hashes; see [`Hash`](struct@Hash). They need Redis 7.4 or Valkey 9.0;
/// [`hget_ex`](Key::hget_ex) needs Redis 8.0 or Valkey 9.0, and [`hget_del`](Key::hget_del) Redis
/// 8.0 or Valkey 9.1. Other servers report
/// [`MissingCommand`](crate::ErrorKind::MissingCommand).
impl<S: Keyspace, F: SingleValue, V: SingleValue> Key<S, Hash<F, V>> {
    /// Sets the TTL of fields. Returns what happened to each.
    ///
    /// A later `hset` of a field removes its TTL. A TTL of zero removes the field. The
    /// returned builder has conditions: [`only_if_none`](HExpire::only_if_none), ..
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { tokens: fn(user: u64) -> Hash<Text, Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use std::time::Duration;
    /// use redis_keyspace::command::FieldExpiry;
    ///
    /// let tokens = SessionKeys::tokens(7);
    /// tokens.hset("web", "secret").await?;
    /// let set = tokens.hexpire(["web", "app"], Duration::from_secs(60)).await?;
    /// assert_eq!(set, [FieldExpiry::Set, FieldExpiry::NoField]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "HEXPIRE")]
    #[doc(alias = "HPEXPIRE")]
    pub fn hexpire<B: Borrow<F::Borrowed>>(
        &self,
        fields: impl IntoIterator<Item = B>,
        ttl: Duration,
    ) -> HExpire<S, Hash<F, V>, Expiries> {
        expiring(self, base::each::<S, _, F, B>(self, fields), Expiry::After(ttl))
    }

    /// Sets the time at which fields expire. Returns what happened to each. A time in the past
    /// removes the field.
    ///
    /// The returned builder has conditions, as that of [`hexpire`](Self::hexpire).
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { tokens: fn(user: u64) -> Hash<Text, Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use std::time::{Duration, SystemTime};
    /// use redis_keyspace::command::FieldExpiry;
    ///
    /// let tokens = SessionKeys::tokens(7);
    /// tokens.hset("web", "secret").await?;
    /// let soon = SystemTime::now() + Duration::from_secs(60);
    /// assert_eq!(tokens.hexpire_at(["web"], soon).only_if_none().await?, [FieldExpiry::Set]);
    /// assert_eq!(tokens.hexpire_at(["web"], soon).only_if_none().await?, [FieldExpiry::Unmet]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "HEXPIREAT")]
    #[doc(alias = "HPEXPIREAT")]
    pub fn hexpire_at<B: Borrow<F::Borrowed>>(
        &self,
        fields: impl IntoIterator<Item = B>,
        time: SystemTime,
    ) -> HExpire<S, Hash<F, V>, Expiries> {
        expiring(self, base::each::<S, _, F, B>(self, fields), Expiry::At(time))
    }

    /// Returns the remaining TTLs of fields. [`Ttl::NoKey`] stands for a field that does not
    /// exist.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { tokens: fn(user: u64) -> Hash<Text, Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use std::time::Duration;
    /// use redis_keyspace::command::Ttl;
    ///
    /// let tokens = SessionKeys::tokens(7);
    /// tokens.hset("web", "secret").await?;
    /// assert_eq!(tokens.httl(["web", "app"]).await?, [Ttl::NoExpiry, Ttl::NoKey]);
    /// tokens.hexpire(["web"], Duration::from_secs(60)).await?;
    /// assert!(tokens.httl(["web"]).await?[0].remaining() > Some(Duration::from_secs(30)));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HTTL")]
    #[doc(alias = "HPTTL")]
    pub fn httl<B: Borrow<F::Borrowed>>(&self, fields: impl IntoIterator<Item = B>) -> Command<Vec<Ttl>> {
        asking(self, "HPTTL", base::each::<S, _, F, B>(self, fields), field_lifetimes::ttls)
    }

    /// Returns the times at which fields expire; `None` for a field that never does, or does not
    /// exist.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { tokens: fn(user: u64) -> Hash<Text, Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use std::time::{Duration, SystemTime, UNIX_EPOCH};
    ///
    /// let tokens = SessionKeys::tokens(7);
    /// tokens.hset("web", "secret").await?;
    /// let end = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    /// tokens.hexpire_at(["web"], end).await?;
    /// assert_eq!(tokens.hexpire_time(["web", "app"]).await?, [Some(end), None]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HEXPIRETIME")]
    #[doc(alias = "HPEXPIRETIME")]
    pub fn hexpire_time<B: Borrow<F::Borrowed>>(
        &self,
        fields: impl IntoIterator<Item = B>,
    ) -> Command<Vec<Option<SystemTime>>> {
        asking(self, "HPEXPIRETIME", base::each::<S, _, F, B>(self, fields), field_lifetimes::times)
    }

    /// Removes the TTLs of fields, so that they never expire by themselves. Returns what
    /// happened to each.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { tokens: fn(user: u64) -> Hash<Text, Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use std::time::Duration;
    /// use redis_keyspace::command::FieldPersist;
    ///
    /// let tokens = SessionKeys::tokens(7);
    /// tokens.hset("web", "secret").await?;
    /// tokens.hexpire(["web"], Duration::from_secs(60)).await?;
    /// assert_eq!(tokens.hpersist(["web"]).await?, [FieldPersist::Removed]);
    /// assert_eq!(tokens.hpersist(["web", "app"]).await?, [FieldPersist::NoExpiry, FieldPersist::NoField]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "HPERSIST")]
    pub fn hpersist<B: Borrow<F::Borrowed>>(
        &self,
        fields: impl IntoIterator<Item = B>,
    ) -> Command<Vec<FieldPersist>> {
        let fields = base::each::<S, _, F, B>(self, fields);
        let is_empty = fields.as_ref().is_ok_and(EncodedElements::is_empty);
        Command::removal_of(self, "HPERSIST", |args| listed(args, fields), field_lifetimes::persists)
            .unless(is_empty)
    }

    /// Returns the values of fields and changes their TTLs, for example for sessions that
    /// expire when they are not used. `None` for those that do not exist.
    ///
    /// The returned builder has the options: [`ttl`](HGetEx::ttl),
    /// [`expire_at`](HGetEx::expire_at),
    /// [`persist`](HGetEx::persist).
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { tokens: fn(user: u64) -> Hash<Text, Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use std::time::Duration;
    ///
    /// let tokens = SessionKeys::tokens(7);
    /// tokens.hset("web", "secret").await?;
    /// let values = tokens.hget_ex(["web", "app"]).ttl(Duration::from_secs(60)).await?;
    /// assert_eq!(values, [Some("secret".to_owned()), None]);
    /// assert!(tokens.httl(["web"]).await?[0].remaining().is_some());
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HGETEX")]
    pub fn hget_ex<B: Borrow<F::Borrowed>>(&self, fields: impl IntoIterator<Item = B>) -> HGetEx<S, F, V> {
        let options = HGetExOptions::new(base::each::<S, _, F, B>(self, fields));
        HGetEx(Deferred::Building(KeyOptions::new(self, options)))
    }

    /// Removes fields and returns their values; `None` for those that do not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "session", ttl = "1d")]
    /// # struct SessionKeys { tokens: fn(user: u64) -> Hash<Text, Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let tokens = SessionKeys::tokens(7);
    /// tokens.hset("web", "secret").await?;
    /// assert_eq!(tokens.hget_del(["web", "app"]).await?, [Some("secret".to_owned()), None]);
    /// assert!(!tokens.exists().await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "HGETDEL")]
    pub fn hget_del<B: Borrow<F::Borrowed>>(
        &self,
        fields: impl IntoIterator<Item = B>,
    ) -> Command<Vec<Option<V::Owned>>> {
        let fields = base::each::<S, _, F, B>(self, fields);
        let is_empty = fields.as_ref().is_ok_and(EncodedElements::is_empty);
        Command::removal_of(self, "HGETDEL", |args| listed(args, fields), field_lifetimes::values::<V>)
            .unless(is_empty)
    }
}

fn expiring<S: Keyspace, F: SingleValue, V: SingleValue>(
    key: &Key<S, Hash<F, V>>,
    fields: Result<EncodedElements>,
    expiry: Expiry,
) -> HExpire<S, Hash<F, V>, Expiries> {
    let options = HExpireOptions::new(fields, expiry, field_lifetimes::expiries);
    HExpire(Deferred::Building(KeyOptions::new(key, options)))
}

fn asking<S: Keyspace, V, T>(
    key: &Key<S, V>,
    command: &'static str,
    fields: Result<EncodedElements>,
    decode: Decode<T>,
) -> Command<T> {
    let is_empty = fields.as_ref().is_ok_and(EncodedElements::is_empty);
    Command::read_of(key, command, |args| listed(args, fields), decode).unless(is_empty)
}

fn listed(args: &mut Args, fields: Result<EncodedElements>) -> Result<()> {
    push_fields(args, fields?);
    Ok(())
}
