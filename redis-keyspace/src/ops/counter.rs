//! What a counter can do.

use crate::command::{Command, GetEx, Keys, Packet, Request, Set, reply};
use crate::connect::lane::Replies;
use crate::connect::lane::resp::Reply;
use crate::error::{Error, Result};
use crate::expiry::Expiry;
use crate::key::Key;
use crate::keyspace::Keyspace;
use crate::kind::Counter;

/// Counters. Counting creates what is not there, from zero, with the template's lifetime in the same atomic round trip;
/// counting on leaves the remaining lifetime as it is: a window that starts with its first event.
impl<S: Keyspace> Key<S, Counter> {
    /// Where the counter stands; 0 when there is none.
    pub fn get(&self) -> Command<i64> {
        Command::on_key(self, "GET", |_| Ok(()), reply::value::<Counter>).repeatable().reading()
    }

    /// Sets the counter, with the template's lifetime. Options are methods on what this gives, as for every value:
    /// [`ttl`](Set::ttl), [`only_if_absent`](Set::only_if_absent), ..
    pub fn set(&self, value: i64) -> Set<S, i64, ()> {
        Set::new(self, &value)
    }

    /// Sets the counter as [`set`](Self::set) does, and gives where it stood before; `None` when there was none.
    pub fn get_set(&self, value: i64) -> Set<S, i64, Option<i64>> {
        Set::new(self, &value).returning_old()
    }

    /// Reads the counter and deletes it, atomically; 0 when there is none. If its connection is lost on the way, it is
    /// not tried again: the count might be gone already.
    pub fn get_del(&self) -> Command<i64> {
        Command::on_key(self, "GETDEL", |_| Ok(()), reply::value::<Counter>)
    }

    /// Reads the counter and gives it its template's lifetime anew; `None` when there is none.
    pub fn get_ex(&self) -> GetEx<S, i64> {
        GetEx::new(self)
    }

    /// Counts one up; gives where the counter stands now.
    pub fn incr(&self) -> Command<i64> {
        self.incr_by(1)
    }

    /// Counts one down; gives where the counter stands now.
    pub fn decr(&self) -> Command<i64> {
        self.incr_by(-1)
    }

    /// Counts up by `amount`, or down by a negative one; gives where the counter stands now.
    ///
    /// Fails with the server's error when the sum does not fit 64 bits; the counter stays as it was. If its connection
    /// is lost on the way, it is not tried again: it might count twice.
    pub fn incr_by(&self, amount: i64) -> Command<i64> {
        let mut count = Packet::new("INCRBY", Keys::One(self.text()));
        count.args.push_int(amount);
        let request = self.creation().map(|creation| match creation {
            None => Request::One(count),
            // Apart, the key could expire between the two, and the count would start one without end.
            Some(creation) => Request::Atomic(vec![creation, count]),
        });
        Command::new::<S>("INCRBY", Some(self.template()), request, counted).with_redis(self.redis())
    }

    /// Counts down by `amount`; gives where the counter stands now. As [`incr_by`](Self::incr_by) otherwise.
    pub fn decr_by(&self, amount: i64) -> Command<i64> {
        match amount.checked_neg() {
            Some(amount) => self.incr_by(amount),
            None => Command::new::<S>(
                "DECRBY",
                Some(self.template()),
                Err(Error::invalid_input("counting down by i64::MIN can't be expressed; count in two steps")),
                counted,
            ),
        }
    }

    /// Makes the counter with its lifetime if there is none.
    fn creation(&self) -> Result<Option<Packet>> {
        let lifetime = Expiry::from(self.template().lifetime());
        if matches!(lifetime, Expiry::Never) {
            return Ok(None);
        }
        let mut packet = Packet::new("SET", Keys::One(self.text()));
        packet.args.push(b"0");
        packet.args.push(b"NX");
        lifetime.push_for_set(&mut packet.args)?;
        Ok(Some(packet))
    }
}

fn counted(request: &Request, replies: Replies) -> Result<i64> {
    if matches!(request, Request::One(_)) {
        return reply::to_int(reply::one(replies)?);
    }
    let mut results = reply::executed(replies)?.into_iter();
    reply::to_done(results.next().unwrap_or(Reply::Nil))?;
    reply::to_int(results.next().unwrap_or(Reply::Nil))
}
