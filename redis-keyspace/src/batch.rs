//! Several commands in one round trip.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::Redis;
use crate::command::reply::{self, Decode};
use crate::command::{Command, IntoCommand, Request, Subject};
use crate::connect::lane::Replies;
use crate::connect::lane::resp::Reply;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::handle::{Binding, target};
use crate::keyspace::KeyspaceMeta;
use crate::observe::Observed;
use crate::run::{not_run, run};

impl Redis {
    /// Runs several commands in one round trip, with exactly typed results: a tuple of up to 16 commands, or a `Vec` or
    /// array of commands of one type.
    ///
    /// The commands run in order but not atomically: others may come in between, and each succeeds or fails for itself.
    /// Commands of keyspaces on different databases or servers travel at the same time, on the connection of each.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", ttl = 3600)]
    /// # struct CartKeys { user: fn(id: u64) -> Json<Vec<String>>, views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// let (cart, views): (Option<Vec<String>>, i64) =
    ///     redis.batch((CartKeys::user(7).get(), CartKeys::views(7).incr())).await?;
    ///
    /// // each for itself:
    /// let (cart, views) = redis.batch((CartKeys::user(7).get(), CartKeys::views(7).incr())).each().await?;
    /// assert_eq!((cart?, views?), (None, 2));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When a command failed: the error is the first failure and says how many there were; the others have run.
    /// [`each`](Batch::each) gives every result instead. [`InvalidInput`](crate::ErrorKind::InvalidInput), with nothing
    /// sent, when the server is a node of a cluster and the keys are in several [slots](crate::Key::slot).
    pub fn batch<C: Commands>(&self, commands: C) -> Batch<C> {
        Batch { redis: self.clone(), commands, timeout: None, atomic: false }
    }

    /// Runs several commands as one `MULTI` / `EXEC`, in one round trip: no other command comes in between. As Redis has
    /// it, a command that fails when it runs does not undo the others.
    ///
    /// All keyspaces must be on the same server and database.
    ///
    /// # Errors
    ///
    /// As [`batch`](Self::batch); and [`InvalidInput`](crate::ErrorKind::InvalidInput), with nothing sent, when the
    /// commands are for different databases or servers.
    pub fn transaction<C: Commands>(&self, commands: C) -> Batch<C> {
        Batch { redis: self.clone(), commands, timeout: None, atomic: true }
    }
}

/// Several commands that go in one round trip: await it. See [`Redis::batch`].
#[must_use = "the commands do nothing unless the batch is awaited"]
pub struct Batch<C> {
    redis: Redis,
    commands: C,
    timeout: Option<Duration>,
    atomic: bool,
}

impl<C: Commands> Batch<C> {
    /// Gives the batch a deadline of its own, over waiting for a connection, connecting and all replies. Where its
    /// commands state some too, the shortest is that of all.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Gives the result of every command, so that one failure does not hide the others.
    ///
    /// # Errors
    ///
    /// When no command could be run at all because the choice of servers is unusable.
    pub async fn each(self) -> Result<C::Results> {
        let mut parts = Vec::new();
        let decoders = self.commands.split(&mut parts);
        let timeout = parts.iter().filter_map(|part| part.timeout).chain(self.timeout).min();
        let name = if self.atomic { "MULTI" } else { "PIPELINE" };
        let observed = Arc::new(Observed::batch(name, parts.len()));
        let outcomes = if self.atomic {
            let subject = parts.first().map(|part| part.request.subject);
            let outcomes = transact(&self.redis, parts, timeout, &observed).await;
            if let (Err(error), Some(subject)) = (&outcomes, subject) {
                observed.outcome(&subject, Some(error));
            }
            outcomes?
        } else {
            send(&self.redis, parts, timeout, &observed).await
        };
        Ok(C::join(decoders, &mut outcomes.into_iter()))
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<C> IntoFuture for Batch<C>
where
    C: Commands + Send + 'static,
    C::Output: 'static,
    C::Results: Send,
    C::Decoders: Send,
{
    type Output = Result<C::Output>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { C::all(self.each().await?) })
    }
}

impl<C> fmt::Debug for Batch<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("redis", &self.redis)
            .field("atomic", &self.atomic)
            .finish_non_exhaustive()
    }
}

/// A command on its way through a batch.
#[doc(hidden)]
#[derive(Debug)]
pub struct Part {
    request: PartRequest,
    redis: Option<Redis>,
    timeout: Option<Duration>,
}

/// What came of it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Outcome {
    request: PartRequest,
    replies: Result<PartReplies>,
    /// What a degraded answer stands for.
    instead_of: Option<Error>,
    observed: Arc<Observed>,
}

// Named apart so that nothing private shows in the signatures of the hidden trait.
struct PartRequest {
    request: Result<Request>,
    subject: Subject,
    repeatable: bool,
}
struct PartReplies(Replies);

impl fmt::Debug for PartRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PartRequest").field(&self.subject.command).finish()
    }
}

impl fmt::Debug for PartReplies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartReplies")
    }
}

/// How the results of one type are read.
#[doc(hidden)]
pub struct Decoder<T>(Decode<T>);

impl<T> fmt::Debug for Decoder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

impl<T> Decoder<T> {
    fn split(command: Command<T>, parts: &mut Vec<Part>) -> Self {
        let timeout = command.stated_timeout();
        let (request, subject, repeatable, decode, redis) = command.into_parts();
        parts.push(Part { request: PartRequest { request, subject, repeatable }, redis, timeout });
        Self(decode)
    }

    fn join(self, outcome: Option<Outcome>) -> Result<T> {
        let Some(Outcome { request, replies, instead_of, observed }) = outcome else {
            return Err(Error::protocol("a command of the batch got no answer"));
        };
        let sent = request.request.as_ref();
        let result = replies.and_then(|PartReplies(replies)| {
            let request = sent.map_err(Error::clone)?;
            (self.0)(request, reply::asked_for(request, replies)?)
        });
        observed.outcome(&request.subject, instead_of.as_ref().or(result.as_ref().err()));
        result.map_err(|error| request.subject.explain(error, sent.ok()))
    }
}

/// What [`Redis::batch`] takes: tuples of up to 16 commands, and `Vec`s and arrays of one type of command.
pub trait Commands: sealed::Sealed {
    /// The results, when all commands succeed.
    type Output;
    /// The result of every command.
    type Results;
    #[doc(hidden)]
    type Decoders;

    #[doc(hidden)]
    fn split(self, parts: &mut Vec<Part>) -> Self::Decoders;
    #[doc(hidden)]
    fn join(decoders: Self::Decoders, outcomes: &mut dyn Iterator<Item = Outcome>) -> Self::Results;
    #[doc(hidden)]
    fn all(results: Self::Results) -> Result<Self::Output>;
}

mod sealed {
    pub trait Sealed {}
}

/// Collects failures of a batch.
#[derive(Default)]
struct Failures {
    first: Option<Error>,
    failed: usize,
    total: usize,
}

impl Failures {
    fn sift<T>(&mut self, result: Result<T>) -> Option<T> {
        self.total += 1;
        result
            .map_err(|error| {
                self.failed += 1;
                self.first.get_or_insert(error);
            })
            .ok()
    }

    fn into_error(self) -> Error {
        let Self { first, failed, total } = self;
        match first {
            Some(first) if failed == 1 && total == 1 => first,
            Some(first) => first.in_batch(failed, total),
            None => Error::protocol("a command of the batch got no answer"),
        }
    }
}

impl<C: IntoCommand> sealed::Sealed for Vec<C> {}

impl<C: IntoCommand> Commands for Vec<C> {
    type Output = Vec<C::Output>;
    type Results = Vec<Result<C::Output>>;
    type Decoders = Vec<Decoder<C::Output>>;

    fn split(self, parts: &mut Vec<Part>) -> Self::Decoders {
        self.into_iter().map(|command| Decoder::split(command.into_command(), parts)).collect()
    }

    fn join(decoders: Self::Decoders, outcomes: &mut dyn Iterator<Item = Outcome>) -> Self::Results {
        decoders.into_iter().map(|decoder| decoder.join(outcomes.next())).collect()
    }

    fn all(results: Self::Results) -> Result<Self::Output> {
        let mut failures = Failures::default();
        let values: Vec<_> = results.into_iter().filter_map(|result| failures.sift(result)).collect();
        if failures.failed == 0 { Ok(values) } else { Err(failures.into_error()) }
    }
}

impl<C: IntoCommand, const N: usize> sealed::Sealed for [C; N] {}

impl<C: IntoCommand, const N: usize> Commands for [C; N] {
    type Output = [C::Output; N];
    type Results = [Result<C::Output>; N];
    type Decoders = [Decoder<C::Output>; N];

    fn split(self, parts: &mut Vec<Part>) -> Self::Decoders {
        self.map(|command| Decoder::split(command.into_command(), parts))
    }

    fn join(decoders: Self::Decoders, outcomes: &mut dyn Iterator<Item = Outcome>) -> Self::Results {
        decoders.map(|decoder| decoder.join(outcomes.next()))
    }

    fn all(results: Self::Results) -> Result<Self::Output> {
        let mut failures = Failures::default();
        let values: Vec<_> = results.into_iter().filter_map(|result| failures.sift(result)).collect();
        values.try_into().map_err(|_| failures.into_error())
    }
}

macro_rules! tuples {
    ($($($command:ident $value:ident),+;)+) => {$(
        impl<$($command: IntoCommand),+> sealed::Sealed for ($($command,)+) {}

        impl<$($command: IntoCommand),+> Commands for ($($command,)+) {
            type Output = ($($command::Output,)+);
            type Results = ($(Result<$command::Output>,)+);
            type Decoders = ($(Decoder<$command::Output>,)+);

            fn split(self, parts: &mut Vec<Part>) -> Self::Decoders {
                let ($($value,)+) = self;
                ($(Decoder::split($value.into_command(), parts),)+)
            }

            fn join(decoders: Self::Decoders, outcomes: &mut dyn Iterator<Item = Outcome>) -> Self::Results {
                let ($($value,)+) = decoders;
                ($($value.join(outcomes.next()),)+)
            }

            fn all(results: Self::Results) -> Result<Self::Output> {
                let ($($value,)+) = results;
                let mut failures = Failures::default();
                $(let $value = failures.sift($value);)+
                match ($($value,)+) {
                    ($(Some($value),)+) => Ok(($($value,)+)),
                    _ => Err(failures.into_error()),
                }
            }
        }
    )+};
}

tuples! {
    A a;
    A a, B b;
    A a, B b, C c;
    A a, B b, C c, D d;
    A a, B b, C c, D d, E e;
    A a, B b, C c, D d, E e, F f;
    A a, B b, C c, D d, E e, F f, G g;
    A a, B b, C c, D d, E e, F f, G g, H h;
    A a, B b, C c, D d, E e, F f, G g, H h, I i;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l, M m;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l, M m, N n;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l, M m, N n, O o;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l, M m, N n, O o, P p;
}

/// A command that states a server of its own keeps it; the others run on the batch's.
fn binding(redis: &Redis, part: &Part) -> Result<Arc<Binding>> {
    let keyspace = part.request.subject.keyspace;
    let stated = part.redis.as_ref().or(Some(redis));
    target(stated, keyspace)
}

/// The replies to each command of a group, by its place in the batch.
type Answers = Vec<(usize, Result<Replies>)>;

struct Group {
    binding: Arc<Binding>,
    indices: Vec<usize>,
    requests: Vec<Request>,
    keyspaces: Vec<&'static KeyspaceMeta>,
    repeatable: bool,
}

async fn send(
    redis: &Redis,
    parts: Vec<Part>,
    timeout: Option<Duration>,
    observed: &Arc<Observed>,
) -> Vec<Outcome> {
    let mut groups: Vec<Group> = Vec::new();
    let mut answers: Vec<Option<Result<PartReplies>>> = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let bound = (part.request.request.as_ref().map_err(Error::clone))
            .and_then(|request| Ok((request, binding(redis, part)?)));
        answers.push(match bound {
            Err(error) => Some(Err(error)),
            Ok((Request::Empty, _)) => Some(Ok(PartReplies(Replies::Many(Vec::new())))),
            Ok((request, binding)) => {
                observed.to(&binding);
                Group::of(&mut groups, binding).add(index, request.clone(), &part.request);
                None
            }
        });
    }
    let sent: Vec<BoxFuture<Answers>> =
        groups.into_iter().map(|group| Box::pin(group.send(timeout)) as _).collect();
    for (index, replies) in join_all(sent).await.into_iter().flatten() {
        if let Some(answer) = answers.get_mut(index) {
            *answer = Some(replies.map(PartReplies));
        }
    }
    let unanswered = || Err(Error::protocol("a command of the batch got no answer"));
    (parts.into_iter().zip(answers))
        .map(|(part, answer)| {
            let Part { request, redis: stated, .. } = part;
            let (mut replies, mut instead_of) = (answer.unwrap_or_else(unanswered), None);
            // A server that does not run commands now is as good as away.
            if let (Ok(PartReplies(answer)), Ok(asked)) = (&replies, &request.request)
                && let Some(error) = not_run(asked, answer, false)
            {
                replies = Err(error);
            }
            if let (Err(error), Ok(asked)) = (&replies, &request.request)
                && let Some(degraded) =
                    request.subject.degraded(error, asked, stated.as_ref().or(Some(redis)))
            {
                instead_of = Some(error.clone());
                replies = Ok(PartReplies(degraded));
            }
            Outcome { request, replies, instead_of, observed: Arc::clone(observed) }
        })
        .collect()
}

impl Group {
    /// The group of this binding's connections, which is new if there is none.
    fn of(groups: &mut Vec<Self>, binding: Arc<Binding>) -> &mut Self {
        let place = groups.iter().position(|group| {
            Arc::ptr_eq(group.binding.pool(), binding.pool()) && group.binding.namespace == binding.namespace
        });
        let place = place.unwrap_or(groups.len());
        if place == groups.len() {
            let (indices, requests, keyspaces) = (Vec::new(), Vec::new(), Vec::new());
            groups.push(Self { binding, indices, requests, keyspaces, repeatable: true });
        }
        #[expect(clippy::indexing_slicing, reason = "the place was found or made right above")]
        &mut groups[place]
    }

    fn add(&mut self, index: usize, request: Request, part: &PartRequest) {
        self.indices.push(index);
        self.requests.push(request);
        self.keyspaces.extend(part.subject.keyspace);
        self.repeatable &= part.repeatable;
    }

    /// Sends the group and divides the replies among its commands.
    async fn send(self, timeout: Option<Duration>) -> Answers {
        let Self { binding, indices, requests, keyspaces, repeatable } = self;
        let shares: Vec<_> = requests.iter().map(Request::replies).collect();
        let deadline = Deadline::after(timeout.unwrap_or(binding.timeout));
        match run(binding, Request::Batch(requests), deadline, repeatable, None).await {
            Err(error) => {
                let error = error.naming_templates(&mut keyspaces.into_iter());
                indices.into_iter().map(|index| (index, Err(error.clone()))).collect()
            }
            Ok(replies) => {
                let mut replies = reply::many(replies).into_iter();
                (indices.into_iter().zip(shares))
                    .map(|(index, share)| (index, Ok(Replies::Many(replies.by_ref().take(share).collect()))))
                    .collect()
            }
        }
    }
}

/// Runs the commands of all parts as one transaction.
async fn transact(
    redis: &Redis,
    parts: Vec<Part>,
    timeout: Option<Duration>,
    observed: &Arc<Observed>,
) -> Result<Vec<Outcome>> {
    let mut bindings: Vec<(Arc<Binding>, Subject)> = Vec::new();
    let mut packets = Vec::new();
    for part in &parts {
        // A command that can't be sent keeps all from being sent: that is what all or nothing means.
        let subject = part.request.subject;
        let explain = |error| subject.explain(error, None);
        let request = part.request.request.as_ref().map_err(Error::clone).map_err(explain)?;
        bindings.push((binding(redis, part).map_err(explain)?, subject));
        packets.extend_from_slice(request.packets());
    }
    let Some((first, subject)) = bindings.first() else { return Ok(Vec::new()) };
    for (other, other_subject) in &bindings {
        if !Arc::ptr_eq(first.pool(), other.pool()) || first.namespace != other.namespace {
            let name =
                |subject: &Subject| subject.keyspace.map_or("the server itself", |keyspace| keyspace.name());
            return Err(Error::invalid_input(format!(
                "a transaction runs on one server and database, but {} and {} are on different ones or have different \
                 connection options; use `batch` where it need not be atomic",
                name(subject),
                name(other_subject),
            )));
        }
    }
    let binding = Arc::clone(first);
    observed.to(&binding);
    let deadline = Deadline::after(timeout.unwrap_or(binding.timeout));
    let replies = if packets.is_empty() {
        Ok(Vec::new())
    } else {
        let ends_fills = packets.iter().any(|packet| packet.aside);
        let sent = run(binding, Request::Atomic(packets), deadline, false, None).await;
        sent.and_then(reply::executed).map_err(|error| match error.code() {
            Some("NOPERM") if ends_fills => error.explained(reply::RIGHTS),
            _ => error,
        })
    };
    let mut results = match replies {
        Ok(results) => Ok(results.into_iter()),
        Err(error) => {
            let keyspaces = bindings.iter().filter_map(|(_, subject)| subject.keyspace);
            Err(error.naming_templates(&mut { keyspaces }))
        }
    };
    Ok(parts
        .into_iter()
        .map(|part| {
            let replies = match (&mut results, &part.request.request) {
                (Err(error), _) => Err(error.clone()),
                (_, Err(error)) => Err(error.clone()),
                (Ok(results), Ok(request)) => {
                    let share: Vec<_> = results.take(request.packets().len()).collect();
                    Ok(PartReplies(as_if_alone(request, share)))
                }
            };
            Outcome { request: part.request, replies, instead_of: None, observed: Arc::clone(observed) }
        })
        .collect())
}

/// A command that brings its own MULTI when it is alone reads its results out of an EXEC.
fn as_if_alone(request: &Request, share: Vec<Reply>) -> Replies {
    match request {
        Request::Atomic(_) => Replies::Many(vec![Reply::Array(share)]),
        _ => Replies::Many(share),
    }
}

/// Awaits all of a few futures at once.
async fn join_all<T>(mut futures: Vec<BoxFuture<T>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut all = true;
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *result = Some(value),
                    Poll::Pending => all = false,
                }
            }
        }
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}
