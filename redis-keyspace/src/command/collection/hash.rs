//! The operations of hashes.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash as StdHash;

use super::base::{self, KeyOptions, elements};
use super::docs::{reading, removing, writing};
use super::elements::EncodedElements;
use super::hash_options::{HSet, HSetMany, HSetManyOptions, HSetOptions};
use super::records;
use crate::command::base::Command;
use crate::command::builder::Deferred;
use crate::error::{Error, Result};
use crate::kind::{Hash, SingleValue, Summable};
use crate::protocol::{Args, FieldIncrement, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// Operations of hashes; see [`Hash`](struct@Hash).
impl<S: Keyspace, F: SingleValue, V: SingleValue> Key<S, Hash<F, V>> {
    /// Sets the value of a field. Returns whether the field is new.
    ///
    /// With [`only_if_absent`](HSet::only_if_absent), sets only a field that does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(OrgKeys::flags(1).hset("beta", &true).await?);
    /// assert!(!OrgKeys::flags(1).hset("beta", &false).await?);
    /// assert!(!OrgKeys::flags(1).hset("beta", &true).only_if_absent().await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "HSET")]
    pub fn hset(&self, field: &F::Borrowed, value: &V::Borrowed) -> HSet<S, F, V> {
        let options = HSetOptions::new(entry::<S, F, V>(self, field, value));
        HSet(Deferred::Building(KeyOptions::new(self, options)))
    }

    /// Sets the values of several fields, atomically. Returns how many fields are new; 0 if there
    /// are no fields, and nothing is sent then.
    ///
    /// Thousands of fields are sent as several commands in one transaction. The returned builder
    /// has options that need a newer server: [`field_ttl`](HSetMany::field_ttl),
    /// [`only_if_no_field`](HSetMany::only_if_no_field), ..
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(OrgKeys::flags(1).hset_many([("alpha", false), ("beta", true)]).await?, 2);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "HSET")]
    #[doc(alias = "HMSET")]
    #[doc(alias = "HSETEX")]
    pub fn hset_many<B: Borrow<F::Borrowed>, C: Borrow<V::Borrowed>>(
        &self,
        entries: impl IntoIterator<Item = (B, C)>,
    ) -> HSetMany<S, F, V, u64> {
        let entries = EncodedElements::encode(entries, |(field, value), args| {
            push_entry::<S, F, V>(self, field.borrow(), value.borrow(), args)
        });
        HSetMany(Deferred::Building(KeyOptions::new(self, HSetManyOptions::new(entries))))
    }

    /// Returns the value of a field; `None` if it does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(OrgKeys::flags(1).hget("beta").await?, None);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HGET")]
    pub fn hget(&self, field: &F::Borrowed) -> Command<Option<V::Owned>> {
        let field = base::one::<S, _, F>(self, field);
        Command::read_of(self, "HGET", |args| base::append(args, field), base::element::<V>)
    }

    /// Returns the values of several fields, in their order; `None` for those that do not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// OrgKeys::flags(1).hset("beta", &true).await?;
    /// assert_eq!(OrgKeys::flags(1).hget_many(["alpha", "beta"]).await?, [None, Some(true)]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HMGET")]
    pub fn hget_many<B: Borrow<F::Borrowed>>(
        &self,
        fields: impl IntoIterator<Item = B>,
    ) -> Command<Vec<Option<V::Owned>>> {
        let fields = base::each::<S, _, F, B>(self, fields);
        Command::read_of_many(self, "HMGET", fields, base::optional_elements::<V>)
    }

    /// Returns all fields with their values; an empty map if the hash does not exist.
    ///
    /// A large hash keeps the server busy and makes all other commands wait.
    ///
    /// ```
    /// # use std::collections::HashMap;
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// OrgKeys::flags(1).hset("beta", &true).await?;
    /// assert_eq!(OrgKeys::flags(1).hget_all().await?, HashMap::from([("beta".to_owned(), true)]));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HGETALL")]
    pub fn hget_all(&self) -> Command<HashMap<F::Owned, V::Owned>>
    where
        F::Owned: Eq + StdHash,
    {
        Command::read_of(self, "HGETALL", |_| Ok(()), entries::<F, V>)
    }

    /// Returns all fields, in no order.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// OrgKeys::flags(1).hset("beta", &true).await?;
    /// assert_eq!(OrgKeys::flags(1).hkeys().await?, ["beta"]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HKEYS")]
    pub fn hkeys(&self) -> Command<Vec<F::Owned>> {
        Command::read_of(self, "HKEYS", |_| Ok(()), elements::<F>)
    }

    /// Returns the values of all fields, in no order.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// OrgKeys::flags(1).hset("beta", &true).await?;
    /// assert_eq!(OrgKeys::flags(1).hvals().await?, [true]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HVALS")]
    pub fn hvals(&self) -> Command<Vec<V::Owned>> {
        Command::read_of(self, "HVALS", |_| Ok(()), elements::<V>)
    }

    /// Returns the number of fields; 0 if the hash does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(OrgKeys::flags(1).hlen().await?, 0);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HLEN")]
    pub fn hlen(&self) -> Command<u64> {
        Command::read_of(self, "HLEN", |_| Ok(()), base::size)
    }

    /// Returns whether a field exists.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(!OrgKeys::flags(1).hexists("beta").await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HEXISTS")]
    pub fn hexists(&self, field: &F::Borrowed) -> Command<bool> {
        let field = base::one::<S, _, F>(self, field);
        Command::read_of(self, "HEXISTS", |args| base::append(args, field), base::flag)
    }

    /// Returns the length of the encoded value of a field in bytes; 0 if it does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { names: fn(id: u64) -> Hash<u64, Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// OrgKeys::names(1).hset(&7, "Ann").await?;
    /// assert_eq!(OrgKeys::names(1).hstrlen(&7).await?, 3);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HSTRLEN")]
    pub fn hstrlen(&self, field: &F::Borrowed) -> Command<u64> {
        let field = base::one::<S, _, F>(self, field);
        Command::read_of(self, "HSTRLEN", |args| base::append(args, field), base::size)
    }

    /// Removes a field. Returns `false` if it did not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert!(!OrgKeys::flags(1).hdel("beta").await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "HDEL")]
    pub fn hdel(&self, field: &F::Borrowed) -> Command<bool> {
        let field = base::one::<S, _, F>(self, field);
        Command::removal_of(self, "HDEL", |args| base::append(args, field), base::flag)
    }

    /// Removes fields. Returns how many existed; 0 if there are no fields, and nothing is sent
    /// then.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// OrgKeys::flags(1).hset("beta", &true).await?;
    /// assert_eq!(OrgKeys::flags(1).hdel_many(["alpha", "beta"]).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "HDEL")]
    pub fn hdel_many<B: Borrow<F::Borrowed>>(&self, fields: impl IntoIterator<Item = B>) -> Command<u64> {
        Command::removal_of_many(self, "HDEL", base::each::<S, _, F, B>(self, fields), base::size)
    }
}

/// Operations of hashes of integers; see [`Hash`](struct@Hash).
impl<S: Keyspace, F: SingleValue, V: SingleValue<Owned = V> + Summable<Amount = i64>> Key<S, Hash<F, V>> {
    /// Adds to the value of a field, which counts as 0 if it does not exist. Returns the new value.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { visits: fn(id: u64) -> Hash<Text, i64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(OrgKeys::visits(1).hincr_by("home", 2).await?, 2);
    /// assert_eq!(OrgKeys::visits(1).hincr_by("home", -1).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// Not retried after a lost connection: it might add twice. If the sum does not fit the type,
    /// or exceeds 64 bits, the command fails, and nothing is changed.
    #[doc = writing!()]
    #[doc(alias = "HINCRBY")]
    pub fn hincr_by(&self, field: &F::Borrowed, amount: i64) -> Command<V> {
        let field = base::one::<S, _, F>(self, field);
        if let (Ok(field), true) = (&field, V::may_exceed(amount)) {
            let names: Vec<&[u8]> = field.iter().collect();
            let text = V::amount_text(amount);
            let increment = text.as_deref().map_err(Error::clone).map(|amount| FieldIncrement {
                command: V::COMMAND,
                amount,
                limits: V::LIMITS,
                only_if_present: false,
                ttl: None,
                names: &names,
            });
            return records::increment_of(self, V::COMMAND, increment, sum::<V>);
        }
        let args = field.map(|mut args| {
            args.push_int(amount);
            args
        });
        Command::write_of(self, V::COMMAND, args, sum::<V>)
    }
}

fn entry<S: Keyspace, F: SingleValue, V: SingleValue>(
    key: &Key<S, Hash<F, V>>,
    field: &F::Borrowed,
    value: &V::Borrowed,
) -> Result<Args> {
    let mut args = Args::with_room(base::usual_length::<F>() + base::usual_length::<V>());
    push_entry::<S, F, V>(key, field, value, &mut args)?;
    Ok(args)
}

fn push_entry<S: Keyspace, F: SingleValue, V: SingleValue>(
    key: &Key<S, Hash<F, V>>,
    field: &F::Borrowed,
    value: &V::Borrowed,
    args: &mut Args,
) -> Result<()> {
    base::push::<S, _, F>(key, field, args)?;
    base::push::<S, _, V>(key, value, args)
}

fn entries<F: SingleValue, V: SingleValue>(
    request: &Request,
    replies: Replies,
) -> Result<HashMap<F::Owned, V::Owned>>
where
    F::Owned: Eq + StdHash,
{
    let mut parts = base::list(base::answer(request, replies)?)?.into_iter();
    let mut entries = HashMap::with_capacity(parts.len() / 2);
    while let Some(field) = parts.next() {
        let value = parts.next().ok_or_else(|| base::unexpected("a value is missing"))?;
        entries.insert(base::present::<F>(field)?, base::present::<V>(value)?);
    }
    Ok(entries)
}

/// Decodes a sum. A script returns large ones as text.
fn sum<V: SingleValue<Owned = V>>(_: &Request, replies: Replies) -> Result<V> {
    match read::one(replies)? {
        Reply::Bulk(text) => V::decode(&text),
        reply => V::decode(read::to_int(reply)?.to_string().as_bytes()),
    }
    .map_err(Error::decode)
}
