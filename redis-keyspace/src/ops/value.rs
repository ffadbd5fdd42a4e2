//! What a key of one value can do.

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

    /// The `SET` of a value of another key of the same template, for several at once.
    pub(crate) fn set_packet(&self, value: &V::Borrowed) -> Result<crate::command::Packet, Error> {
        let mut packet = crate::command::Packet::new("SET", crate::command::Keys::One(self.text()));
        packet.args.push_with(|out| V::encode(value, out)).map_err(Error::encode)?;
        Expiry::from(self.template().lifetime()).push_for_set(&mut packet.args)?;
        Ok(packet)
    }
}
