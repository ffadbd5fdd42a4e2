//! The operations of counters.

use super::base::Command;
use super::get_ex::GetEx;
use super::set::SetValue;
use crate::error::{Error, Result};
use crate::kind::Counter;
use crate::protocol::{Keys, Packet, PacketLifetime, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// Operations of counters.
///
/// The first increment creates the counter with the TTL of the template, in the same atomic round
/// trip. Later increments keep the remaining TTL, so a time window starts with its first event.
impl<S: Keyspace> Key<S, Counter> {
    /// Returns the count; 0 if the counter does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(PageKeys::views(7).get().await?, 0);
    /// PageKeys::views(7).incr().await?;
    /// assert_eq!(PageKeys::views(7).get().await?, 1);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the stored value is not an integer; otherwise those
    /// of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn get(&self) -> Command<i64> {
        Command::on_key(self, "GET", |_| Ok(()), read::value::<Counter>).repeatable().reading().on_replica()
    }

    /// Sets the counter, with the TTL of the template.
    ///
    /// The returned builder has the options: [`ttl`](SetValue::ttl),
    /// [`keep_ttl`](SetValue::keep_ttl), [`only_if_absent`](SetValue::only_if_absent), ..
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::views(7).set(41).await?;
    /// assert_eq!(PageKeys::views(7).incr().await?, 42);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn set(&self, value: i64) -> SetValue<S, i64, ()> {
        SetValue::new(self, &value)
    }

    /// Sets the counter like [`set`](Self::set). Returns the previous count; `None` if the counter
    /// did not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(PageKeys::views(7).get_set(41).await?, None);
    /// assert_eq!(PageKeys::views(7).get_set(0).await?, Some(41));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the previous value is not an integer, although the
    /// new one is stored; otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn get_set(&self, value: i64) -> SetValue<S, i64, Option<i64>> {
        SetValue::new(self, &value).returning_old()
    }

    /// Reads the counter and deletes it, atomically. Returns 0 if it does not exist.
    ///
    /// Not retried after a lost connection: the first attempt may have deleted the counter.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::views(7).incr().await?;
    /// assert_eq!(PageKeys::views(7).get_del().await?, 1);
    /// assert_eq!(PageKeys::views(7).get().await?, 0);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the stored value is not an integer, although the key
    /// is deleted; otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn get_del(&self) -> Command<i64> {
        Command::on_key(self, "GETDEL", |_| Ok(()), read::value::<Counter>)
    }

    /// Reads the counter and renews its TTL. Returns `None` if it does not exist.
    ///
    /// The returned builder has the options: [`ttl`](GetEx::ttl), [`expire_at`](GetEx::expire_at),
    /// [`persist`](GetEx::persist), ..
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Redis};
    /// # use std::time::Duration;
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::views(7).incr().await?;
    /// assert_eq!(PageKeys::views(7).get_ex().ttl(Duration::from_secs(60)).await?, Some(1));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the stored value is not an integer; otherwise those
    /// of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn get_ex(&self) -> GetEx<S, i64> {
        GetEx::new(self)
    }

    /// Increments the counter by one. Returns the new count.
    ///
    /// A new counter gets the TTL of the template; [`ttl`](Command::ttl) overrides it:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::{Counter, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "attempts", ttl = "15m")]
    /// # struct AttemptKeys { user: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let window = Duration::from_secs(60); // from the configuration
    /// assert_eq!(AttemptKeys::user(7).incr().ttl(window).await?, 1);
    /// assert!(AttemptKeys::user(7).ttl().await?.remaining() <= Some(window));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Server`](crate::ErrorKind::Server) if the count would exceed 64 bits; the counter is
    /// unchanged then. Otherwise those of any command. Not retried after a lost connection: it
    /// might count twice.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn incr(&self) -> Command<i64> {
        self.incr_by(1)
    }

    /// Decrements the counter by one. Returns the new count.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(PageKeys::views(7).decr().await?, -1);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`incr`](Self::incr).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn decr(&self) -> Command<i64> {
        self.incr_by(-1)
    }

    /// Increments the counter by `amount`, which may be negative. Returns the new count.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(PageKeys::views(7).incr_by(10).await?, 10);
    /// assert_eq!(PageKeys::views(7).incr_by(-3).await?, 7);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`incr`](Self::incr).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn incr_by(&self, amount: i64) -> Command<i64> {
        let mut count = Packet::new("INCRBY", Keys::One(self.text()));
        count.args.push_int(amount);
        let inherits = self.template().inherits_lifetime;
        let creation = Packet::creating_counter(&count.keys, self.template().lifetime().into());
        let request = creation.map(|creation| match creation {
            None => {
                count.with_declared_lifetime(PacketLifetime::Creation, inherits);
                Request::One(count)
            }
            // The two commands must be atomic. Otherwise the key could expire between them, and the
            // new count would never expire.
            Some(mut creation) => {
                creation.with_declared_lifetime(PacketLifetime::Options(2), inherits);
                Request::Atomic(vec![creation, count])
            }
        });
        Command::new::<S>("INCRBY", Some(self.template()), request, counted).on_target(self.redis().into())
    }

    /// Decrements the counter by `amount`. Returns the new count.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(PageKeys::views(7).decr_by(3).await?, -3);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`incr`](Self::incr); and [`InvalidInput`](crate::ErrorKind::InvalidInput) if
    /// `amount` is `i64::MIN`, which has no negative.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn decr_by(&self, amount: i64) -> Command<i64> {
        match amount.checked_neg() {
            Some(amount) => self.incr_by(amount),
            None => Command::new::<S>(
                "DECRBY",
                Some(self.template()),
                Err(Error::invalid_input(
                    "can't decrement by i64::MIN, which has no negative; decrement in two steps",
                )),
                counted,
            ),
        }
    }
}

fn counted(request: &Request, replies: Replies) -> Result<i64> {
    if matches!(request, Request::One(_)) {
        return read::to_int(read::one(replies)?);
    }
    let mut results = read::many(replies).into_iter();
    read::to_done(results.next().unwrap_or(Reply::Nil))?;
    read::to_int(results.next().unwrap_or(Reply::Nil))
}
