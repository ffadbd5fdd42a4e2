//! Commands on many keys whose results can be had separately.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::future::BoxFuture;

use super::base::{Command, IntoCommand, polled_already};
use crate::client::{CallOptions, Redis, Target, call_options, wait_option};
use crate::error::{Error, Result};
use crate::schema::{Key, Keyspace, OnUnavailable, Reads};

/// A command on many keys, created by [`Key::get_many`] and [`Key::del_many`]. Await it, pass it to
/// [`Redis::batch`], or call [`each`](Self::each). `R` is the result of the command, and `E` that of
/// one key.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct ManyKeys<S, V, R, E> {
    command: Command<R>,
    keys: Vec<Key<S, V>>,
    single: fn(&Key<S, V>) -> Command<E>,
    /// Whether the command was polled before an option was set.
    was_polled: bool,
}

impl<S: Keyspace, V: 'static, R, E: Send + 'static> ManyKeys<S, V, R, E> {
    /// `single` is the command on one of the keys.
    pub(super) fn new(
        command: Command<R>,
        keys: Vec<Key<S, V>>,
        single: fn(&Key<S, V>) -> Command<E>,
    ) -> Self {
        Self { command, keys, single, was_polled: false }
    }

    fn unpolled(&mut self) -> &mut Command<R> {
        self.was_polled |= !self.command.run.is_new();
        self.command.unpolled()
    }

    call_options! { self => self.unpolled().call;
        /// Sets the deadline of the command. It covers waiting for a connection, connecting and the
        /// replies of all keys. The commands of a [batch](crate::Redis::batch) are sent together,
        /// so the shortest of their deadlines applies to all.
    }

    wait_option! { self => self.unpolled().call }

    /// Overrides how the keyspace behaves when Redis is unavailable; see
    /// [`Command::on_unavailable`].
    pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
        self.unpolled().subject.on_unavailable = Some(answer);
        self
    }

    /// Overrides which server answers the command; see [`Command::reads`]. With
    /// [`each`](Self::each), the option has no effect: the master answers.
    pub fn reads(mut self, reads: Reads) -> Self {
        self.unpolled().subject.reads_from = Some(reads);
        self
    }

    /// Returns the result of each key, in the order of the keys, so that one failure does not hide
    /// the others. For example, if one node of a [cluster](crate::guide::cluster) is down, only its
    /// keys fail.
    ///
    /// Sends one command for each key, as a [batch](crate::Redis::batch) does. So unlike
    /// [`get_many`](Key::get_many) as a whole, a key that holds another Redis type is a
    /// [`WrongType`](crate::ErrorKind::WrongType) error. The keys may be on different servers. A key
    /// that occurs twice has two results: `del_many` finds it only the first time.
    ///
    /// ```
    /// # use redis_keyspace::{ErrorKind, Json, Key, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", ttl = 3600)]
    /// # struct CartKeys { user: fn(id: u64) -> Json<Vec<String>> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// CartKeys::user(7).set(&vec!["lamp".to_owned()]).await?;
    /// let carts = Key::get_many([7, 8].map(CartKeys::user)).each().await?;
    /// for (id, cart) in [7, 8].iter().zip(carts) {
    ///     match cart {
    ///         Ok(cart) => println!("{id}: {} items", cart.map_or(0, |items| items.len())),
    ///         Err(error) => println!("{id}: {error}"),
    ///     }
    /// }
    /// let deleted = Key::del_many([7, 8].map(CartKeys::user)).each().await?;
    /// assert!(matches!(deleted[..], [Ok(true), Ok(false)]));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// In a transaction, or next to other commands of a batch, pass a `Vec` of commands on one key
    /// each, and call [`Batch::each`](super::Batch::each).
    ///
    /// # Errors
    ///
    /// Fails as a whole only if a key has no server, if the command was polled before, or if
    /// [`wait_replicas`](Self::wait_replicas) is set. One deadline applies to all keys. If it
    /// passes before a server, or a node of a cluster, has answered for all of its keys, all of
    /// them fail, even if some of the commands ran. Keys on other servers and nodes keep their
    /// results. If a connection is lost, all keys that were sent on it fail, unless their commands
    /// are safe to repeat. Reads are, deletions are not.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, any of the commands may
    /// still run.
    ///
    /// # Round trips
    ///
    /// As for [`Redis::batch`].
    pub async fn each(self) -> Result<Vec<Result<E>>> {
        let Self { mut command, keys, single, was_polled } = self;
        if was_polled || !command.run.is_new() {
            return Err(polled_already(command.subject.command));
        }
        let call = std::mem::take(&mut command.call);
        let handles: Vec<_> = keys.iter().map(Key::redis).collect();
        let singles = keys.iter().map(|key| {
            single(key).with_call(call.clone()).with_on_unavailable(command.subject.on_unavailable)
        });
        run_each::<S, E>(singles.collect(), handles, &call).await
    }
}

/// Runs commands on one key each as a batch. `handles` are those that were set on the keys, and
/// `call` has the options of all commands.
pub(super) async fn run_each<S: Keyspace, E: Send + 'static>(
    commands: Vec<Command<E>>,
    handles: Vec<Option<Redis>>,
    call: &CallOptions,
) -> Result<Vec<Result<E>>> {
    if call.wait.is_some() {
        return Err(Error::invalid_input(
            "`each` can't wait for replicas, because all keys share a connection: remove `wait_replicas`",
        ));
    }
    if commands.is_empty() {
        return Ok(Vec::new());
    }
    let own = handles.into_iter().collect::<Option<Vec<_>>>().and_then(|mut own| own.pop());
    let redis = match (&call.target, own) {
        (Target::Handle(redis), _) => redis.clone(),
        // Each command has its own handle, so this one is not used.
        (_, Some(own)) => own,
        _ => Redis::current_for::<S>()?,
    };
    // Boxed, because the compiler limits how deeply the futures of callers nest.
    let run: BoxFuture<'_, _> = Box::pin(redis.batch(commands).each());
    run.await
}

impl<S, V, R, E> IntoCommand for ManyKeys<S, V, R, E>
where
    R: 'static,
{
    type Output = R;

    fn into_command(self) -> Command<R> {
        self.command
    }
}

impl<S, V, R, E> Future for ManyKeys<S, V, R, E> {
    type Output = Result<R>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.get_mut().command).poll(context)
    }
}

// Nothing is pinned in place: the command is `Unpin`.
impl<S, V, R, E> Unpin for ManyKeys<S, V, R, E> {}

impl<S, V, R, E> fmt::Debug for ManyKeys<S, V, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.command, f)
    }
}
