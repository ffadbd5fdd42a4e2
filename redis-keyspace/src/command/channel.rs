//! The commands of channels.

use super::base::Command;
use crate::error::{Error, Result};
use crate::kind::{Channel, SingleValue};
use crate::protocol::{Args, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// Operations of channels; see [`Channel`].
impl<S: Keyspace, T: SingleValue> Key<S, Channel<T>> {
    /// Publishes a message. Returns how many connections received it, each counted once for the
    /// channel and once for each of its patterns that match.
    ///
    /// All subscriptions of a pool of this library to the channel share a connection, so they count
    /// as one. On a cluster, that is the number at the node that runs the command, which is a part
    /// of all.
    ///
    /// Messages that a task publishes one after the other, each awaited before the next, arrive in
    /// this order. So do those of one batch or transaction. Commands that run at the same time, for
    /// example in `tokio::join!`, use different connections, and may overtake each other.
    ///
    /// A [disabled](crate::Redis::disabled) handle drops the message and returns 0.
    ///
    /// ```
    /// # use redis_keyspace::{Channel, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "chat")]
    /// # struct ChatKeys { room: fn(id: u64) -> Channel<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(ChatKeys::room(7).publish("hello").await?, 0);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind). Not retried after a lost
    /// connection: subscribers may have received the message.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the message may be
    /// published.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "PUBLISH")]
    #[doc(alias = "SPUBLISH")]
    pub fn publish(&self, message: &T::Borrowed) -> Command<u64> {
        let command = if self.template().is_sharded() { "SPUBLISH" } else { "PUBLISH" };
        let checks = self.checks();
        let fill = |args: &mut Args| args.push_with(|out| checks.encode::<T>(message, out));
        Command::on_key(self, command, fill, read::count)
    }

    /// Returns how many connections are subscribed to the channel, without those that are
    /// subscribed to a pattern.
    ///
    /// All subscriptions of a pool of this library share a connection. On a cluster, that is the
    /// number at one node: for a sharded channel all of them, otherwise a part.
    ///
    /// ```
    /// # use redis_keyspace::{Channel, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "chat")]
    /// # struct ChatKeys { room: fn(id: u64) -> Channel<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let messages = ChatKeys::room(7).subscribe().await?;
    /// assert_eq!(ChatKeys::room(7).subscribers().await?, 1);
    /// # drop(messages);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. The command only reads.
    ///
    /// # Round trips
    ///
    /// One.
    #[doc(alias = "PUBSUB NUMSUB")]
    #[doc(alias = "PUBSUB SHARDNUMSUB")]
    pub fn subscribers(&self) -> Command<u64> {
        let mut head = Args::default();
        head.push(if self.template().is_sharded() { b"SHARDNUMSUB" } else { b"NUMSUB" });
        Command::on_key(self, "PUBSUB", |_| Ok(()), subscribers).with_head(head).repeatable()
    }
}

/// Decodes the name of a channel and the number of its subscribers.
fn subscribers(_: &Request, replies: Replies) -> Result<u64> {
    match read::one(replies)? {
        Reply::Array(mut parts) | Reply::Map(mut parts) => match parts.pop() {
            Some(count) => read::to_count(count),
            None => Ok(0),
        },
        _ => Err(Error::protocol("PUBSUB did not return a list of channels")),
    }
}
