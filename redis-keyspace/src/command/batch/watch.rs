//! Optimistic transactions: they run only if watched keys are unchanged.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use tokio::sync::Mutex;

use super::commands::{Commands, RequestsOfParts};
use super::part::{BatchRequests, Part, PartOutcome, PartOutcomes};
use super::servers::Binder;
use super::transact::{elsewhere, gather};
use super::types::name_types;
use crate::client::{Binding, CallOptions, Observed, Redis, Subject, Target, WatchAttempts, WatchSession};
use crate::command::key_group::{KeyGroup, KeysOfGroup};
use crate::error::{Budget, Error, Result};
use crate::protocol::{Keys, Replies, Reply, Request, read, share_of};
use crate::schema::KeyspaceMeta;
use crate::time::Deadline;

/// The default number of attempts. A failed attempt means that another writer succeeded.
const ATTEMPTS: u32 = 100;

impl Redis {
    /// Runs commands as one transaction, but only if certain keys have not changed since the
    /// commands were chosen (`WATCH`, `MULTI`, `EXEC`).
    ///
    /// `work` reads what it needs and returns the commands of the transaction. Its argument,
    /// [`Watched`], reads on the connection that watches the keys. If another client changes one of
    /// `keys` before the transaction runs, nothing is changed, and `work` runs again. It can run
    /// many times, so it should have no side effects. If it returns `None`, nothing is changed, and
    /// the result is `None`.
    ///
    /// To change one value, [`update`](crate::Key::update) is simpler and faster.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Redis};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "account", ttl = none)]
    /// struct Accounts {
    ///     #[key("{bank}:{id}", hash_tag = bank)]
    ///     balance: fn(bank: u32, id: u32) -> Counter,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// let (from, to) = (Accounts::balance(1, 7), Accounts::balance(1, 8));
    /// from.set(100).on(&redis).await?;
    /// let moved = redis
    ///     .watch(&from, |tx| {
    ///         let (from, to) = (from.clone(), to.clone());
    ///         async move {
    ///             if tx.run(from.get()).await? < 30 {
    ///                 return Ok(None);
    ///             }
    ///             Ok(Some((from.decr_by(30), to.incr_by(30))))
    ///         }
    ///     })
    ///     .await?;
    /// assert_eq!(moved, Some((70, 30)));
    /// # Ok(()) }
    /// ```
    ///
    /// All keys, and the commands that `work` returns, must be on one server and database; on a
    /// cluster, in one [slot](crate::Key::slot). `work` may also use this or another handle as
    /// usual; reads of watched keys must then go to the master.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if other writers were faster on every attempt. The
    /// error of `work`; then nothing is changed. [`InvalidInput`](crate::ErrorKind::InvalidInput)
    /// if keys or commands use different servers, databases or slots, and on a server that rejects
    /// `MULTI`. [`PoolBusy`](crate::ErrorKind::PoolBusy) if no exclusive connection is free in
    /// time. After an error with a [lost connection](Error::is_connection_lost), the transaction
    /// may or may not have been executed. If a command fails when it runs, the others still run, as
    /// in
    /// [`transaction`](Self::transaction).
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, the transaction may still run, as a whole. The connection is
    /// closed, so that no key stays watched.
    ///
    /// # Round trips
    ///
    /// Two for each attempt, and those of `work`. The connection is an exclusive one
    /// ([`RedisBuilder::exclusive_connections`](crate::RedisBuilder::exclusive_connections)), and
    /// is held while `work` runs. Work that needs another one, such as a nested `watch`, needs a
    /// pool of at least two; otherwise it fails when its deadline passes.
    pub fn watch<'f, F, Fut, C>(&self, keys: impl KeyGroup, work: F) -> Watch<'f, F>
    where
        F: FnMut(Watched) -> Fut + 'f,
        Fut: Future<Output = Result<Option<C>>>,
        C: Commands,
    {
        let keys = KeysOfGroup::of(&keys);
        Watch { redis: self.clone(), keys, work, attempts: ATTEMPTS, timeout: None, lifetime: PhantomData }
    }
}

/// An optimistic transaction with its options, created by [`Redis::watch`]. Await it.
#[must_use = "nothing is watched or run unless it is awaited"]
pub struct Watch<'f, F> {
    redis: Redis,
    keys: KeysOfGroup,
    work: F,
    attempts: u32,
    timeout: Option<Duration>,
    /// That of what the closure borrows.
    lifetime: PhantomData<&'f ()>,
}

/// A connection that watches keys: the argument of the closure of [`Redis::watch`].
///
/// It can be cloned. Once the closure's future has completed, it runs no commands.
#[derive(Clone)]
pub struct Watched {
    redis: Redis,
    session: Arc<Mutex<Option<WatchSession>>>,
    /// That of the whole operation.
    deadline: Deadline,
}

impl Watched {
    /// Runs commands on the connection that watches the keys, and returns their results. The
    /// commands are those of a [batch](Redis::batch): one, or a tuple, `Vec` or array.
    ///
    /// It is for reads. A write takes effect at once and is not part of the transaction. A write to
    /// a watched key makes the attempt fail. Commands that need `MULTI` elsewhere, such as
    /// [`zpage`](crate::Key::zpage), are sent as a script, because `EXEC` would end the watch. If
    /// its result is an integer of 2^53 or more, the command has run, and the result is an error.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text, views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// let named = redis.watch(PageKeys::title(7), async |tx| {
    ///     let (title, views) = tx.run((PageKeys::title(7).get(), PageKeys::views(7).get())).await?;
    ///     Ok(title.is_none().then(|| PageKeys::title(7).set(&format!("A page with {views} views"))))
    /// });
    /// assert_eq!(named.await?, Some(()));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The error of the first command that fails. [`InvalidInput`](crate::ErrorKind::InvalidInput)
    /// for commands that use another server or database, for those that wait at the server, for
    /// those that need `MULTI` and can't be a part of a script, such as a script with fills, and
    /// after the closure has ended.
    ///
    /// # Cancellation
    ///
    /// As for [`batch`](Redis::batch). The keys stay watched.
    ///
    /// # Round trips
    ///
    /// One.
    pub async fn run<C: Commands>(&self, commands: C) -> Result<C::Output> {
        let mut requests = BatchRequests::default();
        let commands = commands.finished(&mut requests);
        let mut parts = Vec::new();
        C::parts(&commands, &mut RequestsOfParts::new(&mut requests), &mut parts);
        let observed = Observed::batch("PIPELINE", parts.len());
        let subject = parts.first().map(|part| *part.subject);
        let run: BoxFuture<'_, _> = Box::pin(self.outcomes(&parts, &mut requests, &observed));
        let mut outcomes = run.await?;
        // The closure may go on after the error, so half of the time is left to it.
        let half = self.deadline.at_most(self.deadline.remaining() / 2);
        name_types(&self.redis, &parts, &requests, |_| half, &mut outcomes).await;
        observed.batch_ended("PIPELINE", subject.as_ref());
        C::all(C::join(&commands, &mut PartOutcomes::new(outcomes, &requests, &self.redis, &observed)))
    }

    async fn outcomes(
        &self,
        parts: &[Part<'_>],
        requests: &mut BatchRequests,
        observed: &Observed,
    ) -> Result<Vec<PartOutcome>> {
        let mut session = self.session.lock().await;
        let session = session.as_mut().ok_or_else(|| {
            Error::invalid_input("the closure of `watch` has ended, so its connection runs no more commands")
        })?;
        let mut binder = Binder::new(&self.redis);
        for (part, request) in parts.iter().zip(&mut requests.0) {
            let subject = *part.subject;
            let binding = binder.bind(part, request).map_err(|error| subject.explain(error, None))?;
            check_place(session.binding(), &binding, None, subject.keyspace)?;
            observed.to(&binding);
            observed.sent(part.subject, request);
        }
        let request = Request::Batch(std::mem::take(&mut requests.0));
        let replies = if request.replies() == 0 { Ok(Vec::new()) } else { session.run(&request).await };
        if let Request::Batch(sent) = request {
            requests.0 = sent;
        }
        let mut replies = replies?.into_iter();
        let outcome = |request| {
            let replies = Some(Ok(share_of(request, &mut replies)));
            PartOutcome { replies, instead_of: None }
        };
        Ok(requests.0.iter().map(outcome).collect())
    }
}

/// Fails if a command belongs to another place than the watched keys.
fn check_place(
    watched: &Binding,
    binding: &Binding,
    keyspace: Option<&'static KeyspaceMeta>,
    other: Option<&'static KeyspaceMeta>,
) -> Result<()> {
    if Arc::ptr_eq(watched.pool(), binding.pool()) && watched.namespace == binding.namespace {
        Ok(())
    } else {
        Err(elsewhere(keyspace, other))
    }
}

/// The outcome of one attempt.
enum Attempted<T> {
    Done(Option<T>),
    Conflict,
}

impl<F, Fut, C> Watch<'_, F>
where
    F: FnMut(Watched) -> Fut,
    Fut: Future<Output = Result<Option<C>>>,
    C: Commands,
{
    /// Sets the maximum number of attempts. The default is 100; 0 counts as 1.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets the timeout of the whole operation: all attempts, including the time that the closure
    /// takes. The default is the timeout of the handle.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    #[expect(clippy::manual_async_fn, reason = "proves `Send` as `GetOrSet::run` does")]
    fn execute(mut self) -> impl Future<Output = Result<Option<C::Output>>> + Send
    where
        F: Send,
        Fut: Send,
        C: Send,
        C::Output: Send,
        C::Results: Send,
    {
        async move {
            let (keyspace, others) = self.keys.by_keyspace();
            let template =
                (self.keys.templates.len() == 1).then(|| self.keys.templates.first().copied()).flatten();
            let subject = Subject::new(keyspace, template, "WATCH");
            let mut call = CallOptions::default();
            call.set_others(others);
            let observed = Observed::command(&subject);
            let outcome = self.attempt_all(&subject, &call, &observed).await;
            observed.outcome(&subject, outcome.as_ref().err());
            outcome.map_err(|error| {
                let watch = Request::One(crate::protocol::Packet::new("WATCH", self.keys.keys()));
                subject.explain(call.naming_templates(keyspace, error), Some(&watch))
            })
        }
    }

    async fn attempt_all(
        &mut self,
        subject: &Subject,
        call: &CallOptions,
        observed: &Observed,
    ) -> Result<Option<C::Output>> {
        let keys = self.keys.keys();
        if matches!(keys, Keys::None) {
            return Err(Error::invalid_input(
                "there is no key to watch: pass at least one, or use `transaction`",
            ));
        }
        self.keys.check_handle(&self.redis)?;
        let target = Target::Handle(self.redis.clone());
        let binding = target.resolve(subject.keyspace)?;
        call.check_others(subject.keyspace, &target, &binding)?;
        let deadline = binding.deadline(self.timeout);
        observed.to_untimed(&binding);
        let mut attempts = WatchAttempts::new(binding, keys, deadline, self.attempts)?;
        loop {
            let session = attempts.begin().await?;
            let node = session.node().cloned();
            match self.attempt(session, deadline, subject).await {
                Ok(Attempted::Done(results)) => return Ok(results),
                Ok(Attempted::Conflict) => attempts.after_conflict().await?,
                Err(Failed::Final(error)) => return Err(error),
                Err(Failed::NotRun(error)) => attempts.recover(error, node.as_ref(), false).await?,
                Err(Failed::Reading(error)) => attempts.recover(error, node.as_ref(), true).await?,
            }
        }
    }

    async fn attempt(
        &mut self,
        session: WatchSession,
        deadline: Deadline,
        subject: &Subject,
    ) -> Result<Attempted<C::Output>, Failed> {
        let session = Arc::new(Mutex::new(Some(session)));
        let watched = Watched { redis: self.redis.clone(), session, deadline };
        let decided = deadline.bound(Budget::Reply, (self.work)(watched.clone())).await;
        let ended = || Failed::Final(Error::protocol("the connection of a watch is gone"));
        let mut session = watched.session.lock().await.take().ok_or_else(ended)?;
        let commands = match decided {
            Ok(Ok(Some(commands))) => commands,
            Ok(Ok(None)) => {
                session.end().await;
                return Ok(Attempted::Done(None));
            }
            Ok(Err(error)) => {
                let failure = session.take_failure();
                session.end().await;
                return Err(failure.map_or(Failed::Final(error), Failed::Reading));
            }
            Err(passed) => {
                return Err(Failed::Final(passed.reworded(
                    "the deadline passed while the closure of `watch` was running; nothing was changed; raise `timeout` if \
                     the closure takes long",
                )));
            }
        };
        let mut requests = BatchRequests::default();
        let commands = commands.finished(&mut requests);
        let mut parts = Vec::new();
        C::parts(&commands, &mut RequestsOfParts::new(&mut requests), &mut parts);
        let observed = Observed::batch("MULTI", parts.len());
        let of_commands = parts.first().map(|part| *part.subject);
        let run: BoxFuture<'_, _> =
            Box::pin(execute(&self.redis, session, &parts, &mut requests, subject, &observed));
        let Some(mut outcomes) = run.await? else { return Ok(Attempted::Conflict) };
        name_types(&self.redis, &parts, &requests, |_| deadline, &mut outcomes).await;
        observed.batch_ended("MULTI", of_commands.as_ref());
        let results = C::join(&commands, &mut PartOutcomes::new(outcomes, &requests, &self.redis, &observed));
        C::all(results).map(|results| Attempted::Done(Some(results))).map_err(Failed::Final)
    }
}

/// Why an attempt failed.
enum Failed {
    Final(Error),
    /// The transaction, which may have been executed unless the error says otherwise.
    NotRun(Error),
    /// A read before the transaction.
    Reading(Error),
}

/// Runs the transaction. Returns `None` if a watched key was changed.
async fn execute(
    redis: &Redis,
    session: WatchSession,
    parts: &[Part<'_>],
    requests: &mut BatchRequests,
    subject: &Subject,
    observed: &Observed,
) -> Result<Option<Vec<PartOutcome>>, Failed> {
    let gathered = match gather(redis, parts, requests) {
        Ok(gathered) => gathered,
        Err(error) => {
            session.end().await;
            return Err(Failed::Final(error));
        }
    };
    if let Some(gathered) = &gathered {
        let other = parts.first().and_then(|part| part.subject.keyspace);
        if let Err(error) = check_place(session.binding(), &gathered.binding, subject.keyspace, other) {
            session.end().await;
            return Err(Failed::Final(error));
        }
        observed.to(&gathered.binding);
        for (part, request) in parts.iter().zip(&requests.0) {
            observed.sent(part.subject, request);
        }
    }
    let packets = gathered.as_ref().map(|gathered| gathered.packets.clone()).unwrap_or_default();
    let replies = session.execute(packets).await.map_err(|error| {
        Failed::NotRun(match &gathered {
            Some(gathered) => gathered.naming_templates(error),
            None => error,
        })
    })?;
    let Some(replies) = replies else { return Ok(None) };
    if let Some(error) = not_executed(&replies) {
        return Err(Failed::NotRun(error));
    }
    match gathered {
        Some(gathered) => Ok(Some(gathered.outcomes(requests, Ok(replies)))),
        None => read::executed(false, replies).map(|_| Some(Vec::new())).map_err(Failed::Final),
    }
}

/// Returns the error because of which a node did not run the transaction, such as a redirection.
fn not_executed(replies: &Replies) -> Option<Error> {
    let [.., exec] = replies.as_slice() else { return None };
    if matches!(exec, Reply::Array(_)) {
        return None;
    }
    replies.as_slice().iter().find_map(|reply| match reply {
        Reply::Error(said) => Some(Error::server(said)).filter(Error::is_not_run),
        _ => None,
    })
}

impl<'f, F, Fut, C> IntoFuture for Watch<'f, F>
where
    F: FnMut(Watched) -> Fut + Send + 'f,
    Fut: Future<Output = Result<Option<C>>> + Send + 'f,
    C: Commands + Send + 'f,
    C::Output: Send + 'f,
    C::Results: Send,
{
    type Output = Result<Option<C::Output>>;
    type IntoFuture = BoxFuture<'f, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.execute().boxed()
    }
}

impl<F> fmt::Debug for Watch<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("keys", &self.keys)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("redis", &self.redis).finish_non_exhaustive()
    }
}
