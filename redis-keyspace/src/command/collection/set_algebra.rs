//! Sets from several sets: intersection, union and difference.

use std::collections::HashSet;
use std::hash::Hash as StdHash;
use std::marker::PhantomData;

use super::docs::{reading, storing};
use super::set::members;
use super::several::{self, SeveralKeys};
use crate::client::CallOptions;
use crate::command::base::Command;
use crate::command::builder::{CommandOptions, Deferred, command_builder};
use crate::kind::{Set, SingleValue};
use crate::protocol::{Args, KeyCount};
use crate::schema::{Key, Keyspace};

/// Operations on several sets; see [`Set`].
impl<S: Keyspace, T: SingleValue> Key<S, Set<T>> {
    /// Returns the members that are in all of these sets. Without keys, nothing is sent, and the
    /// result is empty.
    ///
    /// [`store`](SetCombine::store) keeps the result in another set. On a cluster, all sets must be in
    /// one slot.
    ///
    /// ```
    /// # use std::collections::HashSet;
    /// # use redis_keyspace::{Key, Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd_many([7, 8]).await?;
    /// RoomKeys::online(2).sadd_many([8, 9]).await?;
    /// let both = Key::sinter([RoomKeys::online(1), RoomKeys::online(2)]).await?;
    /// assert_eq!(both, HashSet::from([8]));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "SINTER")]
    #[doc(alias = "SINTERSTORE")]
    pub fn sinter(keys: impl IntoIterator<Item = Self>) -> SetCombine<S, T>
    where
        T::Owned: Eq + StdHash,
    {
        SetCombine::new(["SINTER", "SINTERSTORE"], keys)
    }

    /// Returns the members that are in any of these sets. Without keys, nothing is sent, and the
    /// result is empty.
    ///
    /// [`store`](SetCombine::store) keeps the result in another set. On a cluster, all sets must be in
    /// one slot.
    ///
    /// ```
    /// # use std::collections::HashSet;
    /// # use redis_keyspace::{Key, Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd(&7).await?;
    /// let any = Key::sunion([RoomKeys::online(1), RoomKeys::online(2)]).await?;
    /// assert_eq!(any, HashSet::from([7]));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "SUNION")]
    #[doc(alias = "SUNIONSTORE")]
    pub fn sunion(keys: impl IntoIterator<Item = Self>) -> SetCombine<S, T>
    where
        T::Owned: Eq + StdHash,
    {
        SetCombine::new(["SUNION", "SUNIONSTORE"], keys)
    }

    /// Returns the members of the first set that are in none of the others. Without keys, nothing
    /// is sent, and the result is empty.
    ///
    /// [`store`](SetCombine::store) keeps the result in another set. On a cluster, all sets must be in
    /// one slot.
    ///
    /// ```
    /// # use std::collections::HashSet;
    /// # use redis_keyspace::{Key, Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd_many([7, 8]).await?;
    /// RoomKeys::online(2).sadd(&8).await?;
    /// let only = Key::sdiff([RoomKeys::online(1), RoomKeys::online(2)]).await?;
    /// assert_eq!(only, HashSet::from([7]));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "SDIFF")]
    #[doc(alias = "SDIFFSTORE")]
    pub fn sdiff(keys: impl IntoIterator<Item = Self>) -> SetCombine<S, T>
    where
        T::Owned: Eq + StdHash,
    {
        SetCombine::new(["SDIFF", "SDIFFSTORE"], keys)
    }

    /// Returns how many members are in all of these sets, without returning them. Without keys,
    /// nothing is sent, and the result is 0.
    ///
    /// [`limit`](SetCard::limit) ends the search early. Needs Redis 7.0. On a cluster, all sets must
    /// be in one slot.
    ///
    /// ```
    /// # use redis_keyspace::{Key, Keyspace, Redis, Set};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "room", ttl = "1d")]
    /// # struct RoomKeys { online: fn(id: u64) -> Set<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1).sadd_many([7, 8, 9]).await?;
    /// RoomKeys::online(2).sadd_many([8, 9]).await?;
    /// let rooms = || [RoomKeys::online(1), RoomKeys::online(2)];
    /// assert_eq!(Key::sinter_card(rooms()).await?, 2);
    /// // Do they have a member in common?
    /// assert_eq!(Key::sinter_card(rooms()).limit(1).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "SINTERCARD")]
    pub fn sinter_card(keys: impl IntoIterator<Item = Self>) -> SetCard<S> {
        SetCard::new("SINTERCARD", keys)
    }
}

/// `SINTER`, `SUNION` or `SDIFF`, created by [`Key::sinter`] and similar methods. Await it, or pass
/// it to [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct SetCombine<S: Keyspace, T: SingleValue>(Deferred<CombineOptions<S, T>, HashSet<T::Owned>>);

struct CombineOptions<S, T> {
    /// The command that returns the members, and the command that stores them.
    commands: [&'static str; 2],
    keys: SeveralKeys,
    call: CallOptions,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: Keyspace, T: SingleValue> SetCombine<S, T>
where
    T::Owned: Eq + StdHash,
{
    fn new(commands: [&'static str; 2], keys: impl IntoIterator<Item = Key<S, Set<T>>>) -> Self {
        let keys = SeveralKeys::of(keys);
        let call = CallOptions::default();
        Self(Deferred::Building(CombineOptions { commands, keys, call, types: PhantomData }))
    }

    /// Stores the result in another set of the same keyspace instead of returning it. Returns its
    /// number of members.
    ///
    /// The result replaces what `to` was, whatever its type. `to` may be one of the sets. If the
    /// result is empty, `to` is deleted. Without keys to read, the command is an
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) error.
    ///
    /// ```
    /// # use redis_keyspace::{Key, Keyspace, Redis, Set};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "room", ttl = "1d")]
    /// struct RoomKeys {
    ///     #[key("{house}:{room}", hash_tag = house)]
    ///     online: fn(house: u64, room: u64) -> Set<u64>,
    ///     #[key("{house}:anywhere", hash_tag = house, ttl = "5m")]
    ///     anywhere: fn(house: u64) -> Set<u64>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// RoomKeys::online(1, 1).sadd_many([7, 8]).await?;
    /// RoomKeys::online(1, 2).sadd_many([8, 9]).await?;
    /// let rooms = [RoomKeys::online(1, 1), RoomKeys::online(1, 2)];
    /// assert_eq!(Key::sunion(rooms).store(&RoomKeys::anywhere(1)).await?, 3);
    /// # Ok(()) }).await }
    /// ```
    #[doc = storing!()]
    pub fn store(self, to: &Key<S, Set<T>>) -> Command<u64> {
        let to = to.clone();
        self.0.map(|options| CombineStore { options, to }).into_command()
    }
}

impl<S: Keyspace, T: SingleValue> CommandOptions for CombineOptions<S, T>
where
    T::Owned: Eq + StdHash,
{
    type Output = HashSet<T::Owned>;

    fn call(&mut self) -> &mut CallOptions {
        &mut self.call
    }

    fn finish(&mut self) -> Command<HashSet<T::Owned>> {
        let [command, _] = self.commands;
        let call = std::mem::take(&mut self.call);
        let keys = std::mem::take(&mut self.keys);
        keys.read::<S, _>(command, KeyCount::Implied, Ok(Args::default()), members::<T>).with_call(call)
    }
}

impl<S, T> std::fmt::Debug for CombineOptions<S, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("command", &self.commands[0]).finish_non_exhaustive()
    }
}

command_builder!(SetCombine<S, T> => HashSet<T::Owned>, where S: Keyspace, T: SingleValue, T::Owned: Eq + StdHash);

/// A combination of sets that is stored.
struct CombineStore<S, T> {
    options: CombineOptions<S, T>,
    to: Key<S, Set<T>>,
}

impl<S: Keyspace, T: SingleValue> CommandOptions for CombineStore<S, T> {
    type Output = u64;

    fn call(&mut self) -> &mut CallOptions {
        &mut self.options.call
    }

    fn finish(&mut self) -> Command<u64> {
        let [_, command] = self.options.commands;
        let call = std::mem::take(&mut self.options.call);
        let keys = std::mem::take(&mut self.options.keys);
        keys.store(command, &self.to, KeyCount::Implied, Ok(Args::default())).with_call(call)
    }
}

/// `SINTERCARD` or `ZINTERCARD` with its options, created by [`Key::sinter_card`] and
/// [`Key::zinter_card`]. Await it, or pass it to [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct SetCard<S: Keyspace>(Deferred<CardOptions<S>, u64>);

struct CardOptions<S> {
    command: &'static str,
    keys: SeveralKeys,
    limit: Option<u64>,
    call: CallOptions,
    keyspace: PhantomData<fn() -> S>,
}

impl<S: Keyspace> SetCard<S> {
    pub(super) fn new<V>(command: &'static str, keys: impl IntoIterator<Item = Key<S, V>>) -> Self {
        let keys = SeveralKeys::of(keys);
        let call = CallOptions::default();
        Self(Deferred::Building(CardOptions { command, keys, limit: None, call, keyspace: PhantomData }))
    }

    /// Stops counting at this number, which is then the result. With 0, nothing is sent.
    pub fn limit(self, most: u64) -> Self {
        Self(self.0.map(|options| CardOptions { limit: Some(most), ..options }))
    }
}

impl<S: Keyspace> CommandOptions for CardOptions<S> {
    type Output = u64;

    fn call(&mut self) -> &mut CallOptions {
        &mut self.call
    }

    fn finish(&mut self) -> Command<u64> {
        let mut args = Args::default();
        if let Some(limit) = self.limit {
            args.push(b"LIMIT");
            // The server takes a signed number.
            args.push_count(limit);
        }
        let call = std::mem::take(&mut self.call);
        let keys = std::mem::take(&mut self.keys);
        let card = keys.read::<S, _>(self.command, KeyCount::Sent, Ok(args), several::count).with_call(call);
        // To the server, 0 would mean no limit.
        card.unless(self.limit == Some(0))
    }
}

impl<S> std::fmt::Debug for CardOptions<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("command", &self.command).finish_non_exhaustive()
    }
}

command_builder!(SetCard<S> => u64, where S: Keyspace);
