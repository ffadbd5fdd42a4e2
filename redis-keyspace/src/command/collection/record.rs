//! The operations of records.

use super::base;
use super::docs::{reading, removing, writing};
use super::records::{self, Incr};
use crate::command::base::Command;
use crate::kind::{
    Field, FieldKind, FieldSelection, FieldValue, FieldValues, FieldWriter, Record, RecordFields, Summable,
};
use crate::schema::{Key, Keyspace};

/// Operations of records; see [`Record`](struct@crate::Record).
impl<S: Keyspace, T: RecordFields> Key<S, Record<T>> {
    /// Returns the whole record; `None` if it does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Debug, PartialEq, Record)]
    /// # struct Profile { name: String, visits: u64 }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "30d")]
    /// # struct UserKeys { profile: fn(id: u64) -> Record<Profile> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let ann = Profile { name: "Ann".into(), visits: 1 };
    /// UserKeys::profile(7).save(&ann).await?;
    /// assert_eq!(UserKeys::profile(7).load().await?, Some(ann));
    /// assert_eq!(UserKeys::profile(8).load().await?, None);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// A record that exists but lacks a required field is a [`Decode`](crate::ErrorKind::Decode)
    /// error.
    #[doc = reading!()]
    #[doc(alias = "HGETALL")]
    pub fn load(&self) -> Command<Option<T>> {
        Command::read_of(self, "HGETALL", |_| Ok(()), records::loaded::<T>)
    }

    /// Stores the whole record, in one atomic step.
    ///
    /// A field that is `None` is removed. Fields that the struct does not have stay, and so does
    /// the TTL of a key that exists. A field with a declared TTL gets it again; any other
    /// TTL of a field ends. A record whose fields are all `None` has nothing to store: it does
    /// not exist then.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Record)]
    /// # struct Profile { name: String, email: Option<String> }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "30d")]
    /// # struct UserKeys { profile: fn(id: u64) -> Record<Profile> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// UserKeys::profile(7).save(&Profile { name: "Ann".into(), email: None }).await?;
    /// assert!(!UserKeys::profile(7).exists_field(Profile::EMAIL).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "HSET")]
    #[doc(alias = "HMSET")]
    pub fn save(&self, record: &T) -> Command<()> {
        let checks = self.checks();
        let mut fields = FieldWriter::new(checks.most, checks.verifies);
        let written = record.write_fields(&mut fields);
        records::write(self, written.map(|()| fields))
    }

    /// Returns the values of one or several fields; `None` for those that are absent, also if the
    /// record does not exist.
    ///
    /// Several fields are a tuple of up to 16, and so are their values.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Record)]
    /// # struct Profile { name: String, visits: u64 }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "30d")]
    /// # struct UserKeys { profile: fn(id: u64) -> Record<Profile> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let profile = UserKeys::profile(7);
    /// profile.save(&Profile { name: "Ann".into(), visits: 1 }).await?;
    /// let name: Option<String> = profile.get(Profile::NAME).await?;
    /// let (visits, name) = profile.get((Profile::VISITS, Profile::NAME)).await?;
    /// assert_eq!((visits, name.as_deref()), (Some(1), Some("Ann")));
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HGET")]
    #[doc(alias = "HMGET")]
    pub fn get<F: FieldSelection<T>>(&self, fields: F) -> Command<F::Values> {
        records::read(self, &fields)
    }

    /// Sets the value of a field. Its declared TTL starts again.
    ///
    /// If the record does not exist, it consists of this field then. Loading it fails until the
    /// other required fields are set.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Record)]
    /// # struct Profile { name: String, visits: u64 }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "30d")]
    /// # struct UserKeys { profile: fn(id: u64) -> Record<Profile> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// UserKeys::profile(7).set(Profile::NAME, "Ann").await?;
    /// assert_eq!(UserKeys::profile(7).get(Profile::NAME).await?.as_deref(), Some("Ann"));
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "HSET")]
    pub fn set<V: FieldKind>(
        &self,
        field: Field<T, V>,
        value: &<V::Value as FieldValue>::Borrowed,
    ) -> Command<()> {
        self.set_fields(field.to(value))
    }

    /// Sets the values of several fields, atomically, as a tuple of up to 16. Their declared
    /// TTLs start again.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Record)]
    /// # struct Profile { name: String, visits: u64 }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "30d")]
    /// # struct UserKeys { profile: fn(id: u64) -> Record<Profile> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// UserKeys::profile(7).set_fields((Profile::NAME.to("Ann"), Profile::VISITS.to(&1))).await?;
    /// assert_eq!(UserKeys::profile(7).load().await?.map(|profile| profile.visits), Some(1));
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "HSET")]
    pub fn set_fields(&self, values: impl FieldValues<T>) -> Command<()> {
        let checks = self.checks();
        let mut fields = FieldWriter::new(checks.most, checks.verifies);
        let written = values.write_values(&mut fields);
        records::write(self, written.map(|()| fields))
    }

    /// Adds to a field, which counts as 0 if it is absent. Returns the new value. For integers and
    /// `f64`. A TTL of the field stays as it is.
    ///
    /// If the record does not exist, it consists of this field then;
    /// [`only_if_present`](Incr::only_if_present) prevents that. A sum that does not fit the type
    /// of the field is an error, and the value stays.
    ///
    /// Not retried after a lost connection: it might add twice.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Record)]
    /// # struct Profile { name: String, visits: u64, score: f64 }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "30d")]
    /// # struct UserKeys { profile: fn(id: u64) -> Record<Profile> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let profile = UserKeys::profile(7);
    /// assert_eq!(profile.incr(Profile::VISITS, 1).only_if_present().await?, None);
    /// assert_eq!(profile.incr(Profile::VISITS, 2).await?, 2);
    /// assert_eq!(profile.incr(Profile::SCORE, 0.5).await?, 0.5);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "HINCRBY")]
    #[doc(alias = "HINCRBYFLOAT")]
    pub fn incr<V: FieldKind>(
        &self,
        field: Field<T, V>,
        amount: <V::Value as Summable>::Amount,
    ) -> Incr<S, T, V::Value, <V::Value as FieldValue>::Owned>
    where
        V::Value: Summable,
    {
        Incr::new(self, field.meta(), amount)
    }

    /// Removes a field that is an `Option`. Returns `false` if it was absent.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Record)]
    /// # struct Profile { name: String, email: Option<String> }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "30d")]
    /// # struct UserKeys { profile: fn(id: u64) -> Record<Profile> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// UserKeys::profile(7).set(Profile::EMAIL, "ann@example.com").await?;
    /// assert!(UserKeys::profile(7).remove(Profile::EMAIL).await?);
    /// assert!(!UserKeys::profile(7).remove(Profile::EMAIL).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = removing!()]
    #[doc(alias = "HDEL")]
    pub fn remove<V: FieldValue>(&self, field: Field<T, Option<V>>) -> Command<bool> {
        let names = field.meta().names();
        let fill = |args: &mut crate::protocol::Args| {
            names.for_each(|name| args.push(name.as_bytes()));
            Ok(())
        };
        Command::removal_of(self, "HDEL", fill, |request, replies| {
            base::size(request, replies).map(|removed| removed > 0)
        })
    }

    /// Returns whether a field has a value.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Record)]
    /// # struct Profile { name: String, email: Option<String> }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "30d")]
    /// # struct UserKeys { profile: fn(id: u64) -> Record<Profile> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// UserKeys::profile(7).set(Profile::NAME, "Ann").await?;
    /// assert!(UserKeys::profile(7).exists_field(Profile::NAME).await?);
    /// assert!(!UserKeys::profile(7).exists_field(Profile::EMAIL).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc = reading!()]
    #[doc(alias = "HEXISTS")]
    pub fn exists_field<V: FieldKind>(&self, field: Field<T, V>) -> Command<bool> {
        records::exists(self, field.meta())
    }
}
