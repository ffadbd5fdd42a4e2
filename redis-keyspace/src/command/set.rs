//! `SET` with its options.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use super::reply::{self, Decode};
use super::{Command, IntoCommand, Keys, Packet, Request, command_builder};
use crate::Redis;
use crate::connect::lane::Replies;
use crate::connect::lane::resp::Reply;
use crate::error::{Error, Result};
use crate::expiry::Expiry;
use crate::key::{Key, KeyText};
use crate::keyspace::{Keyspace, TemplateMeta};
use crate::kind::SingleValue;

/// Stores a value: [`Key::set`] with its options. Await it, or hand it to a [batch](Redis::batch).
///
/// Without options the value gets the lifetime that the template declares, in the same command.
#[must_use = "a command does nothing unless it is awaited or handed to a batch"]
pub struct Set<S, V, R> {
    packet: Result<Packet>,
    template: &'static TemplateMeta,
    expiry: Expiry,
    condition: Option<Condition>,
    returns_old: bool,
    ends_fills: bool,
    decode: Decode<R>,
    pub(crate) redis: Option<Redis>,
    pub(crate) timeout: Option<Duration>,
    types: PhantomData<fn() -> (S, V)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Absent,
    Present,
}

impl<S: Keyspace, V: SingleValue> Set<S, V, ()> {
    pub(crate) fn new(key: &Key<S, impl Sized>, value: &V::Borrowed) -> Self {
        let mut packet = Packet::new("SET", Keys::One(key.text()));
        let encoded = packet.args.push_with(|out| V::encode(value, out));
        Self {
            packet: encoded
                .map(|()| packet)
                .map_err(|error| Error::encode(error).about("SET", Some(key.template()), Some(key.as_str()))),
            template: key.template(),
            expiry: key.template().lifetime().into(),
            condition: None,
            returns_old: false,
            ends_fills: V::IS_FILLED,
            decode: unit,
            redis: key.redis(),
            timeout: None,
            types: PhantomData,
        }
    }
}

impl<S: Keyspace, V: SingleValue, R> Set<S, V, R> {
    fn returning<R2>(self, decode: Decode<R2>) -> Set<S, V, R2> {
        let Self {
            packet, template, expiry, condition, returns_old, ends_fills, redis, timeout, types, ..
        } = self;
        Set { packet, template, expiry, condition, returns_old, ends_fills, decode, redis, timeout, types }
    }

    /// A lifetime other than the template's. Fractions of a millisecond are rounded up.
    ///
    /// Awaiting fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) when it is zero.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.expiry = Expiry::After(ttl);
        self
    }

    /// A moment at which the value expires, instead of the template's lifetime. One in the past deletes the key.
    pub fn expire_at(mut self, time: SystemTime) -> Self {
        self.expiry = Expiry::At(time);
        self
    }

    /// Leaves the lifetime of the value that is there as it is; where there is none, the template's applies. Sent as
    /// one atomic round trip.
    pub fn keep_ttl(mut self) -> Self {
        self.expiry = Expiry::Keep;
        self
    }

    /// Stores only if there is no value yet; gives whether it did.
    pub fn only_if_absent(mut self) -> Set<S, V, bool> {
        self.condition = Some(Condition::Absent);
        self.returns_old = false;
        self.returning(done)
    }

    /// Stores only if there is a value already; gives whether it did.
    pub fn only_if_present(mut self) -> Set<S, V, bool> {
        self.condition = Some(Condition::Present);
        self.returns_old = false;
        self.returning(done)
    }

    /// Gives the value that was there before. After [`only_if_absent`](Self::only_if_absent) that needs a server of
    /// version 7 or later.
    pub fn returning_old(mut self) -> Set<S, V, Option<V::Owned>> {
        self.returns_old = true;
        self.returning(old::<V>)
    }

    /// Takes what makes up the request out of the builder.
    fn request(&mut self) -> Result<Request> {
        let taken = std::mem::replace(&mut self.packet, Ok(Packet::new("SET", Keys::None)));
        let mut packet = taken?;
        // Of an absent value there is no lifetime to keep.
        let keep = matches!(self.expiry, Expiry::Keep) && self.condition != Some(Condition::Absent);
        let declared = Expiry::from(self.template.lifetime());
        let expiry = if matches!(self.expiry, Expiry::Keep) && !keep { declared } else { self.expiry };
        match self.condition {
            Some(Condition::Absent) => packet.args.push(b"NX"),
            Some(Condition::Present) => packet.args.push(b"XX"),
            None => {}
        }
        expiry.push_for_set(&mut packet.args).map_err(|error| {
            let key = packet.keys.as_slice().first();
            error.about("SET", Some(self.template), key.map(KeyText::as_str))
        })?;
        if self.returns_old {
            packet.args.push(b"GET");
        }
        let ending = self.ends_fills.then(|| Packet::ending_fills(&packet.keys));
        if !keep || self.condition.is_some() || matches!(declared, Expiry::Never) {
            return Ok(match ending {
                Some(ending) => Request::with(ending, packet),
                None => Request::One(packet),
            });
        }
        // KEEPTTL on a key that is not there would make one without end. So an empty value with the template's
        // lifetime goes first, where there is none.
        let mut first = Packet::new("SET", packet.keys.clone());
        first.args.push(b"");
        first.args.push(b"NX");
        declared.push_for_set(&mut first.args)?;
        Ok(Request::Atomic(ending.into_iter().chain([first, packet]).collect()))
    }
}

/// The replies to the second of the two commands that `keep_ttl` takes, as if it had been alone.
fn unframed<R>(request: &Request, replies: Replies, decode: Decode<R>) -> Result<R> {
    if !matches!(request, Request::Atomic(_)) {
        return decode(request, replies);
    }
    let mut results = reply::executed(replies)?.into_iter();
    let created = reply::to_done(results.next().unwrap_or(Reply::Nil))?;
    let second = reply::checked(results.next().unwrap_or(Reply::Nil))?;
    // What was there before the first command made it is nothing.
    let second = if created && matches!(second, Reply::Bulk(_)) { Reply::Nil } else { second };
    decode(request, Replies::One(second))
}

impl<S: Keyspace, V: SingleValue, R> IntoCommand for Set<S, V, R> {
    type Output = R;

    fn into_command(mut self) -> Command<R> {
        let request = self.request();
        // A second run of a plain SET stores the same value again; one with a condition would answer otherwise.
        let repeatable = self.condition.is_none() && !self.returns_old;
        let command = Command::new::<S>("SET", Some(self.template), request, self.decode)
            .with_redis(self.redis)
            .with_timeout(self.timeout);
        if repeatable { command.repeatable() } else { command }
    }
}

fn unit(request: &Request, replies: Replies) -> Result<()> {
    unframed(request, replies, reply::unit)
}

fn done(request: &Request, replies: Replies) -> Result<bool> {
    unframed(request, replies, reply::done)
}

fn old<V: SingleValue>(request: &Request, replies: Replies) -> Result<Option<V::Owned>> {
    unframed(request, replies, reply::value::<V>)
}

command_builder!(Set<S, V, R> => R, where S: Keyspace, V: SingleValue);

impl<S, V, R> fmt::Debug for Set<S, V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Set")
            .field("template", &self.template.template())
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}
