//! Work that is done once, and its result kept for whoever asks again.

use std::convert::Infallible;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::Instant;

use crate::cache::lease::{FillOutcome, Lease, LeaseAnswer, LeaseMode, LeasePlace};
use crate::client::{CallOptions, Redis, Target, call_options};
use crate::command::{Command, get_many_bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::kind::{Once, SingleValue};
use crate::protocol::read;
use crate::schema::{Key, Keyspace, OnUnavailable};
use crate::time::{Backoff, Deadline};

/// How long the right to do the work lasts beyond the last sign of life of who has it: for so long is it in progress after a
/// process is gone.
const LEASE: Duration = Duration::from_secs(30);
/// The pauses between two looks at what another one does: they grow from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(250);

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
    /// [`ResultNotStored`](ErrorKind::ResultNotStored) when the work was done, but its result could not be kept. [`Decode`](ErrorKind::Decode) when
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
        Command::on_key(self, "GET", |_| Ok(()), read::value::<V>).repeatable()
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
    options: CallOptions,
    borrows: PhantomData<&'l ()>,
}

/// A [`try_run`](Key::try_run) with its options: await it.
#[must_use = "nothing is done unless it is awaited"]
pub struct OnceTryRun<'l, S, V, F>(OnceRun<'l, S, V, F>);

impl<S: Keyspace, V: SingleValue, F> OnceRun<'_, S, V, F> {
    fn new(key: Key<S, Once<V>>, work: F) -> Self {
        let options = CallOptions::of_key(&key);
        Self { key, work, wait: Duration::ZERO, options, borrows: PhantomData }
    }

    /// Waits this long for somebody else who is doing it, looking every now and then, at most a quarter of a second apart;
    /// not at all unless stated.
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    call_options! { self => self.options;
        /// Sets the timeout of each command. It does not limit the work.
    }

    async fn once<Fut, E>(self) -> Result<V::Owned, OnceError<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<V::Owned, E>>,
    {
        let Self { key, work, wait, options, .. } = self;
        let explain = |error| key.explain("EVALSHA", error);
        let binding = options.resolve::<S>().map_err(explain)?;
        let place = LeasePlace::new(Arc::clone(&binding), &key, options.timeout).of_work(LEASE);
        let lease = match begin(&place, wait).await.map_err(explain)? {
            LeaseAnswer::Leads(lease, _) => lease,
            LeaseAnswer::Value(bytes) => {
                return Ok(V::decode(&bytes).map_err(|problem| explain(Error::decode(problem)))?);
            }
            LeaseAnswer::Absent | LeaseAnswer::Held(_) => {
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
        let stored = match V::encode(V::borrow(&value), &mut encoded) {
            Ok(()) => store(lease, &key, &encoded).await,
            Err(error) => {
                Lease::release(vec![lease]).await;
                Err(Error::encode(error))
            }
        };
        let lost = match stored {
            Ok(true) => return Ok(value),
            Ok(false) => None,
            Err(error) => {
                // Perhaps only the reply was lost.
                let there = get_many_bytes([key.clone()])
                    .on_target(Target::Bound(binding))
                    .with_timeout(options.timeout)
                    .on_unavailable(OnUnavailable::Error);
                if there.await.is_ok_and(|there| there == [Some(encoded)]) {
                    return Ok(value);
                }
                Some(error)
            }
        };
        Err(explain(not_stored(lost)).into())
    }
}

/// Asks for the right to do the work, for so long as may be waited.
async fn begin(place: &LeasePlace, wait: Duration) -> Result<LeaseAnswer<Lease>> {
    let until = Instant::now() + wait.min(Deadline::LONGEST);
    let mut backoff = Backoff::new(FIRST_PAUSE, LAST_PAUSE);
    loop {
        let answer = place.begin_one(LeaseMode::Wait, true).await?;
        if !matches!(answer, LeaseAnswer::Held(_)) || Instant::now() >= until {
            return Ok(answer);
        }
        tokio::time::sleep_until((Instant::now() + backoff.pause()).min(until)).await;
    }
}

async fn store<S, V>(lease: Lease, key: &Key<S, V>, encoded: &[u8]) -> Result<bool> {
    let expiry = key.template().lifetime().into();
    let outcome = FillOutcome::Value { encoded, expiry, stale: Duration::ZERO };
    Lease::finish(vec![(lease, outcome)]).await.pop().unwrap_or(Ok(false))
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
            format!("{done}: the key was deleted meanwhile, or another caller took the work for abandoned"),
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
        Box::pin(async move {
            let Self { key, work, wait, options, borrows } = self;
            let work = || async { Ok::<_, Infallible>(work().await) };
            let run = OnceRun { key, work, wait, options, borrows };
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

    /// See [`OnceRun::on`].
    pub fn on(self, redis: &Redis) -> Self {
        Self(self.0.on(redis))
    }

    /// See [`OnceRun::timeout`].
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
