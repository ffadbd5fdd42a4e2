//! Work that is done once, and its result kept for whoever asks again.

use std::convert::Infallible;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::Redis;
use crate::cache::lease::{Begun, Lease, Mode, Outcome, Place};
use crate::command::{Command, on_and_timeout, reply};
use crate::error::{Error, ErrorKind, Result};
use crate::handle::target;
use crate::key::Key;
use crate::keyspace::Keyspace;
use crate::kind::{Kind, SingleValue};
use crate::run::jittered;

/// How long the right to do the work lasts beyond the last sign of life of who has it: for so long is it in progress after a
/// process is gone.
const LEASE: Duration = Duration::from_secs(30);
/// The pauses between two looks at what another one does: they grow from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// An idempotency key: work that is done once, and its result, a value of the kind `V`.
///
/// Declared as the return type of a field; the template's lifetime is how long the work is known to be done.
///
/// ```
/// use redis_keyspace::{Json, Keyspace, Once, Redis};
///
/// #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// pub struct Receipt { number: u32 }
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "payment", ttl = "1d")]
/// pub struct PaymentKeys {
///     request: fn(id: &str) -> Once<Json<Receipt>>,
/// }
///
/// # async fn charge_the_card() -> Receipt { Receipt { number: 1 } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let receipt = PaymentKeys::request("r-17").run(|| charge_the_card()).await?;
/// // The client has not got the answer, and asks again.
/// let again = PaymentKeys::request("r-17").run(|| async { unreachable!("it is paid") }).await?;
/// assert_eq!(again, receipt);
/// # Ok(()) }).await }
/// ```
///
/// # What it is not
///
/// Exactly once, whatever happens: work whose process ends before its result is kept is done again by who asks next, after half
/// a minute, and so is work whose process stands still for longer than that, or whose key a failover of the server forgets.
/// Make the work itself recognise what must never be done twice.
pub struct Once<V>(PhantomData<fn() -> V>);

impl<V> fmt::Debug for Once<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

impl<V: SingleValue> Kind for Once<V> {
    const WIRE: &'static str = V::WIRE;
}

/// Work that is done once. [`del`](Key::del) forgets that it was done.
impl<S: Keyspace, V: SingleValue> Key<S, Once<V>> {
    /// Does the work, unless it was done: then its result of then is given. Work that fails is not done; see
    /// [`try_run`](Self::try_run).
    ///
    /// Two round trips around the work, one when it was done. While it runs, its right to is renewed in the background.
    ///
    /// # Errors
    ///
    /// [`InProgress`](ErrorKind::InProgress) when somebody else is doing it; [`wait`](OnceRun::wait) waits for that.
    /// [`NotKept`](ErrorKind::NotKept) when the work was done, but its result could not be kept. [`Decode`](ErrorKind::Decode) when
    /// the result that is there can't be read: the work is not done again. And those of any command, before the work has begun.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the work; whoever asks next does it anew.
    pub fn run<'l, F, Fut>(&self, work: F) -> OnceRun<'l, S, V, F>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = V::Owned> + Send + 'l,
    {
        OnceRun::new(self.clone(), work)
    }

    /// Like [`run`](Self::run) of work that can fail: then it is not done, and whoever asks next does it.
    ///
    /// # Errors
    ///
    /// The work's as [`OnceError::Work`], and those of [`run`](Self::run) as [`OnceError::Redis`].
    pub fn try_run<'l, F, Fut, E>(&self, work: F) -> OnceTryRun<'l, S, V, F>
    where
        F: FnOnce() -> Fut + Send + 'l,
        Fut: Future<Output = Result<V::Owned, E>> + Send + 'l,
        E: Send,
    {
        OnceTryRun(OnceRun::new(self.clone(), work))
    }

    /// The result, if the work was done. One round trip.
    pub fn result(&self) -> Command<Option<V::Owned>> {
        Command::on_key(self, "GET", |_| Ok(()), reply::value::<V>).repeatable()
    }
}

/// Why [`try_run`](Key::try_run) gave no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum OnceError<E> {
    /// The work failed. It counts as not done.
    Work(E),
    /// Redis could not be asked, somebody else does the work, or its result could not be kept.
    Redis(Error),
}

impl<E: fmt::Display> fmt::Display for OnceError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(error) => write!(f, "the work failed: {error}"),
            Self::Redis(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for OnceError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Work(error) => Some(error),
            Self::Redis(error) => error.source(),
        }
    }
}

impl<E> From<Error> for OnceError<E> {
    fn from(error: Error) -> Self {
        Self::Redis(error)
    }
}

/// A [`run`](Key::run) with its options: await it.
#[must_use = "nothing is done unless it is awaited"]
pub struct OnceRun<'l, S, V, F> {
    key: Key<S, Once<V>>,
    work: F,
    wait: Duration,
    redis: Option<Redis>,
    timeout: Option<Duration>,
    borrows: PhantomData<&'l ()>,
}

/// A [`try_run`](Key::try_run) with its options: await it.
#[must_use = "nothing is done unless it is awaited"]
pub struct OnceTryRun<'l, S, V, F>(OnceRun<'l, S, V, F>);

impl<S: Keyspace, V: SingleValue, F> OnceRun<'_, S, V, F> {
    fn new(key: Key<S, Once<V>>, work: F) -> Self {
        let redis = key.redis();
        Self { key, work, wait: Duration::ZERO, redis, timeout: None, borrows: PhantomData }
    }

    /// Waits this long for somebody else who is doing it, looking every now and then, at most a quarter of a second apart;
    /// not at all unless stated.
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    on_and_timeout! {
        /// Gives each of its commands a deadline of its own. The work is not limited by it.
    }

    async fn once<Fut, E>(self) -> Result<V::Owned, OnceError<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V::Owned, E>>,
    {
        let Self { key, work, wait, redis, timeout, .. } = self;
        let about = |error: Error| error.about("EVALSHA", Some(key.template()), Some(key.as_str()));
        let binding = target(redis.as_ref(), Some(S::META)).map_err(about)?;
        let place =
            Place::new(Arc::clone(&binding), key.text(), S::META, key.template(), timeout).of_work(LEASE);
        let lease = match begin(&place, wait).await.map_err(about)? {
            Begun::Leads(lease, _) => lease,
            Begun::There(bytes) => {
                return Ok(V::decode(&bytes).map_err(|problem| about(Error::decode(problem)))?);
            }
            Begun::Absent | Begun::Held(_) => {
                return Err(about(Error::new(ErrorKind::InProgress, in_progress(wait))).into());
            }
        };
        let value = match work().await {
            Ok(value) => value,
            Err(error) => {
                lease.release().await;
                return Err(OnceError::Work(error));
            }
        };
        let mut encoded = Vec::new();
        let kept = match V::encode(V::borrow(&value), &mut encoded) {
            Ok(()) => keep(lease, &key, &encoded).await,
            Err(error) => Err(Error::encode(error)),
        };
        let lost = match kept {
            Ok(true) => return Ok(value),
            Ok(false) => None,
            Err(error) => {
                // The answer may be what was lost.
                let there = crate::ops::get_many_bytes([key.clone()]).with_redis(redis).with_timeout(timeout);
                if there.await.is_ok_and(|there| there == [Some(encoded)]) {
                    return Ok(value);
                }
                Some(error)
            }
        };
        Err(about(not_kept(lost)).into())
    }
}

/// Asks for the right to do the work, for so long as may be waited.
async fn begin(place: &Place, wait: Duration) -> Result<Begun> {
    let until = Instant::now() + wait.min(crate::deadline::Deadline::LONGEST);
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = place.begin(Mode::Wait, true).await?;
        if !matches!(begun, Begun::Held(_)) || Instant::now() >= until {
            return Ok(begun);
        }
        tokio::time::sleep_until((Instant::now() + jittered(pause)).min(until)).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

async fn keep<S, V>(lease: Lease, key: &Key<S, V>, encoded: &[u8]) -> Result<bool> {
    let expiry = key.template().lifetime().into();
    lease.finish(&Outcome::Value { encoded, expiry, stale: Duration::ZERO }).await
}

fn in_progress(waited: Duration) -> String {
    let waited = if waited.is_zero() { String::new() } else { format!(", still after {waited:?}") };
    format!("somebody else is doing this{waited}; ask again later, or wait with `wait`")
}

fn not_kept(cause: Option<Error>) -> Error {
    let done = "the work was done, but its result could not be kept, so that it will be done again when it is asked for";
    match cause {
        Some(cause) => Error::new(ErrorKind::NotKept, format!("{done}: {cause}")),
        None => Error::new(
            ErrorKind::NotKept,
            format!("{done}: the key was deleted meanwhile, or somebody else took it for abandoned"),
        ),
    }
}

type BoxFuture<'l, T> = Pin<Box<dyn Future<Output = T> + Send + 'l>>;

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
        Box::pin(async move {
            let Self { key, work, wait, redis, timeout, borrows } = self;
            let work = || async { Ok::<_, Infallible>(work().await) };
            let run = OnceRun { key, work, wait, redis, timeout, borrows };
            run.once().await.map_err(|error| match error {
                OnceError::Redis(error) => error,
                OnceError::Work(never) => match never {},
            })
        })
    }
}

impl<S: Keyspace, V: SingleValue, F> OnceTryRun<'_, S, V, F> {
    /// See [`OnceRun::wait`].
    pub fn wait(self, limit: Duration) -> Self {
        Self(self.0.wait(limit))
    }

    /// Runs it on this server, whatever is installed or in scope.
    pub fn on(self, redis: &Redis) -> Self {
        Self(self.0.on(redis))
    }

    /// Gives each of its commands a deadline of its own. The work is not limited by it.
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
        Box::pin(self.0.once())
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
