//! The operations of counters.

use super::base::Command;
use super::get_ex::GetEx;
use super::set::Set;
use crate::error::{Error, Result};
use crate::kind::Counter;
use crate::protocol::{Keys, Packet, PacketLifetime, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// Operations of counters. The first increment creates the counter with the template's TTL, in the same atomic round trip;
/// later ones keep the remaining TTL, so that a window starts with its first event.
impl<S: Keyspace> Key<S, Counter> {
    /// Returns the count; 0 if the counter does not exist.
    pub fn get(&self) -> Command<i64> {
        Command::on_key(self, "GET", |_| Ok(()), read::value::<Counter>).repeatable().reading()
    }

    /// Sets the counter, with the template's TTL. Options are methods of the builder that it returns: [`ttl`](Set::ttl),
    /// [`only_if_absent`](Set::only_if_absent), ..
    pub fn set(&self, value: i64) -> Set<S, i64, ()> {
        Set::new(self, &value)
    }

    /// Sets the counter like [`set`](Self::set), and returns the previous count; `None` if the counter did not exist.
    pub fn get_set(&self, value: i64) -> Set<S, i64, Option<i64>> {
        Set::new(self, &value).returning_old()
    }

    /// Reads the counter and deletes it, atomically; 0 if it does not exist. Not retried after a lost connection: the first
    /// attempt may have deleted the counter.
    pub fn get_del(&self) -> Command<i64> {
        Command::on_key(self, "GETDEL", |_| Ok(()), read::value::<Counter>)
    }

    /// Reads the counter and renews its TTL; `None` if it does not exist.
    pub fn get_ex(&self) -> GetEx<S, i64> {
        GetEx::new(self)
    }

    /// Increments the counter by one; returns the new count. [`ttl`](Command::ttl) sets another TTL for a new counter:
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
    pub fn incr(&self) -> Command<i64> {
        self.incr_by(1)
    }

    /// Decrements the counter by one; returns the new count.
    pub fn decr(&self) -> Command<i64> {
        self.incr_by(-1)
    }

    /// Increments the counter by `amount`, which may be negative; returns the new count.
    ///
    /// Fails with the server's error if the sum exceeds 64 bits; the counter is unchanged then. Not retried after a lost
    /// connection: it might count twice.
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
            // Not atomic, the key could expire between the two, and the count would never expire.
            Some(mut creation) => {
                creation.with_declared_lifetime(PacketLifetime::Options(2), inherits);
                Request::Atomic(vec![creation, count])
            }
        });
        Command::new::<S>("INCRBY", Some(self.template()), request, counted).on_target(self.redis().into())
    }

    /// Decrements the counter by `amount`; returns the new count. Otherwise like [`incr_by`](Self::incr_by).
    pub fn decr_by(&self, amount: i64) -> Command<i64> {
        match amount.checked_neg() {
            Some(amount) => self.incr_by(amount),
            None => Command::new::<S>(
                "DECRBY",
                Some(self.template()),
                Err(Error::invalid_input("the amount i64::MIN has no negative; decrement in two steps")),
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
