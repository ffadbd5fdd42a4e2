//! Commands that take elements from the first of several keys that has any.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::base;
use super::docs::taking;
use super::lists::ListEnd;
use super::pop::{BlockingPop, Pop};
use super::several::{self, SeveralKeys};
use super::sorted_sets::pairs;
use crate::command::base::{Command, IntoCommand};
use crate::command::endings::Endings;
use crate::error::Result;
use crate::kind::{List, SingleValue, SortedSet};
use crate::protocol::{Args, Decode, KeyCount, Replies, Reply, Request};
use crate::schema::{Key, Keyspace};

/// Operations on several lists; see [`List`].
impl<S: Keyspace, T: SingleValue> Key<S, List<T>> {
    /// Takes an element from the first of these lists that has one. Returns the list and its
    /// elements; `None` if all lists are empty.
    ///
    /// [`count`](MultiPop::count) takes several elements, all of the same list.
    /// [`block`](MultiPop::block) waits for an element. Needs Redis 7.0. On a cluster, all lists must be
    /// in one slot.
    ///
    /// The handle that was set on the keys is not set on the returned key.
    ///
    /// ```
    /// # use redis_keyspace::command::ListEnd;
    /// # use redis_keyspace::{Key, Keyspace, List, Redis, Text};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "jobs", ttl = none)]
    /// struct JobKeys {
    ///     #[key("{{queue}}:urgent")]
    ///     urgent: List<Text>,
    ///     #[key("{{queue}}:usual")]
    ///     usual: List<Text>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// JobKeys::usual().rpush_many(["a", "b", "c"]).await?;
    /// let queues = [JobKeys::urgent(), JobKeys::usual()];
    /// let (queue, jobs) = Key::lmpop(queues, ListEnd::Left).count(2).await?.expect("there are jobs");
    /// assert_eq!((queue, jobs), (JobKeys::usual(), vec!["a".to_owned(), "b".to_owned()]));
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "LMPOP")]
    #[doc(alias = "BLMPOP")]
    pub fn lmpop(
        keys: impl IntoIterator<Item = Self>,
        end: ListEnd,
    ) -> MultiPop<Option<(Self, Vec<T::Owned>)>> {
        MultiPop::new::<S, _>(["LMPOP", "BLMPOP"], keys, end.word(), taken::<S, T>)
    }
}

/// Operations that take members from several sorted sets; see [`SortedSet`].
impl<S: Keyspace, T: SingleValue> Key<S, SortedSet<T>> {
    /// Takes the member with the lowest or highest score from the first of these sorted sets that
    /// has one. Returns the sorted set, and its members with their scores; `None` if all are empty.
    ///
    /// [`count`](MultiPop::count) takes several members, all of the same sorted set.
    /// [`block`](MultiPop::block) waits for a member. Needs Redis 7.0. On a cluster, all must be in one
    /// slot.
    ///
    /// The handle that was set on the keys is not set on the returned key.
    ///
    /// ```
    /// # use redis_keyspace::command::Extreme;
    /// # use redis_keyspace::{Key, Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "due", ttl = none)]
    /// # struct DueKeys { tasks: fn(priority: u8) -> SortedSet<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// DueKeys::tasks(2).zadd_many([(7, 100.0), (8, 50.0)]).await?;
    /// let taken = Key::zmpop([1, 2].map(DueKeys::tasks), Extreme::Min).await?;
    /// assert_eq!(taken, Some((DueKeys::tasks(2), vec![(8, 50.0)])));
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "ZMPOP")]
    #[doc(alias = "BZMPOP")]
    #[expect(clippy::type_complexity, reason = "it is the result of the operation")]
    pub fn zmpop(
        keys: impl IntoIterator<Item = Self>,
        extreme: Extreme,
    ) -> MultiPop<Option<(Self, Vec<(T::Owned, f64)>)>> {
        MultiPop::new::<S, _>(["ZMPOP", "BZMPOP"], keys, extreme.word(), taken_scored::<S, T>)
    }
}

/// An end of a sorted set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extreme {
    /// The lowest score.
    Min,
    /// The highest score.
    Max,
}

impl Extreme {
    fn word(self) -> &'static [u8] {
        match self {
            Self::Min => b"MIN",
            Self::Max => b"MAX",
        }
    }
}

/// A command that takes elements from one of several keys, created by [`Key::lmpop`] and
/// [`Key::zmpop`].
///
/// Awaited as it is, it answers at once. [`block`](Self::block) makes it wait for an element.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct MultiPop<R>(Pop<R>);

impl<R> MultiPop<R> {
    fn new<S: Keyspace, V>(
        [command, blocking]: [&'static str; 2],
        keys: impl IntoIterator<Item = Key<S, V>>,
        word: &[u8],
        decode: Decode<R>,
    ) -> Self {
        let mut args = Args::default();
        args.push(word);
        let keys: Vec<_> = keys.into_iter().collect();
        let endings = Endings::of(&keys);
        let mut command = SeveralKeys::of(keys).command::<S, R>(command, KeyCount::Sent, Ok(args), decode);
        let request = std::mem::replace(&mut command.request, Ok(Request::Empty));
        // Any of the keys may be the one that is written.
        command.request = several::check_names(request).map(|request| match request {
            Request::One(packet) => endings.before(vec![packet]),
            request => request,
        });
        Self(Pop::new(command, blocking, decode))
    }

    crate::client::call_options! { self => self.0.command().call;
        /// Sets the deadline of the command. It covers waiting for a connection, connecting and the
        /// reply, each on its own if [`block`](Self::block) waits between them.
    }

    /// Takes up to this many elements of one key; with 0 none, and nothing is sent.
    pub fn count(mut self, count: u32) -> Self {
        let command = self.0.command();
        if let Some(packet) = command.request.as_mut().ok().and_then(Request::requested_mut) {
            let mut args = Args::default();
            packet.args.iter().take(1).for_each(|end| args.push(end));
            args.push(b"COUNT");
            args.push_int(count);
            packet.args = args;
            if count == 0 {
                command.request = Ok(Request::Empty);
            }
        }
        self
    }

    /// Waits up to `limit` for an element; see [`Pop::block`]. Of several keys that have elements,
    /// the first one is used.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::command::ListEnd;
    /// # use redis_keyspace::{Key, Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "jobs", ttl = none)]
    /// # struct JobKeys { waiting: fn(queue: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// JobKeys::waiting(2).rpush(&42).await?;
    /// let queues = [1, 2].map(JobKeys::waiting);
    /// let taken = Key::lmpop(queues, ListEnd::Left).block(Duration::from_secs(5)).await?;
    /// assert_eq!(taken, Some((JobKeys::waiting(2), vec![42])));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the command without `block`, and [`InvalidInput`](crate::ErrorKind::InvalidInput)
    /// if the limit is zero, or if a key has a template with `fills = true`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the connection. Elements that the server sends just then are
    /// lost; see [`Pop::block`].
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "BLMPOP")]
    #[doc(alias = "BZMPOP")]
    pub fn block(self, limit: Duration) -> BlockingPop<R> {
        self.0.block(limit)
    }
}

impl<R: 'static> IntoCommand for MultiPop<R> {
    type Output = R;

    fn into_command(self) -> Command<R> {
        self.0.into_command()
    }
}

impl<R> Future for MultiPop<R> {
    type Output = Result<R>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R>> {
        Pin::new(&mut self.get_mut().0).poll(context)
    }
}

impl<R> fmt::Debug for MultiPop<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Splits the reply into the key and its elements; `None` if nothing was taken.
fn parts<S: Keyspace, V>(request: &Request, replies: Replies) -> Result<Option<(Key<S, V>, Reply)>> {
    let reply = base::answer(request, replies)?;
    if reply == Reply::Nil {
        return Ok(None);
    }
    match <[Reply; 2]>::try_from(base::list(reply)?) {
        Ok([Reply::Bulk(name), elements]) => Ok(Some((several::named(request, &name)?, elements))),
        _ => Err(base::unexpected("a key and a list were expected")),
    }
}

#[expect(clippy::type_complexity, reason = "it is the result of the operation")]
fn taken<S: Keyspace, T: SingleValue>(
    request: &Request,
    replies: Replies,
) -> Result<Option<(Key<S, List<T>>, Vec<T::Owned>)>> {
    let Some((key, elements)) = parts(request, replies)? else { return Ok(None) };
    Ok(Some((key, base::elements::<T>(request, Replies::One(elements))?)))
}

#[expect(clippy::type_complexity, reason = "it is the result of the operation")]
fn taken_scored<S: Keyspace, T: SingleValue>(
    request: &Request,
    replies: Replies,
) -> Result<Option<(Key<S, SortedSet<T>>, Vec<(T::Owned, f64)>)>> {
    let Some((key, members)) = parts(request, replies)? else { return Ok(None) };
    Ok(Some((key, pairs::<T>(request, Replies::One(members))?)))
}
