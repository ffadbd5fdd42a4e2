//! Idempotency keys: work that runs once, and whose result is stored for later calls.

mod error;
mod payload;

use std::convert::Infallible;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use futures_util::FutureExt as _;
use tokio::time::Instant;

pub use self::error::OnceError;
use self::payload::PayloadHash;
use crate::cache::lease::{FillOutcome, Lease, LeaseAnswer, LeaseMode, LeasePlace, ResultNote};
use crate::client::{Binding, CallOptions, Redis, Target, call_options};
use crate::command::{Command, get_many_bytes};
use crate::error::{Error, ErrorKind, Result, later_version};
use crate::key::{Companion, KeyText};
use crate::kind::{Once, SingleValue};
use crate::protocol::read;
use crate::schema::{Key, Keyspace, Lifetime, OnUnavailable};
use crate::time::{Backoff, Expiry, from_now};

/// How long the lease on the work lasts without renewal. If its process dies, the work counts as in
/// progress for this long.
const LEASE: Duration = Duration::from_secs(30);
/// The pauses between two checks whether another caller has finished. They grow from the first to
/// the last.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// Work that runs once. [`del`](Key::del) deletes the result, so that the work can run again.
impl<S: Keyspace, V: SingleValue> Key<S, Once<V>> {
    /// Runs the work, stores its result and returns it. If a result is already stored, returns that
    /// one, and the work does not run.
    ///
    /// While the work runs, a background task renews the lease on it. For work that can fail, use
    /// [`try_run`](Self::try_run).
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Once, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "payment", ttl = "1d")]
    /// # struct PaymentKeys { request: fn(id: &str) -> Once<Text> }
    /// # async fn charge_the_card() -> String { "receipt 1".to_owned() }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let receipt = PaymentKeys::request("r-17").run(|| charge_the_card()).await?;
    /// // The second call does not run the work.
    /// let again = PaymentKeys::request("r-17").run(|| charge_the_card()).await?;
    /// assert_eq!(again, receipt);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Before the work runs, and then it does not run:
    ///
    /// - [`InProgress`](ErrorKind::InProgress) if another caller is running it. To wait for that
    ///   caller, use [`wait`](OnceRun::wait).
    /// - [`PayloadMismatch`](ErrorKind::PayloadMismatch) if it ran for another
    ///   [payload](OnceRun::payload).
    /// - [`Decode`](ErrorKind::Decode) if the stored result can't be decoded.
    /// - Those of any command.
    ///
    /// After the work ran: [`ResultNotStored`](ErrorKind::ResultNotStored) if its result could not
    /// be stored. [`Error::take_result`] returns it. If Redis did not answer, the result may still
    /// be stored. Until that is certain, for up to 30 seconds, other calls fail with
    /// [`InProgress`](ErrorKind::InProgress).
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the work, and the next call runs it again. If the work has already
    /// completed, its result may or may not be stored.
    ///
    /// # Round trips
    ///
    /// Two around the work, or one if its result is stored: two with a [payload](OnceRun::payload).
    /// Waiting takes one for each check.
    pub fn run<'l, F, Fut>(&self, work: F) -> OnceRun<'l, S, V, F>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = V::Owned> + Send + 'l,
    {
        OnceRun::new(self.clone(), work)
    }

    /// Like [`run`](Self::run), with work that can fail. If it fails, nothing is stored, and the
    /// next call runs it again.
    ///
    /// ```
    /// # use redis_keyspace::once::OnceError;
    /// # use redis_keyspace::{Keyspace, Once, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "payment", ttl = "1d")]
    /// # struct PaymentKeys { request: fn(id: &str) -> Once<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let request = PaymentKeys::request("r-17");
    /// let declined = request.try_run(|| async { Err::<String, _>("card declined") }).await;
    /// assert!(matches!(declined, Err(OnceError::Work("card declined"))));
    /// let receipt = request.try_run(|| async { Ok::<_, &str>("receipt 1".to_owned()) }).await;
    /// assert_eq!(receipt.unwrap(), "receipt 1");
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// The work's error as [`OnceError::Work`], and those of [`run`](Self::run) as
    /// [`OnceError::Redis`].
    ///
    /// # Cancellation
    ///
    /// As for [`run`](Self::run).
    ///
    /// # Round trips
    ///
    /// As for [`run`](Self::run).
    pub fn try_run<'l, F, Fut, E>(&self, work: F) -> OnceTryRun<'l, S, V, F>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = Result<V::Owned, E>> + Send + 'l,
        E: Send,
    {
        OnceTryRun(OnceRun::new(self.clone(), work))
    }

    /// Returns the stored result, or `None` if the work has not completed.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Once, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "payment", ttl = "1d")]
    /// # struct PaymentKeys { request: fn(id: &str) -> Once<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(PaymentKeys::request("r-17").result().await?, None);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](ErrorKind::Decode) if the stored result can't be decoded; otherwise those of any
    /// command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future changes nothing.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn result(&self) -> Command<Option<V::Owned>> {
        Command::on_key(self, "GET", |_| Ok(()), read::value::<V>).repeatable()
    }
}

/// A [`run`](Key::run) with its options. Await it.
#[must_use = "nothing is done unless it is awaited"]
pub struct OnceRun<'l, S, V, F> {
    key: Key<S, Once<V>>,
    work: F,
    wait: Duration,
    payload: Option<Result<PayloadHash>>,
    ttl: Option<Duration>,
    options: CallOptions,
    borrows: PhantomData<&'l ()>,
}

/// A [`try_run`](Key::try_run) with its options. Await it.
#[must_use = "nothing is done unless it is awaited"]
pub struct OnceTryRun<'l, S, V, F>(OnceRun<'l, S, V, F>);

impl<S: Keyspace, V: SingleValue, F> OnceRun<'_, S, V, F> {
    fn new(key: Key<S, Once<V>>, work: F) -> Self {
        let options = CallOptions::of_key(&key);
        Self { key, work, wait: Duration::ZERO, payload: None, ttl: None, options, borrows: PhantomData }
    }

    /// Sets the payload that the work runs for, such as the body of the request with this id. If
    /// the work ran for another payload, the call fails with
    /// [`PayloadMismatch`](ErrorKind::PayloadMismatch) instead of returning the result.
    ///
    /// The payload is compared by the SHA-1 of its JSON, so it must serialize the same way each
    /// time: no `HashMap`. The hash is stored in a separate key next to the result, `..%payload`,
    /// because other clients read the result as it is. To read it takes one more round trip.
    ///
    /// A result without a hash matches every payload: a result that was stored without this option
    /// or by an earlier version, and one whose hash was evicted. For keys that never expire, the
    /// hash is kept for 30 days. While the work runs, the payload is not compared: the call fails
    /// with [`InProgress`](ErrorKind::InProgress) or [waits](Self::wait).
    ///
    /// ```
    /// # use redis_keyspace::{ErrorKind, Keyspace, Once, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "payment", ttl = "1d")]
    /// # struct PaymentKeys { request: fn(id: &str) -> Once<Text> }
    /// #[derive(serde::Serialize)]
    /// struct Charge { cents: u64 }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let charge = async || "receipt 1".to_owned();
    /// let request = PaymentKeys::request("r-17");
    /// request.run(charge).payload(&Charge { cents: 700 }).await?;
    /// request.run(charge).payload(&Charge { cents: 700 }).await?; // the stored result
    /// let error = request.run(charge).payload(&Charge { cents: 9900 }).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::PayloadMismatch);
    /// # Ok(()) }).await }
    /// ```
    #[cfg(feature = "json")]
    pub fn payload(mut self, payload: &(impl serde::Serialize + ?Sized)) -> Self {
        self.payload = Some(PayloadHash::of_json(payload));
        self
    }

    /// Sets the payload as bytes: a body as it was received, or the hash of a large payload. See
    /// [`payload`](Self::payload).
    pub fn payload_bytes(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = Some(Ok(PayloadHash::of(payload.as_ref())));
        self
    }

    /// Sets how long to wait for another caller that is running the work. The call checks at least
    /// every 250 ms. By default, it does not wait.
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    /// Sets how long the result is stored, instead of the template's TTL. A TTL that Redis does not
    /// support fails with [`InvalidInput`](ErrorKind::InvalidInput), and the work does not run.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    call_options! { self => self.options;
        /// Sets the timeout of each command. It does not limit the work.
    }

    #[expect(clippy::manual_async_fn, reason = "proves `Send` as `GetOrSet::run` does")]
    fn once<Fut, E>(self) -> impl Future<Output = Result<V::Owned, OnceError<E>>> + Send
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<V::Owned, E>> + Send,
        E: Send,
    {
        async move {
            let Self { key, work, wait, payload, ttl, options, .. } = self;
            let explain = |error| key.explain("EVALSHA", error);
            let payload = payload.transpose().map_err(explain)?;
            let binding = options.resolve::<S>().map_err(explain)?;
            let lifetime = ttl.map_or_else(|| binding.lifetime(key.template()), Lifetime::Expires);
            let expiry = Expiry::from(lifetime);
            expiry.check().map_err(explain)?;
            let place = LeasePlace::new(Arc::clone(&binding), &key, options.timeout).of_work(LEASE);
            let notes = payload.map(|payload| PayloadNotes {
                key: &key,
                payload,
                binding: &binding,
                timeout: options.timeout,
            });
            let lease = match begin(&place, wait, notes.as_ref()).await.map_err(explain)? {
                LeaseAnswer::Leads(lease, _) => lease,
                LeaseAnswer::Value(bytes) => {
                    return Ok(V::decode(&bytes).map_err(|problem| explain(Error::decode(problem)))?);
                }
                LeaseAnswer::Absent | LeaseAnswer::Held { .. } => {
                    return Err(explain(Error::new(ErrorKind::InProgress, in_progress(wait))).into());
                }
            };
            let value = match work().await {
                Ok(value) => value,
                Err(error) => {
                    Lease::release(vec![lease]).await;
                    return Err(OnceError::Work(error));
                }
            };
            let mut encoded = Vec::new();
            let stored = match binding.checks.encode::<V>(V::borrow(&value), &mut encoded) {
                Ok(()) => {
                    let note = notes.as_ref().map(|notes| notes.note(&encoded, lifetime.duration()));
                    let outcome = FillOutcome::Result { encoded: &encoded, expiry, note };
                    let is_stored = || -> BoxFuture<'static, bool> {
                        let there = get_many_bytes([key.clone()])
                            .on_target(Target::Bound(Arc::clone(&binding)))
                            .with_timeout(options.timeout)
                            .on_unavailable(OnUnavailable::Error);
                        let encoded = encoded.clone();
                        Box::pin(async move {
                            there
                                .await
                                .is_ok_and(|there| matches!(&*there, [Some(there)] if *there == encoded))
                        })
                    };
                    lease.finish_work(outcome, &is_stored).await
                }
                Err(error) => {
                    Lease::release(vec![lease]).await;
                    Err(error)
                }
            };
            let lost = match stored {
                Ok(true) => return Ok(value),
                Ok(false) => None,
                Err(error) => Some(error),
            };
            Err(explain(not_stored(lost).with_result(value)).into())
        }
    }
}

/// The note of the payload that the work of a key ran for.
struct PayloadNotes<'k, S, V> {
    key: &'k Key<S, Once<V>>,
    payload: PayloadHash,
    binding: &'k Arc<Binding>,
    timeout: Option<Duration>,
}

impl<S: Keyspace, V: SingleValue> PayloadNotes<'_, S, V> {
    /// Reads the result and its note together. Returns `None` if the result does not exist. Fails
    /// if the result belongs to another payload.
    async fn read(&self) -> Result<Option<Bytes>> {
        let (value, note) =
            payload::read(self.key).on_target(self.target()).with_timeout(self.timeout).await?;
        let (Some(found), Some(note)) = (&value, note) else { return Ok(value) };
        if let Some(version) = later_version(&note) {
            return Err(Error::of_later_version("the payload hash", version));
        }
        if self.payload.contradicts(&note, found) {
            return Err(Error::new(ErrorKind::PayloadMismatch, MISMATCH));
        }
        Ok(value)
    }

    /// Returns the note for a result that is stored this long; `None` if it never expires.
    fn note(&self, encoded: &[u8], lifetime: Option<Duration>) -> ResultNote {
        let key = KeyText::of_companion(Companion::Payload, &self.binding.namespace, self.key.as_str());
        let kept = payload::kept(lifetime);
        ResultNote { key, text: self.payload.note(encoded), kept }
    }

    fn target(&self) -> Target {
        Target::Bound(Arc::clone(self.binding))
    }
}

const MISMATCH: &str = "this work ran for another payload and was not run again; use a new id for a new request, \
                        or delete the key";

/// Requests the lease on the work, and waits for it at most this long.
async fn begin<S: Keyspace, V: SingleValue>(
    place: &LeasePlace,
    wait: Duration,
    notes: Option<&PayloadNotes<'_, S, V>>,
) -> Result<LeaseAnswer<Lease>> {
    let until = from_now(wait);
    let mut backoff = Backoff::new(FIRST_PAUSE, LAST_PAUSE);
    loop {
        let answer = place.begin_one(LeaseMode::Work, true).await?;
        if let (LeaseAnswer::Value(_), Some(notes)) = (&answer, notes) {
            match notes.read().await? {
                Some(value) => return Ok(LeaseAnswer::Value(value)),
                // Deleted or expired in the meantime.
                None => continue,
            }
        }
        if !matches!(answer, LeaseAnswer::Held { .. }) || Instant::now() >= until {
            return Ok(answer);
        }
        tokio::time::sleep_until((Instant::now() + backoff.pause()).min(until)).await;
    }
}

fn in_progress(waited: Duration) -> String {
    let waited = if waited.is_zero() { String::new() } else { format!(", still after {waited:?}") };
    format!("another caller is running this{waited}; retry later, or wait with `wait`")
}

fn not_stored(cause: Option<Error>) -> Error {
    let done = "the work completed, but its result could not be stored; the next call runs it again";
    match cause {
        Some(cause) => Error::new(ErrorKind::ResultNotStored, format!("{done}: {cause}")),
        None => Error::new(
            ErrorKind::ResultNotStored,
            format!(
                "{done}: the key was deleted meanwhile, or the lease expired and another caller took it over"
            ),
        ),
    }
}

impl<'l, S, V, F, Fut> IntoFuture for OnceRun<'l, S, V, F>
where
    S: Keyspace,
    V: SingleValue,
    F: FnOnce() -> Fut + Send + 'l,
    Fut: Future<Output = V::Owned> + Send + 'l,
{
    type Output = Result<V::Owned>;
    type IntoFuture = BoxFuture<'l, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { key, work, wait, payload, ttl, options, borrows } = self;
        let work = move || work().map(Ok::<_, Infallible>);
        let run = OnceRun { key, work, wait, payload, ttl, options, borrows };
        let outcome = run.once().map(|outcome| {
            outcome.map_err(|error| match error {
                OnceError::Redis(error) => error,
                OnceError::Work(never) => match never {},
            })
        });
        outcome.boxed()
    }
}

impl<S: Keyspace, V: SingleValue, F> OnceTryRun<'_, S, V, F> {
    /// Sets how long to wait for another caller. See [`OnceRun::wait`].
    pub fn wait(self, limit: Duration) -> Self {
        Self(self.0.wait(limit))
    }

    /// Sets the payload. See [`OnceRun::payload`].
    #[cfg(feature = "json")]
    pub fn payload(self, payload: &(impl serde::Serialize + ?Sized)) -> Self {
        Self(self.0.payload(payload))
    }

    /// Sets the payload as bytes. See [`OnceRun::payload_bytes`].
    pub fn payload_bytes(self, payload: impl AsRef<[u8]>) -> Self {
        Self(self.0.payload_bytes(payload))
    }

    /// Sets how long the result is stored. See [`OnceRun::ttl`].
    pub fn ttl(self, ttl: Duration) -> Self {
        Self(self.0.ttl(ttl))
    }

    /// Sets the handle to run on. See [`OnceRun::on`].
    pub fn on(self, redis: &Redis) -> Self {
        Self(self.0.on(redis))
    }

    /// Sets the timeout of each command. See [`OnceRun::timeout`].
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }
}

impl<'l, S, V, F, Fut, E> IntoFuture for OnceTryRun<'l, S, V, F>
where
    S: Keyspace,
    V: SingleValue,
    F: FnOnce() -> Fut + Send + 'l,
    Fut: Future<Output = Result<V::Owned, E>> + Send + 'l,
    E: Send + 'l,
{
    type Output = Result<V::Owned, OnceError<E>>;
    type IntoFuture = BoxFuture<'l, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.0.once().boxed()
    }
}

impl<S, V, F> fmt::Debug for OnceRun<'_, S, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceRun").field("key", &self.key).field("wait", &self.wait).finish_non_exhaustive()
    }
}

impl<S, V, F> fmt::Debug for OnceTryRun<'_, S, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceTryRun").field(&self.0).finish()
    }
}
