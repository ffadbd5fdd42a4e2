//! Random members of sorted sets, and random fields of hashes.

use super::base::{self, BuildOptions, KeyOptions, elements};
use super::docs::reading;
use super::sorted_sets::pairs;
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::error::Result;
use crate::kind::{Hash, SingleValue, SortedSet};
use crate::protocol::{Args, Decode, Replies, Reply, Request};
use crate::schema::{Key, Keyspace};

/// Random members; see [`SortedSet`].
impl<S: Keyspace, T: SingleValue> Key<S, SortedSet<T>> {
    /// Returns a random member; `None` if the sorted set does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// GameKeys::scores(1).zadd(&7, 10.0).await?;
    /// assert_eq!(GameKeys::scores(1).zrandmember().await?, Some(7));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZRANDMEMBER")]
    pub fn zrandmember(&self) -> Command<Option<T::Owned>> {
        Command::read_of(self, "ZRANDMEMBER", |_| Ok(()), base::element::<T>)
    }

    /// Returns random members: up to `count` different ones or, if `count` is negative, exactly
    /// that many, with repetitions. With 0, nothing is sent.
    ///
    /// [`with_scores`](ZRandMembers::with_scores) also returns their scores.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = none)]
    /// # struct GameKeys { scores: fn(id: u32) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// GameKeys::scores(1).zadd_many([(7, 10.0), (8, 20.0)]).await?;
    /// assert_eq!(GameKeys::scores(1).zrandmembers(5).await?.len(), 2);
    /// assert_eq!(GameKeys::scores(1).zrandmembers(-5).with_scores().await?.len(), 5);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "ZRANDMEMBER")]
    pub fn zrandmembers(&self, count: i64) -> ZRandMembers<S, T, Vec<T::Owned>> {
        let options = RandomOptions { command: "ZRANDMEMBER", count, with: None, decode: elements::<T> };
        ZRandMembers(Deferred::Building(KeyOptions::new(self, options)))
    }
}

/// Random fields; see [`Hash`](struct@Hash).
impl<S: Keyspace, F: SingleValue, V: SingleValue> Key<S, Hash<F, V>> {
    /// Returns a random field; `None` if the hash does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// OrgKeys::flags(1).hset("beta", &true).await?;
    /// assert_eq!(OrgKeys::flags(1).hrandfield().await?.as_deref(), Some("beta"));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HRANDFIELD")]
    pub fn hrandfield(&self) -> Command<Option<F::Owned>> {
        Command::read_of(self, "HRANDFIELD", |_| Ok(()), base::element::<F>)
    }

    /// Returns random fields: up to `count` different ones or, if `count` is negative, exactly that
    /// many, with repetitions. With 0, nothing is sent.
    ///
    /// [`with_values`](HRandFields::with_values) also returns their values.
    ///
    /// ```
    /// # use redis_keyspace::{Hash, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "org", ttl = "1d")]
    /// # struct OrgKeys { flags: fn(id: u64) -> Hash<Text, bool> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// OrgKeys::flags(1).hset("beta", &true).await?;
    /// let fields = OrgKeys::flags(1).hrandfields(3).with_values().await?;
    /// assert_eq!(fields, [("beta".to_owned(), true)]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HRANDFIELD")]
    pub fn hrandfields(&self, count: i64) -> HRandFields<S, F, V, Vec<F::Owned>> {
        let options = RandomOptions { command: "HRANDFIELD", count, with: None, decode: elements::<F> };
        HRandFields(Deferred::Building(KeyOptions::new(self, options)))
    }
}

/// `ZRANDMEMBER` with its options, created by [`Key::zrandmembers`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct ZRandMembers<S: Keyspace, T: SingleValue, R: 'static>(
    Deferred<KeyOptions<S, SortedSet<T>, RandomOptions<R>>, R>,
);

/// `HRANDFIELD` with its options, created by [`Key::hrandfields`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
#[expect(clippy::type_complexity, reason = "it is the result of the operation")]
pub struct HRandFields<S: Keyspace, F: SingleValue, V: SingleValue, R: 'static>(
    Deferred<KeyOptions<S, Hash<F, V>, RandomOptions<R>>, R>,
);

struct RandomOptions<R> {
    command: &'static str,
    count: i64,
    /// What else is returned.
    with: Option<&'static str>,
    decode: Decode<R>,
}

impl<R> RandomOptions<R> {
    fn with<Q>(self, word: &'static str, decode: Decode<Q>) -> RandomOptions<Q> {
        RandomOptions { command: self.command, count: self.count, with: Some(word), decode }
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> ZRandMembers<S, T, R> {
    /// Returns each member with its score.
    pub fn with_scores(self) -> ZRandMembers<S, T, Vec<(T::Owned, f64)>> {
        ZRandMembers(self.0.map(|options| options.with(|options| options.with("WITHSCORES", pairs::<T>))))
    }
}

impl<S: Keyspace, F: SingleValue, V: SingleValue, R: 'static> HRandFields<S, F, V, R> {
    /// Returns each field with its value.
    #[expect(clippy::type_complexity, reason = "it is the result of the operation")]
    pub fn with_values(self) -> HRandFields<S, F, V, Vec<(F::Owned, V::Owned)>> {
        HRandFields(self.0.map(|options| options.with(|options| options.with("WITHVALUES", entries::<F, V>))))
    }
}

impl<S: Keyspace, K: crate::kind::Kind, R: 'static> BuildOptions<S, K> for RandomOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, K>) -> Command<R> {
        let fill = |args: &mut Args| {
            // The server rejects numbers whose double does not fit.
            args.push_int(self.count.clamp(-(i64::MAX >> 1), i64::MAX >> 1));
            self.with.into_iter().for_each(|word| args.push(word.as_bytes()));
            Ok(())
        };
        Command::read_of(key, self.command, fill, self.decode).unless(self.count == 0)
    }
}

command_builder!(ZRandMembers<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);
command_builder!(HRandFields<S, F, V, R> => R, where S: Keyspace, F: SingleValue, V: SingleValue, R: 'static);

/// Decodes fields with values: pairs in RESP3, one flat list in RESP2.
fn entries<F: SingleValue, V: SingleValue>(
    request: &Request,
    replies: Replies,
) -> Result<Vec<(F::Owned, V::Owned)>> {
    let mut flat = Vec::new();
    for part in base::list(base::answer(request, replies)?)? {
        match part {
            Reply::Array(pair) => flat.extend(pair),
            part => flat.push(part),
        }
    }
    let mut parts = flat.into_iter();
    let mut entries = Vec::with_capacity(parts.len() / 2);
    while let Some(field) = parts.next() {
        let value = parts.next().ok_or_else(|| base::unexpected("a value is missing"))?;
        entries.push((base::present::<F>(field)?, base::present::<V>(value)?));
    }
    Ok(entries)
}
