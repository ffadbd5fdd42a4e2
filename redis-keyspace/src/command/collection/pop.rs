//! Commands that take an element, at once or when there is one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::client::call_options;
use crate::command::base::{Command, IntoCommand};
use crate::error::{Error, Result};
use crate::protocol::{Decode, PacketLifetime, Request};

/// A command that takes an element, created by [`Key::lpop`](crate::Key::lpop) and similar methods.
///
/// Awaited as it is, it answers at once. [`block`](Self::block) makes it wait for an element.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct Pop<R> {
    command: Command<R>,
    /// The command that waits.
    blocking: &'static str,
    decode: Decode<R>,
}

impl<R> Pop<R> {
    pub(super) fn new(command: Command<R>, blocking: &'static str, decode: Decode<R>) -> Self {
        Self { command, blocking, decode }
    }

    /// Returns the command, to change its options.
    pub(super) fn command(&mut self) -> &mut Command<R> {
        self.command.unpolled()
    }

    call_options! { self => self.command.unpolled().call;
        /// Sets the deadline of the command. It covers waiting for a connection, connecting and the
        /// reply, each on its own if [`block`](Self::block) waits between them.
    }

    /// Waits up to `limit` for an element. Returns `None` if none arrives in that time.
    ///
    /// The wait begins when a connection is there. The limit is rounded up to milliseconds, is at
    /// least two milliseconds and at most a week. Zero is an error, because it would mean forever
    /// in Redis.
    ///
    /// Of several waiting clients, the server serves the one that has waited longest.
    ///
    /// The command uses an exclusive connection while it waits; see
    /// [`exclusive_connections`](crate::RedisBuilder::exclusive_connections). So it can't be part
    /// of a batch.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "jobs", ttl = none)]
    /// # struct JobKeys { waiting: fn(queue: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let queue = JobKeys::waiting(1);
    /// let (job, length) = tokio::join!(
    ///     async { queue.lpop().block(Duration::from_secs(5)).await },
    ///     async { queue.rpush(&42).await },
    /// );
    /// assert_eq!((job?, length?), (Some(42), 1));
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
    /// Dropping the future closes the connection, and the server stops waiting. An element that the
    /// server sends just then is lost. If waits are often dropped while elements arrive, this is
    /// not rare: a short `tokio::time::timeout` around each wait may lose several elements of a
    /// hundred. So let `limit` end the wait, and keep the future in a `select!` loop instead of
    /// creating it again.
    ///
    /// The connection is closed, instead of ending the wait with `CLIENT UNBLOCK`. That command
    /// needs another connection and two replies, for which no caller waits any more. An element
    /// that the server has already sent would have to be pushed back: this may fail, and changes
    /// the order. Closing works in the same way when the program ends.
    ///
    /// If elements must not be lost, use [`lmove`](crate::Key::lmove), which keeps the element in
    /// another list, or a stream with a [worker](crate::worker). They also survive the end of the
    /// process and a lost connection.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "BLPOP")]
    #[doc(alias = "BRPOP")]
    #[doc(alias = "BLMOVE")]
    #[doc(alias = "BZPOPMIN")]
    #[doc(alias = "BZPOPMAX")]
    pub fn block(mut self, limit: Duration) -> BlockingPop<R> {
        let command = self.command.unpolled();
        command.subject.command = self.blocking;
        command.decode = self.decode;
        command.call.wait_for_elements(limit);
        let request = std::mem::replace(&mut command.request, Ok(Request::Empty));
        command.request = request.and_then(|mut request| {
            // The element is taken later than such a command runs.
            if request.packets().iter().any(|packet| packet.aside) {
                return Err(Error::invalid_input(format!(
                    "{} can't end fills in flight when it takes an element, because it waits: remove `fills = true` from the \
                     template, or leave `block` out",
                    self.blocking
                )));
            }
            let Some(packet) = request.requested_mut() else { return Ok(request) };
            if limit.is_zero() {
                return Err(Error::invalid_input(
                    "a wait of zero would be endless: leave `block` out to take only what is there, or give a limit",
                ));
            }
            if packet.key_lifetime().is_some() {
                return Err(Error::invalid_input(format!(
                    "{} can't set the TTL that the template of the other key declares: declare `ttl = none` for it, or leave \
                     `block` out",
                    self.blocking
                )));
            }
            // The handle may still set a TTL for the keyspace.
            packet.lifetime = packet.lifetime.map(|_| PacketLifetime::Impossible);
            packet.name = self.blocking;
            Ok(request)
        });
        BlockingPop(self.command)
    }
}

impl<R: 'static> IntoCommand for Pop<R> {
    type Output = R;

    fn into_command(self) -> Command<R> {
        self.command
    }
}

impl<R> Future for Pop<R> {
    type Output = Result<R>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R>> {
        Pin::new(&mut self.get_mut().command).poll(context)
    }
}

impl<R> fmt::Debug for Pop<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.command.fmt(f)
    }
}

/// A command that waits for an element, created by [`Pop::block`]. Await it. It can't be part of a
/// batch.
#[must_use = "a command does nothing unless it is awaited"]
pub struct BlockingPop<R>(Command<R>);

impl<R> BlockingPop<R> {
    call_options! { self => self.0.unpolled().call;
        /// Sets how long waiting for a connection and connecting may take together, and how late
        /// the reply may be after the wait.
    }
}

impl<R> Future for BlockingPop<R> {
    type Output = Result<R>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R>> {
        Pin::new(&mut self.get_mut().0).poll(context)
    }
}

impl<R> fmt::Debug for BlockingPop<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
