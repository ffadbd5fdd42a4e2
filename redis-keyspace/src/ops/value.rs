//! What a key of one value can do.

use crate::cache::GetOrSet;
use crate::cache::TryGetOrSet;
use crate::command::{Command, GetEx, Set, reply};
use crate::error::Error;
use crate::expiry::Expiry;
use crate::key::Key;
use crate::keyspace::Keyspace;
use crate::kind::SingleValue;

/// What a key of one value can do: `Json<T>`, `Text`, `Bytes`, integers, `bool`. One round trip each, unless said
/// otherwise.
impl<S: Keyspace, V: SingleValue> Key<S, V> {
    /// Reads the value; `None` when there is none.
    ///
    /// Fails with [`Decode`](crate::ErrorKind::Decode) when what is there is no value of this kind.
    pub fn get(&self) -> Command<Option<V::Owned>> {
        Command::on_key(self, "GET", |_| Ok(()), reply::value::<V>).repeatable().reading()
    }

    /// Stores a value, with the lifetime that the template declares, in one command. Options are methods on what
    /// this gives: [`ttl`](Set::ttl), [`keep_ttl`](Set::keep_ttl), [`only_if_absent`](Set::only_if_absent), ..
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "1h")]
    /// # struct UserKeys { name: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// UserKeys::name(7).set("Ada").await?;
    /// let stored = UserKeys::name(7).set("Bob").ttl(Duration::from_secs(60)).only_if_absent().await?;
    /// assert!(!stored);
    /// # Ok(()) }).await }
    /// ```
    pub fn set(&self, value: &V::Borrowed) -> Set<S, V, ()> {
        Set::new(self, value)
    }

    /// Stores a value as [`set`](Self::set) does, and gives the one that was there before.
    pub fn get_set(&self, value: &V::Borrowed) -> Set<S, V, Option<V::Owned>> {
        Set::new(self, value).returning_old()
    }

    /// Takes the value away: reads it and deletes the key. If its connection is lost on the way, it is not tried again: the value might
    /// be gone already.
    #[doc(alias = "take")]
    pub fn get_del(&self) -> Command<Option<V::Owned>> {
        Command::on_key(self, "GETDEL", |_| Ok(()), reply::value::<V>).ending_fills(true)
    }

    /// Reads the value and gives it its template's lifetime anew: a session that lives as long as it is used.
    pub fn get_ex(&self) -> GetEx<S, V> {
        GetEx::new(self)
    }

    /// The length of the stored value in bytes; 0 when there is none.
    pub fn strlen(&self) -> Command<u64> {
        Command::on_key(self, "STRLEN", |_| Ok(()), reply::count).repeatable()
    }

    /// Reads the value; when there is none, or one that can't be decoded, runs the loader and stores what it gives.
    ///
    /// Callers of this process who miss the key at the same time share one load: the first runs its loader, and all get the
    /// value, read back from its bytes. Should that one fail, panic or be dropped, the next one loads. A loader that waits for
    /// another key's, which waits for this one's, waits for ever.
    ///
    /// One round trip on a hit, two on a miss, three on what can't be decoded. No connection is held while the loader
    /// runs. What was stored meanwhile stays. When what was loaded can't be stored, its callers get it all the same, and
    /// [`stats`](crate::Redis::stats) count it.
    ///
    /// ```
    /// # use redis_keyspace::{Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "product", ttl = 300)]
    /// # struct ProductKeys { names: Json<Vec<String>> }
    /// # async fn query_the_database() -> Vec<String> { vec!["lamp".into()] }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let names = ProductKeys::names().get_or_set(|| query_the_database()).await?;
    /// assert_eq!(names, ["lamp"]);
    /// assert!(ProductKeys::names().exists().await?);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// For a loader that can fail there is [`try_get_or_set`](Self::try_get_or_set).
    pub fn get_or_set<'l, F, Fut>(&self, loader: F) -> GetOrSet<'l, S, V, F>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = V::Owned> + Send + 'l,
    {
        GetOrSet::new(self.clone(), loader)
    }

    /// Like [`get_or_set`](Self::get_or_set) with a loader that can fail; nothing is stored then.
    pub fn try_get_or_set<'l, F, Fut, E>(&self, loader: F) -> TryGetOrSet<'l, S, V, F>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = Result<V::Owned, E>> + Send + 'l,
        E: Send,
    {
        TryGetOrSet::new(self.clone(), loader)
    }

    /// The `SET` of a value of another key of the same template, for several at once.
    pub(crate) fn set_packet(&self, value: &V::Borrowed) -> Result<crate::command::Packet, Error> {
        let mut packet = crate::command::Packet::new("SET", crate::command::Keys::One(self.text()));
        packet.args.push_with(|out| V::encode(value, out)).map_err(Error::encode)?;
        Expiry::from(self.template().lifetime()).push_for_set(&mut packet.args)?;
        Ok(packet)
    }
}
