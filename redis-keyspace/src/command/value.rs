//! The operations of single values.

use super::base::Command;
use super::get_ex::GetEx;
use super::set::Set;
use crate::kind::SingleValue;
use crate::protocol::read;
use crate::schema::{Key, Keyspace};

/// Operations of single values: `Json<T>`, `Text`, `Bytes`, integers, `bool`. One round trip each.
impl<S: Keyspace, V: SingleValue> Key<S, V> {
    /// Reads the value; `None` if the key does not exist.
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the stored value is not of this kind, and those of any command.
    pub fn get(&self) -> Command<Option<V::Owned>> {
        Command::on_key(self, "GET", |_| Ok(()), read::value::<V>).repeatable().reading()
    }

    /// Stores a value with the TTL that the template declares. Options are methods of the builder that it returns:
    /// [`ttl`](Set::ttl), [`keep_ttl`](Set::keep_ttl), [`only_if_absent`](Set::only_if_absent), ..
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

    /// Stores a value like [`set`](Self::set), and returns the previous one.
    pub fn get_set(&self, value: &V::Borrowed) -> Set<S, V, Option<V::Owned>> {
        Set::new(self, value).returning_old()
    }

    /// Reads the value and deletes the key. Not retried after a lost connection: the first attempt may have deleted the value.
    #[doc(alias = "take")]
    pub fn get_del(&self) -> Command<Option<V::Owned>> {
        Command::on_key(self, "GETDEL", |_| Ok(()), read::value::<V>).ending_fills(true)
    }

    /// Reads the value and renews its TTL, for sessions that live as long as they are used.
    pub fn get_ex(&self) -> GetEx<S, V> {
        GetEx::new(self)
    }

    /// Returns the length of the stored value in bytes; 0 if the key does not exist.
    pub fn strlen(&self) -> Command<u64> {
        Command::on_key(self, "STRLEN", |_| Ok(()), read::count).repeatable()
    }
}
