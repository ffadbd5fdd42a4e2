//! Parts of byte strings.

use std::ops::RangeBounds;

use super::base::Command;
use super::positions::Positions;
use crate::error::{Error, Result};
use crate::kind::Bytes;
use crate::protocol::{Args, KeyLifetime, PacketLifetime, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// Parts of byte strings; see [`Bytes`].
impl<S: Keyspace> Key<S, Bytes> {
    /// Returns the bytes at these positions, counted from 0. Negative positions count from the end:
    /// `-10..` are the last ten. Positions that the value does not have are left out, so the result
    /// is empty if the key does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Bytes, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "log", ttl = "1d")]
    /// # struct LogKeys { tail: fn(id: u64) -> Bytes }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// LogKeys::tail(7).set(b"0123456789").await?;
    /// assert_eq!(LogKeys::tail(7).get_range(2..4).await?, b"23"[..]);
    /// assert_eq!(LogKeys::tail(7).get_range(-3..).await?, b"789"[..]);
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
    /// One. None for a range that is empty whatever the value is, such as `..0`.
    #[doc(alias = "GETRANGE")]
    pub fn get_range(&self, positions: impl RangeBounds<i64>) -> Command<bytes::Bytes> {
        let ends = Positions::new(&positions);
        // The server takes an end before the first byte for the first byte. So one byte more is
        // read, and dropped.
        let has_more = ends.is_some_and(|ends| ends.last < -1);
        let fill = |args: &mut Args| {
            let ends = ends.map(|ends| Positions { last: ends.last + i64::from(has_more), ..ends });
            ends.into_iter().for_each(|ends| ends.push(args));
            Ok(())
        };
        let decode = if has_more { part_before_last } else { part };
        let mut command = Command::on_key(self, "GETRANGE", fill, decode).repeatable().reading().on_replica();
        if ends.is_none() {
            command.request = Ok(Request::Empty);
        }
        command
    }

    /// Overwrites the value from a position on, counted from 0. Returns the length of the value. A
    /// shorter value, or one that does not exist, is filled up with zero bytes.
    ///
    /// If it creates the key, the key gets the TTL of the template in the same atomic step;
    /// otherwise the key keeps its TTL. Without bytes to write, nothing is changed.
    ///
    /// ```
    /// # use redis_keyspace::{Bytes, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "log", ttl = "1d")]
    /// # struct LogKeys { tail: fn(id: u64) -> Bytes }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// LogKeys::tail(7).set(b"0123").await?;
    /// assert_eq!(LogKeys::tail(7).set_range(2, b"xyz").await?, 5);
    /// assert_eq!(LogKeys::tail(7).get().await?.as_deref(), Some(&b"01xyz"[..]));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Server`](crate::ErrorKind::Server) if the value would be longer than the server supports, 512
    /// MiB by default; otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One. A second one if the server does not know the script that sets the TTL yet.
    #[doc(alias = "SETRANGE")]
    pub fn set_range(&self, position: u32, bytes: &[u8]) -> Command<u64> {
        let command = self.grow("SETRANGE", |args| {
            args.push_int(position);
            push(args, bytes)
        });
        command.repeatable()
    }

    /// Adds bytes at the end of the value. Returns the length of the value. A value that does not
    /// exist counts as empty.
    ///
    /// If it creates the key, the key gets the TTL of the template in the same atomic step;
    /// otherwise the key keeps its TTL. Not retried after a lost connection: it might append twice.
    ///
    /// ```
    /// # use redis_keyspace::{Bytes, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "log", ttl = "1d")]
    /// # struct LogKeys { tail: fn(id: u64) -> Bytes }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(LogKeys::tail(7).append(b"one\n").await?, 4);
    /// assert_eq!(LogKeys::tail(7).append(b"two\n").await?, 8);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`set_range`](Self::set_range).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One. A second one if the server does not know the script that sets the TTL yet.
    #[doc(alias = "APPEND")]
    pub fn append(&self, bytes: &[u8]) -> Command<u64> {
        self.grow("APPEND", |args| push(args, bytes))
    }

    /// Creates a command that may create the key. It then sets the declared lifetime.
    fn grow(&self, command: &'static str, fill: impl FnOnce(&mut Args) -> Result<()>) -> Command<u64> {
        let mut command = Command::on_key(self, command, fill, read::count)
            .with_declared_lifetime(Some(PacketLifetime::OfKey { renews: false }));
        let lifetime = KeyLifetime::new(self.template().lifetime().into(), false);
        command.request = command.request.and_then(|mut request| {
            let lifetime = lifetime?;
            if let Request::One(packet) = &mut request {
                packet.set_key_lifetime(lifetime);
            }
            Ok(request)
        });
        command.ending_fills()
    }
}

fn push(args: &mut Args, bytes: &[u8]) -> Result<()> {
    args.push_with(|out| {
        out.extend_from_slice(bytes);
        Ok(())
    })
}

fn part_before_last(request: &Request, replies: Replies) -> Result<bytes::Bytes> {
    let mut part = part(request, replies)?;
    part.truncate(part.len().saturating_sub(1));
    Ok(part)
}

fn part(request: &Request, replies: Replies) -> Result<bytes::Bytes> {
    if matches!(request, Request::Empty) {
        return Ok(bytes::Bytes::new());
    }
    match read::one(replies)? {
        Reply::Bulk(bytes) => Ok(bytes),
        // The answer to a read that returns a miss when Redis is unavailable.
        Reply::Nil => Ok(bytes::Bytes::new()),
        _ => Err(Error::protocol("GETRANGE did not return a string")),
    }
}
