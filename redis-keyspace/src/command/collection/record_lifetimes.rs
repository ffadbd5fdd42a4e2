//! The TTLs of the fields of records.

use std::time::{Duration, SystemTime};

use super::docs::{reading, removing};
use super::elements::EncodedElements;
use super::field_lifetimes::{self, FieldExpiry, FieldPersist, push_fields};
use super::hash_options::{HExpire, HExpireOptions};
use crate::command::base::Command;
use crate::command::builder::Deferred;
use crate::command::collection::base::KeyOptions;
use crate::command::ttl::Ttl;
use crate::error::Result;
use crate::kind::{Field, FieldKind, FieldMeta, Record, RecordFields};
use crate::protocol::{Args, Replies, Request};
use crate::schema::{Key, Keyspace};
use crate::time::Expiry;

/// TTLs of single fields of records; see [`Record`](struct@crate::Record). They need Redis 7.4
/// or Valkey 9.0. Other servers report [`MissingCommand`](crate::ErrorKind::MissingCommand).
impl<S: Keyspace, T: RecordFields> Key<S, Record<T>> {
    /// Sets the TTL of a field, until the next write of the field. A TTL of zero removes
    /// the field. For a TTL that every write sets, declare `#[record(ttl = "1h")]`.
    ///
    /// The returned builder has conditions: [`only_if_none`](HExpire::only_if_none), ..
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Record)]
    /// # struct Session { user: u64, token: Option<String> }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "login", ttl = "1d")]
    /// # struct SessionKeys { session: fn(id: u64) -> Record<Session> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use std::time::Duration;
    /// use redis_keyspace::command::FieldExpiry;
    ///
    /// let session = SessionKeys::session(1);
    /// session.set(Session::TOKEN, "secret").await?;
    /// let set = session.expire_field(Session::TOKEN, Duration::from_secs(60)).await?;
    /// assert_eq!(set, FieldExpiry::Set);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "HEXPIRE")]
    #[doc(alias = "HPEXPIRE")]
    pub fn expire_field<V: FieldKind>(
        &self,
        field: Field<T, V>,
        ttl: Duration,
    ) -> HExpire<S, Record<T>, FieldExpiry> {
        expiring(self, field.meta(), Expiry::After(ttl))
    }

    /// Sets the time at which a field expires, until the next write of the field. A time in the
    /// past removes the field.
    ///
    /// The returned builder has conditions, as that of [`expire_field`](Self::expire_field).
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Record)]
    /// # struct Session { user: u64, token: Option<String> }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "login", ttl = "1d")]
    /// # struct SessionKeys { session: fn(id: u64) -> Record<Session> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use std::time::{Duration, SystemTime};
    /// use redis_keyspace::command::FieldExpiry;
    ///
    /// let session = SessionKeys::session(1);
    /// let soon = SystemTime::now() + Duration::from_secs(60);
    /// assert_eq!(session.expire_field_at(Session::TOKEN, soon).await?, FieldExpiry::NoField);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "HEXPIREAT")]
    #[doc(alias = "HPEXPIREAT")]
    pub fn expire_field_at<V: FieldKind>(
        &self,
        field: Field<T, V>,
        time: SystemTime,
    ) -> HExpire<S, Record<T>, FieldExpiry> {
        expiring(self, field.meta(), Expiry::At(time))
    }

    /// Returns the remaining TTL of a field. [`Ttl::NoKey`] stands for a field that does not
    /// exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Record)]
    /// # struct Session { user: u64, token: Option<String> }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "login", ttl = "1d")]
    /// # struct SessionKeys { session: fn(id: u64) -> Record<Session> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use redis_keyspace::command::Ttl;
    ///
    /// let session = SessionKeys::session(1);
    /// session.set(Session::TOKEN, "secret").await?;
    /// assert_eq!(session.field_ttl(Session::TOKEN).await?, Ttl::NoExpiry);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HTTL")]
    #[doc(alias = "HPTTL")]
    pub fn field_ttl<V: FieldKind>(&self, field: Field<T, V>) -> Command<Ttl> {
        let meta = field.meta();
        Command::read_of(
            self,
            "HPTTL",
            |args| listed(args, meta),
            |request, replies| {
                let ttls = field_lifetimes::ttls(request, replies)?;
                Ok(ttls.into_iter().find(|ttl| *ttl != Ttl::NoKey).unwrap_or(Ttl::NoKey))
            },
        )
    }

    /// Returns the time at which a field expires; `None` if it never does, or does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Record)]
    /// # struct Session { user: u64, token: Option<String> }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "login", ttl = "1d")]
    /// # struct SessionKeys { session: fn(id: u64) -> Record<Session> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// let session = SessionKeys::session(1);
    /// session.set(Session::TOKEN, "secret").await?;
    /// let end = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    /// session.expire_field_at(Session::TOKEN, end).await?;
    /// assert_eq!(session.field_expire_time(Session::TOKEN).await?, Some(end));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HEXPIRETIME")]
    #[doc(alias = "HPEXPIRETIME")]
    pub fn field_expire_time<V: FieldKind>(&self, field: Field<T, V>) -> Command<Option<SystemTime>> {
        let meta = field.meta();
        Command::read_of(
            self,
            "HPEXPIRETIME",
            |args| listed(args, meta),
            |request, replies| Ok(field_lifetimes::times(request, replies)?.into_iter().flatten().next()),
        )
    }

    /// Removes the TTL of a field, so that it never expires by itself, until the next write of
    /// a field with a declared TTL.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Record)]
    /// # struct Session { user: u64, token: Option<String> }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "login", ttl = "1d")]
    /// # struct SessionKeys { session: fn(id: u64) -> Record<Session> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use redis_keyspace::command::FieldPersist;
    ///
    /// let session = SessionKeys::session(1);
    /// session.set(Session::TOKEN, "secret").await?;
    /// assert_eq!(session.persist_field(Session::TOKEN).await?, FieldPersist::NoExpiry);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "HPERSIST")]
    pub fn persist_field<V: FieldKind>(&self, field: Field<T, V>) -> Command<FieldPersist> {
        let meta = field.meta();
        Command::removal_of(
            self,
            "HPERSIST",
            |args| listed(args, meta),
            |request, replies| {
                let persisted = field_lifetimes::persists(request, replies)?;
                let first = persisted.into_iter().find(|outcome| *outcome != FieldPersist::NoField);
                Ok(first.unwrap_or(FieldPersist::NoField))
            },
        )
    }
}

fn expiring<S: Keyspace, T: RecordFields>(
    key: &Key<S, Record<T>>,
    meta: &'static FieldMeta,
    expiry: Expiry,
) -> HExpire<S, Record<T>, FieldExpiry> {
    let options = HExpireOptions::new(names(meta), expiry, expired);
    HExpire(Deferred::Building(KeyOptions::new(key, options)))
}

/// The outcome under the name that the field has.
fn expired(request: &Request, replies: Replies) -> Result<FieldExpiry> {
    let expiries = field_lifetimes::expiries(request, replies)?;
    let first = expiries.into_iter().find(|outcome| *outcome != FieldExpiry::NoField);
    Ok(first.unwrap_or(FieldExpiry::NoField))
}

/// The name of a field and its earlier names.
fn names(meta: &FieldMeta) -> Result<EncodedElements> {
    EncodedElements::encode(meta.names(), |name, args| {
        args.push(name.as_bytes());
        Ok(())
    })
}

fn listed(args: &mut Args, meta: &FieldMeta) -> Result<()> {
    push_fields(args, names(meta)?);
    Ok(())
}
