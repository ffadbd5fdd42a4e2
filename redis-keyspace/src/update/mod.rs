//! Atomic updates: read a value, change it, and store the result if no other writer changed it.

mod attempts;
mod change;
mod replace;
mod script;

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use attempts::{ATTEMPTS, Attempts, take_turn};
pub use change::Change;
pub use record::UpdateRecord;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use replace::replace;
use script::Action;
#[cfg(feature = "embedded")]
pub(crate) use script::UPDATE_SCRIPT;

use crate::client::{Binding, CallOptions, Observed, Subject, call_options, naming_types, run};
use crate::error::{Error, Result};
use crate::kind::SingleValue;
use crate::protocol::{Keys, Packet, Request, read};
use crate::schema::{Key, Keyspace};
use crate::time::{Deadline, Expiry, check_lifetime};

/// Atomic updates: a change is stored only if the key still has the value that was read.
impl<S: Keyspace, V: SingleValue> Key<S, V> {
    /// Changes the value atomically. Returns the new value, or `None` if the key has no value; then
    /// nothing is stored.
    ///
    /// `change` receives the value that was read. If another writer changes the key before the
    /// result is stored, `change` runs again with the current value. It can run several times, so
    /// it should have no side effects. Every writer counts, including `set` and `del` from other
    /// programs. Tasks that update the same key take turns, if they are on one tokio runtime and
    /// their handles have the same configuration.
    ///
    /// The remaining TTL is kept; [`ttl`](Update::ttl) sets another one. Cache fills of the key
    /// that are in progress do not store their value, even if the update changes nothing.
    /// With `fills = false`, the update sends no command for fills, and writes without a script on
    /// servers that have a command for it.
    ///
    /// ```
    /// # use redis_keyspace::{Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", ttl = 3600)]
    /// # struct CartKeys { user: fn(id: u64) -> Json<Vec<String>> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let cart = CartKeys::user(7);
    /// assert_eq!(cart.update(|items| items.push("lamp".into())).await?, None);
    /// cart.set(&vec![]).await?;
    /// let items = cart.update(|items| items.push("lamp".into())).await?;
    /// assert_eq!(items, Some(vec!["lamp".to_owned()]));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if other writers were faster on every attempt,
    /// [`Decode`](crate::ErrorKind::Decode) if the value can't be decoded, and those of any command. After
    /// an error with a [lost connection](Error::is_connection_lost), the change may or may not be
    /// stored.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, the change may or may not be stored. It is never stored in part.
    ///
    /// # Round trips
    ///
    /// Two, plus one for each conflict. One if there is nothing to store. With `fills = false`, the
    /// first update on a server may take up to two more, to find out which commands it has.
    pub fn update<'f>(
        &self,
        mut change: impl FnMut(&mut V::Owned) + Send + 'f,
    ) -> Update<'f, S, V, Option<V::Owned>> {
        let decide = move |there: Option<V::Owned>| match there {
            None => Change::Keep,
            Some(mut value) => {
                change(&mut value);
                Change::Set(value)
            }
        };
        Update::new(self, Box::new(decide), Ok)
    }

    /// Like [`update`](Self::update), but changes the result of `default` if the key has no value.
    /// Returns the new value. A value that did not exist before gets the TTL of the template.
    ///
    /// ```
    /// # use redis_keyspace::{Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", ttl = 3600)]
    /// # struct CartKeys { user: fn(id: u64) -> Json<Vec<String>> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let items = CartKeys::user(7).update_or_insert(Vec::new, |items| items.push("lamp".into())).await?;
    /// assert_eq!(items, ["lamp"]);
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
        mut default: impl FnMut() -> V::Owned + Send + 'f,
        mut change: impl FnMut(&mut V::Owned) + Send + 'f,
    ) -> Update<'f, S, V, V::Owned> {
        let decide = move |there: Option<V::Owned>| {
            let mut value = there.unwrap_or_else(&mut default);
            change(&mut value);
            Change::Set(value)
        };
        Update::new(self, Box::new(decide), |value| {
            value.ok_or_else(|| Error::protocol("an update that stores a value returned none"))
        })
    }

    /// Like [`update`](Self::update), but `decide` chooses whether to store a value, delete the
    /// key, or leave it unchanged. Returns the value that the key has afterwards.
    ///
    /// ```
    /// # use redis_keyspace::{Json, Keyspace, Redis};
    /// # use redis_keyspace::update::Change;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", ttl = 3600)]
    /// # struct CartKeys { user: fn(id: u64) -> Json<Vec<String>> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let cart = CartKeys::user(7);
    /// cart.set(&vec!["lamp".to_owned()]).await?;
    /// let without_lamp = cart.update_with(|items| match items {
    ///     Some(mut items) => {
    ///         items.retain(|item| item != "lamp");
    ///         if items.is_empty() { Change::Delete } else { Change::Set(items) }
    ///     }
    ///     None => Change::Keep,
    /// });
    /// assert_eq!(without_lamp.await?, None);
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
        decide: impl FnMut(Option<V::Owned>) -> Change<V::Owned> + Send + 'f,
    ) -> Update<'f, S, V, Option<V::Owned>> {
        Update::new(self, Box::new(decide), Ok)
    }
}

type Decide<'f, T> = Box<dyn FnMut(Option<T>) -> Change<T> + Send + 'f>;

/// An update with its options. Await it. Created by [`Key::update`] and its variants.
#[must_use = "nothing is read or written unless it is awaited"]
pub struct Update<'f, S, V: SingleValue, R> {
    key: Key<S, V>,
    decide: Decide<'f, V::Owned>,
    finish: fn(Option<V::Owned>) -> Result<R>,
    ttl: Option<Duration>,
    attempts: u32,
    options: CallOptions,
}

impl<'f, S: Keyspace, V: SingleValue, R> Update<'f, S, V, R> {
    fn new(key: &Key<S, V>, decide: Decide<'f, V::Owned>, finish: fn(Option<V::Owned>) -> Result<R>) -> Self {
        let options = CallOptions::of_key(key);
        Self { key: key.clone(), decide, finish, ttl: None, attempts: ATTEMPTS, options }
    }

    /// Sets the TTL of the new value. By default, an existing value keeps its remaining TTL.
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
    fn run(mut self) -> impl Future<Output = Result<R>> + Send
    where
        V::Owned: Sync,
    {
        async move {
            let subject = Subject::new(Some(S::META), Some(self.key.template()), "EVALSHA");
            let observed = Observed::command(&subject);
            let outcome = self.change(&observed, &subject).await;
            observed.outcome(&subject, outcome.as_ref().err());
            outcome.and_then(self.finish).map_err(|error| self.key.explain("EVALSHA", error))
        }
    }

    async fn change(&mut self, observed: &Observed, subject: &Subject) -> Result<Option<V::Owned>> {
        self.ttl.map_or(Ok(()), check_lifetime)?;
        let binding = self.options.resolve::<S>()?;
        let deadline = binding.deadline(self.options.timeout);
        let _turn = take_turn(&binding, self.key.as_str(), deadline).await?;
        observed.to(&binding);
        let mut there = read_ending_fills(&binding, &self.key, subject, deadline).await?;
        observed.value(subject, "received", there.as_ref().map_or(0, Bytes::len));
        let mut encoded = Vec::new();
        let mut attempts = Attempts::new(self.attempts, deadline);
        loop {
            let value =
                |bytes: &Option<Bytes>| bytes.as_deref().map(V::decode).transpose().map_err(Error::decode);
            let expiry = match (self.ttl, &there) {
                (Some(ttl), _) => Expiry::After(ttl),
                (None, Some(_)) => Expiry::Keep,
                (None, None) => binding.lifetime(self.key.template()).into(),
            };
            let (action, after) = match (self.decide)(value(&there)?) {
                Change::Keep => return value(&there),
                Change::Set(value) => {
                    encoded.clear();
                    binding.checks.encode::<V>(V::borrow(&value), &mut encoded)?;
                    // Once, not for each attempt.
                    if attempts.is_first() {
                        observed.value(subject, "sent", encoded.len());
                    }
                    if self.ttl.is_none() && there.as_deref() == Some(&*encoded) {
                        return Ok(Some(value));
                    }
                    (Action::Set(&encoded, expiry), Some(value))
                }
                // Also runs if the key has no value: it stops a fill in progress from storing one.
                Change::Delete => (Action::Delete, None),
            };
            match replace(&binding, &self.key, there.as_deref(), action, deadline).await? {
                Ok(()) => return Ok(after),
                Err(now) => there = now,
            }
            attempts.conflict().await?;
        }
    }
}

/// Reads the value and ends the fills that are in progress. An update that stores nothing must also
/// end them: values that were loaded before it must not be stored after it.
async fn read_ending_fills<S, V>(
    binding: &Arc<Binding>,
    key: &Key<S, V>,
    subject: &Subject,
    deadline: Deadline,
) -> Result<Option<Bytes>> {
    let get = Packet::new("GET", Keys::One(key.text()));
    let request =
        if key.template().ends_fills() { Request::ending_fills_of(get, false) } else { Request::One(get) };
    let replies = run(Arc::clone(binding), &request, deadline, true, None).await?;
    let replies = naming_types(binding, &request, *subject, deadline, replies).await;
    read::requested_replies(&request, replies).and_then(read::one).and_then(read::to_bytes)
}

impl<'f, S, V, R> IntoFuture for Update<'f, S, V, R>
where
    S: Keyspace,
    V: SingleValue,
    V::Owned: Sync,
    R: 'f,
{
    type Output = Result<R>;
    type IntoFuture = BoxFuture<'f, Result<R>>;

    fn into_future(self) -> Self::IntoFuture {
        self.run().boxed()
    }
}

impl<S, V: SingleValue, R> fmt::Debug for Update<'_, S, V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update").field("key", &self.key).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

// Declared last, so that links to `Key::update` in the documentation lead to the method of single
// values.
mod record;
