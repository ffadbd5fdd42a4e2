//! Atomic updates of records.

use std::collections::HashMap;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::FutureExt;

use super::attempts::{ATTEMPTS, Attempts, take_turn};
use super::change::Change;
use crate::client::{
    Binding, CallOptions, Observed, Subject, call_options, missing_command, naming_types, run,
};
use crate::command::{all_fields, change_field, decode_record};
use crate::error::{Error, Result};
use crate::key::Companion;
use crate::kind::{FieldWriter, Record, RecordFields};
use crate::protocol::{
    ExpectedFields, FieldChanges, KeyLifetime, Keys, Packet, Reply, Request, ScriptCall, read, record_call,
    record_script,
};
use crate::schema::{Key, Keyspace};
use crate::time::{Deadline, Expiry, check_lifetime};

/// Atomic updates of records: a change is stored only if the fields still have the values that were
/// read.
impl<S: Keyspace, T: RecordFields> Key<S, Record<T>> {
    /// Changes the record atomically. Returns the new record, or `None` if it does not exist; then
    /// nothing is stored.
    ///
    /// `change` receives the record that was read. If another writer changes a field of the struct
    /// before the result is stored, `change` runs again with the current record. It can run several
    /// times, so it should have no side effects. Tasks that update the same key take turns, if they
    /// are on one tokio runtime and their handles have the same configuration.
    ///
    /// Only the fields that changed are written. All others keep their values and TTLs, and so
    /// do fields that the struct does not have. The key keeps its remaining TTL, unless the
    /// template declares `renew = "write"` or [`ttl`](UpdateRecord::ttl) sets another one.
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
    /// assert!(profile.update(|profile| profile.visits += 1).await?.is_none());
    /// profile.save(&Profile { name: "Ann".into(), visits: 1 }).await?;
    /// let ann = profile.update(|profile| profile.visits *= 10).await?;
    /// assert_eq!(ann.map(|ann| ann.visits), Some(10));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if other writers were faster on every attempt,
    /// [`Decode`](crate::ErrorKind::Decode) if the record can't be decoded, and those of any
    /// command. After an error with a [lost connection](Error::is_connection_lost), the change may
    /// or may not be stored.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, the change may or may not be stored. It is never stored in part.
    ///
    /// # Round trips
    ///
    /// Two, plus one for each conflict, and one if the server does not know the script yet. One if
    /// there is nothing to store.
    pub fn update<'f>(
        &self,
        mut change: impl FnMut(&mut T) + Send + 'f,
    ) -> UpdateRecord<'f, S, T, Option<T>> {
        let decide = move |there: Option<T>| match there {
            None => Change::Keep,
            Some(mut record) => {
                change(&mut record);
                Change::Set(record)
            }
        };
        UpdateRecord::new(self, Box::new(decide), Ok)
    }

    /// Like [`update`](Self::update), but changes the result of `default` if the record does not
    /// exist. Returns the new record. A record that did not exist before gets the TTL of the
    /// template.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # #[derive(Default, Record)]
    /// # struct Profile { name: String, visits: u64 }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "30d")]
    /// # struct UserKeys { profile: fn(id: u64) -> Record<Profile> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let profile = UserKeys::profile(7);
    /// let ann = profile.update_or_insert(Profile::default, |profile| profile.visits += 1).await?;
    /// assert_eq!(ann.visits, 1);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update).
    ///
    /// # Cancellation
    ///
    /// As for [`update`](Self::update).
    ///
    /// # Round trips
    ///
    /// As for [`update`](Self::update).
    pub fn update_or_insert<'f>(
        &self,
        mut default: impl FnMut() -> T + Send + 'f,
        mut change: impl FnMut(&mut T) + Send + 'f,
    ) -> UpdateRecord<'f, S, T, T> {
        let decide = move |there: Option<T>| {
            let mut record = there.unwrap_or_else(&mut default);
            change(&mut record);
            Change::Set(record)
        };
        UpdateRecord::new(self, Box::new(decide), |record| {
            record.ok_or_else(|| Error::protocol("an update that stores a record returned none"))
        })
    }

    /// Like [`update`](Self::update), but `decide` chooses whether to store a record, delete the
    /// key, or leave it unchanged. Returns the record that the key has afterwards.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Record, Redis};
    /// # use redis_keyspace::update::Change;
    /// # #[derive(Record)]
    /// # struct Profile { name: String, visits: u64 }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "30d")]
    /// # struct UserKeys { profile: fn(id: u64) -> Record<Profile> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let profile = UserKeys::profile(7);
    /// profile.save(&Profile { name: "Ann".into(), visits: 1 }).await?;
    /// let left = profile.update_with(|profile| match profile {
    ///     Some(profile) if profile.visits < 2 => Change::Delete,
    ///     _ => Change::Keep,
    /// });
    /// assert!(left.await?.is_none());
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update).
    ///
    /// # Cancellation
    ///
    /// As for [`update`](Self::update).
    ///
    /// # Round trips
    ///
    /// As for [`update`](Self::update).
    pub fn update_with<'f>(
        &self,
        decide: impl FnMut(Option<T>) -> Change<T> + Send + 'f,
    ) -> UpdateRecord<'f, S, T, Option<T>> {
        UpdateRecord::new(self, Box::new(decide), Ok)
    }
}

type DecideRecord<'f, T> = Box<dyn FnMut(Option<T>) -> Change<T> + Send + 'f>;

/// An update of a record with its options. Await it.
///
/// Created by `update`, `update_or_insert` and `update_with` of a key of a
/// [`Record`](struct@crate::Record):
///
/// - `update(|record| ..)` changes a record that exists;
/// - `update_or_insert(default, |record| ..)` creates one that does not;
/// - `update_with(|record| ..)` decides with a [`Change`] whether to store, delete or keep it.
///
/// The change is stored only if all fields of the struct still have the values that were read.
/// Otherwise, the function runs again with the current record. Only the fields that changed are
/// written.
///
/// ```
/// # use redis_keyspace::{Keyspace, Record, Redis};
/// # #[derive(Default, Record)]
/// # struct Profile { name: String, visits: u64 }
/// # #[derive(Keyspace)]
/// # #[keyspace(prefix = "user", ttl = "30d")]
/// # struct UserKeys { profile: fn(id: u64) -> Record<Profile> }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let profile = UserKeys::profile(7);
/// profile.update_or_insert(Profile::default, |profile| profile.visits += 1).await?;
/// let updated = profile.update(|profile| profile.visits *= 10).attempts(5).await?;
/// assert_eq!(updated.map(|profile| profile.visits), Some(10));
/// # Ok(()) }).await }
/// ```
#[must_use = "nothing is read or written unless it is awaited"]
pub struct UpdateRecord<'f, S, T, R> {
    key: Key<S, Record<T>>,
    decide: DecideRecord<'f, T>,
    finish: fn(Option<T>) -> Result<R>,
    ttl: Option<Duration>,
    attempts: u32,
    options: CallOptions,
}

/// The fields of a hash.
type HashFields = HashMap<Bytes, Bytes>;

impl<'f, S: Keyspace, T: RecordFields, R> UpdateRecord<'f, S, T, R> {
    fn new(key: &Key<S, Record<T>>, decide: DecideRecord<'f, T>, finish: fn(Option<T>) -> Result<R>) -> Self {
        let options = CallOptions::of_key(key);
        Self { key: key.clone(), decide, finish, ttl: None, attempts: ATTEMPTS, options }
    }

    /// Sets the TTL of the key, also if it exists. Without a changed field, nothing is written, and
    /// the TTL stays.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets the maximum number of attempts. The default is 100; 0 counts as 1.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    call_options! { self => self.options;
        /// Sets the timeout of the whole update: all attempts, and waiting for other tasks of this
        /// process.
    }

    #[expect(clippy::manual_async_fn, reason = "proves `Send` as `GetOrSet::run` does")]
    fn run(mut self) -> impl Future<Output = Result<R>> + Send {
        async move {
            let subject = Subject::new(Some(S::META), Some(self.key.template()), "EVALSHA");
            let observed = Observed::command(&subject);
            let outcome = self.change(&observed, &subject).await;
            observed.outcome(&subject, outcome.as_ref().err());
            outcome.and_then(self.finish).map_err(|error| self.key.explain("EVALSHA", error))
        }
    }

    async fn change(&mut self, observed: &Observed, subject: &Subject) -> Result<Option<T>> {
        self.ttl.map_or(Ok(()), check_lifetime)?;
        let binding = self.options.resolve::<S>()?;
        let deadline = binding.deadline(self.options.timeout);
        let _turn = take_turn(&binding, self.key.as_str(), deadline).await?;
        observed.to(&binding);
        let mut there = read_all(&self.key, &binding, subject, deadline).await?;
        let mut attempts = Attempts::new(self.attempts, deadline);
        loop {
            let record: Option<T> = decode_record(there.clone())?;
            let before = record.as_ref().and_then(|record| encoded(record, &binding).ok());
            let (changes, after) = match (self.decide)(record) {
                Change::Keep => return decode_record(there),
                // With fills, it also runs without a record: it stops a fill in progress from
                // storing one.
                Change::Delete if there.is_empty() && !self.key.template().ends_fills() => return Ok(None),
                Change::Delete => (FieldChanges::deletion(), None),
                Change::Set(record) => {
                    let fields = encoded(&record, &binding)?;
                    (changed(before.as_ref(), &fields, &there), Some(record))
                }
            };
            if changes.is_empty() {
                return Ok(after);
            }
            match replace(&self.key, self.ttl, &binding, &there, &changes, deadline).await? {
                Ok(()) => return Ok(after),
                Err(now) => there = now,
            }
            attempts.conflict().await?;
        }
    }
}

async fn read_all<S, T>(
    key: &Key<S, Record<T>>,
    binding: &Arc<Binding>,
    subject: &Subject,
    deadline: Deadline,
) -> Result<HashFields> {
    let read = Packet::new("HGETALL", Keys::One(key.text()));
    let request = match key.template().ends_fills() {
        // Also if nothing is stored later: records that were loaded before the update must not be
        // stored after it.
        true => Request::ending_fills_of(read, false),
        false => Request::One(read),
    };
    let replies = run(Arc::clone(binding), &request, deadline, true, None).await?;
    let replies = naming_types(binding, &request, *subject, deadline, replies).await;
    all_fields(read::requested_replies(&request, replies).and_then(read::one)?)
}

/// Makes the changes if all fields of the struct are as they were read. The inner error is what the
/// hash contains otherwise. With a TTL, the key gets it; otherwise the template decides.
async fn replace<S, T: RecordFields>(
    key: &Key<S, Record<T>>,
    ttl: Option<Duration>,
    binding: &Arc<Binding>,
    there: &HashFields,
    changes: &FieldChanges,
    deadline: Deadline,
) -> Result<Result<(), HashFields>> {
    let call = {
        let names = T::FIELDS.iter().flat_map(|meta| meta.names());
        let values = names.map(|name| (name, there.get(name.as_bytes()).map(|value| &value[..])));
        let expected = ExpectedFields { exists: !there.is_empty(), values: values.collect() };
        let template = key.template();
        let (expiry, renews) = match ttl {
            Some(ttl) => (Expiry::After(ttl), true),
            None => (binding.lifetime(template).into(), template.renews_lifetime()),
        };
        let lifetime = KeyLifetime::new(expiry, renews)?;
        let args = record_call(lifetime, renews, Some(&expected), changes);
        let keys = match template.ends_fills() {
            true => Keys::With(key.text(), Companion::Fill, None),
            false => Keys::One(key.text()),
        };
        ScriptCall { keys, args }
    };
    let copies = &binding.pool().local.reads.copies;
    let _forgetting = copies.is_used().then(|| copies.forgetting(binding.wire_name(key.as_str())));
    // Not repeatable: a second run would find its own values and report them as another writer's.
    let reply = record_script().run(binding, call, deadline, false).await;
    let reply = reply.map_err(|error| missing_command(error, "HPEXPIRE", binding, &key.text()))?;
    let Reply::Array(parts) = reply else { return Err(unexpected()) };
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some(Reply::Int(1)), _) => Ok(Ok(())),
        (Some(Reply::Int(0)), Some(fields)) => all_fields(fields).map(Err),
        _ => Err(unexpected()),
    }
}

fn encoded<T: RecordFields>(record: &T, binding: &Binding) -> Result<FieldWriter> {
    let mut fields = FieldWriter::new(binding.checks.most, binding.checks.verifies);
    record.write_fields(&mut fields)?;
    Ok(fields)
}

/// Returns the changes of the fields that the update changed. A field that is there under an
/// earlier name gets its own name when it changes.
///
/// A field is compared with its encoding by this program before the update. Another program may
/// encode the same value in another way, or with parts that this one does not know. What the update
/// did not touch stays as it is.
fn changed(before: Option<&FieldWriter>, fields: &FieldWriter, there: &HashFields) -> FieldChanges {
    let mut changes = FieldChanges::default();
    let mut before = before.map(FieldWriter::iter);
    for (meta, value) in fields.iter() {
        let untouched = match before.as_mut().and_then(Iterator::next) {
            Some((_, before)) => before,
            None => meta.names().find_map(|name| there.get(name.as_bytes())).map(|value| &value[..]),
        };
        if untouched != value {
            change_field(&mut changes, meta, value);
        }
    }
    changes
}

fn unexpected() -> Error {
    Error::protocol("the server returned an unexpected reply to the update of a record")
}

impl<'f, S, T, R> IntoFuture for UpdateRecord<'f, S, T, R>
where
    S: Keyspace,
    T: RecordFields,
    R: 'f,
{
    type Output = Result<R>;
    type IntoFuture = BoxFuture<'f, Result<R>>;

    fn into_future(self) -> Self::IntoFuture {
        self.run().boxed()
    }
}

impl<S, T, R> fmt::Debug for UpdateRecord<'_, S, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateRecord").field("key", &self.key).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}
