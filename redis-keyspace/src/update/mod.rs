//! Read, change and write back, without losing what others write meanwhile.

mod script;

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
#[cfg(feature = "embedded")]
pub(crate) use script::UPDATE_SCRIPT;
use script::{Action, SCRIPT, call};

use crate::client::{Binding, CallOptions, Observed, Subject, call_options, run};
use crate::error::{Budget, Error, ErrorKind, Result};
use crate::key::KeyText;
use crate::kind::SingleValue;
use crate::protocol::{Keys, Packet, Reply, Request, ScriptCall, read};
use crate::schema::{Key, Keyspace};
use crate::time::{Deadline, Expiry, check_lifetime, part_of};

/// How often an update is tried unless stated. Each time, somebody else has got through.
const ATTEMPTS: u32 = 100;
/// The longest pause after an attempt that came too late.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// What an update decides to do with a value; see [`Key::update_with`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change<T> {
    /// Leave what is there.
    Keep,
    /// Store this.
    Set(T),
    /// Delete the key.
    Delete,
}

/// Updating a value: what is written is made from exactly what is replaced.
impl<S: Keyspace, V: SingleValue> Key<S, V> {
    /// Changes the value that is there, atomically: `change` is given what was read, and what it makes of it is stored only if
    /// nothing was written meanwhile; else it is called again, with what is there then. So it must not do anything besides.
    /// Gives the new value; `None` when there was none, and nothing was done. Fills of the key that are under way end in any case.
    ///
    /// The remaining lifetime is kept; [`ttl`](Update::ttl) states another one. Any writer counts, `set` and `del` by whatever program
    /// too. Tasks of this process that update one key go one after the other.
    ///
    /// Two round trips, and one more each time that somebody else was faster. An error whose connection was
    /// [lost](Error::is_connection_lost) leaves it open whether the change was stored.
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
    /// [`Conflict`](ErrorKind::Conflict) when somebody else was faster each time; [`Decode`](ErrorKind::Decode) when what
    /// is there is no value of this kind; and those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves it open whether the change is stored, and never stores half of it.
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

    /// Like [`update`](Self::update), of what `default` makes where there is no value; gives the new value. A new one gets the
    /// lifetime that the template declares.
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
            value.ok_or_else(|| Error::protocol("an update that stores a value has none"))
        })
    }

    /// Like [`update`](Self::update), with `decide` free to store, to delete, or to leave what is there; gives what is there
    /// afterwards.
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
    pub fn update_with<'f>(
        &self,
        decide: impl FnMut(Option<V::Owned>) -> Change<V::Owned> + Send + 'f,
    ) -> Update<'f, S, V, Option<V::Owned>> {
        Update::new(self, Box::new(decide), Ok)
    }
}

type Decide<'f, T> = Box<dyn FnMut(Option<T>) -> Change<T> + Send + 'f>;

/// An update with its options: await it. See [`Key::update`].
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

    /// The lifetime of what is stored, instead of what remains of the old one's.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How often it is tried, at least once; 100 times unless stated.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    call_options! { self => self.options;
        /// Sets the timeout of the whole update: all attempts, and waiting for other tasks.
    }

    async fn run(mut self) -> Result<R> {
        let subject = Subject::new(Some(S::META), Some(self.key.template()), "EVALSHA");
        let observed = Observed::command(&subject);
        let outcome = self.change(&observed).await;
        observed.outcome(&subject, outcome.as_ref().err());
        outcome.and_then(self.finish).map_err(|error| self.key.explain("EVALSHA", error))
    }

    async fn change(&mut self, observed: &Observed) -> Result<Option<V::Owned>> {
        self.ttl.map_or(Ok(()), check_lifetime)?;
        let binding = self.options.resolve::<S>()?;
        observed.to(&binding);
        let deadline = binding.deadline(self.options.timeout);
        let name = binding.wire_name(self.key.as_str());
        let turn = binding.pool().local.updates.take(name.clone());
        let _turn = deadline.bound(Budget::Checkout, turn).await.map_err(|error| {
            error.reworded("other tasks were still updating this key, so nothing was sent")
        })?;
        let mut there = read_ending_fills(&binding, self.key.text(), deadline).await?;
        let mut encoded = Vec::new();
        for attempt in 1.. {
            let value =
                |bytes: &Option<Vec<u8>>| bytes.as_deref().map(V::decode).transpose().map_err(Error::decode);
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
                    if self.ttl.is_none() && there.as_ref() == Some(&encoded) {
                        return Ok(Some(value));
                    }
                    (Action::Set(&encoded, expiry), Some(value))
                }
                // Also of what is not there: a fill under way is not to bring it back.
                Change::Delete => (Action::Delete, None),
            };
            let call = call(self.key.text(), there.as_deref(), &action)?;
            match replace(&binding, &name, call, deadline).await? {
                Ok(()) => return Ok(after),
                Err(now) => there = now,
            }
            if attempt == self.attempts {
                break;
            }
            let longest = Duration::from_millis(u64::from(attempt)).min(LONGEST_PAUSE);
            let pause = part_of(longest, fastrand::f64());
            if tokio::time::Instant::now() + pause >= deadline.at() {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "others have written this key each time that it was about to be, up to {} times within {:?}; nothing was \
                 changed",
                self.attempts,
                deadline.limit(),
            ),
        ))
    }
}

/// Reads what is there, and ends the fills that are under way: an update that finds nothing to write is told of a change all the
/// same, and what was loaded before that is not to be stored after it.
async fn read_ending_fills(
    binding: &Arc<Binding>,
    key: KeyText,
    deadline: Deadline,
) -> Result<Option<Vec<u8>>> {
    let keys = Keys::One(key);
    let request = Request::ending_fills_of(Packet::new("GET", keys), false);
    let replies = run(Arc::clone(binding), request.clone(), deadline, true, None).await?;
    read::asked_for(&request, replies).and_then(read::one).and_then(read::to_bytes)
}

/// Replaces what was read; gives what is there instead, if that is something else by now.
async fn replace(
    binding: &Arc<Binding>,
    name: &str,
    call: ScriptCall,
    deadline: Deadline,
) -> Result<Result<(), Option<Vec<u8>>>> {
    let copies = &binding.pool().local.reads.copies;
    let _forgetting = copies.is_used().then(|| copies.forgetting(name.to_owned()));
    // Not repeatable: a second run would find its own value, and take it for that of another writer.
    let outcome = SCRIPT.run(binding, call, deadline, false).await?;
    let unexpected = || Error::protocol("the script of an update did not answer as it does");
    let Reply::Array(parts) = outcome else { return Err(unexpected()) };
    let mut parts = parts.into_iter();
    match parts.next() {
        Some(Reply::Int(1)) => Ok(Ok(())),
        // What is there; of nothing, older protocols give no part at all.
        Some(Reply::Int(0)) => Ok(Err(parts.next().map_or(Ok(None), read::to_bytes)?)),
        _ => Err(unexpected()),
    }
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
        Box::pin(self.run())
    }
}

impl<S, V: SingleValue, R> fmt::Debug for Update<'_, S, V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update").field("key", &self.key).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}
