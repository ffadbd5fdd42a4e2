//! Writes of many values.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::base::{Command, polled_already};
use super::builder::{CommandOptions, Deferred, command_builder};
use super::each::run_each;
use super::endings::Endings;
use super::set::push_value;
use crate::client::{CallOptions, Redis, same_server};
use crate::error::{Error, Result};
use crate::key::{Companion, KeyText};
use crate::kind::SingleValue;
use crate::protocol::{
    Args, Decode, KEYS_PER_COMMAND, Keys, Packet, PacketLifetime, Replies, Request, lifetime_word, read,
};
use crate::schema::{Key, Keyspace, TemplateMeta};
use crate::time::Expiry;

/// Stores several values if none of the keys exists.
///
/// `MSETNX` sets no lifetimes, and `MSETEX`, which does, is not on every server and sets one for
/// all keys. A transaction can't do it either, because it can't decide.
///
/// `KEYS`: the keys, followed by the companion of each if its fills must end. `ARGV`: for each key,
/// its lifetime in milliseconds after a letter, 0 for none; and its value.
pub(crate) const SET_IF_ALL_ABSENT: &str = "\
local count = #ARGV / 2
if redis.call('EXISTS', unpack(KEYS, 1, count)) > 0 then return 0 end
for place = 1, count do
  local ttl, value = string.sub(ARGV[2 * place - 1], 2), ARGV[2 * place]
  if ttl == '0' then
    redis.call('SET', KEYS[place], value)
  else
    redis.call('SET', KEYS[place], value, 'PX', ttl)
  end
end
if #KEYS > count then redis.call('UNLINK', unpack(KEYS, count + 1)) end
return 1";

/// Writes of many keys.
impl<S: Keyspace, V: SingleValue> Key<S, V> {
    /// Stores the values of many keys, each with the TTL of its template, or with the TTL that
    /// [`ttl`](SetMany::ttl) sets.
    ///
    /// Not atomic: if the server rejects one value, it still stores the others.
    /// [`only_if_all_absent`](SetMany::only_if_all_absent) is.
    ///
    /// ```
    /// # use redis_keyspace::{Key, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// Key::set_many([(PageKeys::title(7), "A page"), (PageKeys::title(8), "Another")]).await?;
    /// assert_eq!(PageKeys::title(8).get().await?.as_deref(), Some("Another"));
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set). If the server rejects values, the error names the key of the
    /// first one; [`each`](SetMany::each) returns the result of each key. If a value can't be
    /// encoded, or the keys are on different servers, nothing is sent.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One, or none without entries. On a [cluster](crate::guide::cluster), one to each node, at
    /// the same time.
    pub fn set_many<B: Borrow<V::Borrowed>>(
        entries: impl IntoIterator<Item = (Self, B)>,
    ) -> SetMany<S, V, ()> {
        let mut endings = Endings::default();
        let writes = entries.into_iter().map(|(key, value)| {
            endings.add(&key);
            Write::new::<S, V>(&key, value.borrow())
        });
        SetMany(Deferred::Building(SetManyOptions {
            writes: writes.collect(),
            endings,
            ttl: None,
            if_all_absent: false,
            decode: stored,
            call: CallOptions::default(),
            types: PhantomData,
        }))
    }
}

const SET: &str = "SET";

/// A write of many values, created by [`Key::set_many`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct SetMany<S: Keyspace, V: SingleValue, R: 'static>(Deferred<SetManyOptions<S, V, R>, R>);

struct SetManyOptions<S, V, R> {
    writes: Vec<Write>,
    endings: Endings,
    ttl: Option<Duration>,
    if_all_absent: bool,
    decode: Decode<R>,
    call: CallOptions,
    types: PhantomData<fn() -> (S, V)>,
}

impl<S: Keyspace, V: SingleValue, R: 'static> SetMany<S, V, R> {
    /// Overrides the TTL of the templates, for all keys.
    pub fn ttl(self, ttl: Duration) -> Self {
        let ttl = Some(ttl);
        Self(self.0.map(|options| SetManyOptions { ttl, ..options }))
    }
}

impl<S: Keyspace, V: SingleValue> SetMany<S, V, ()> {
    /// Stores the values only if none of the keys exists, all or none of them in one atomic step.
    /// Returns whether they were stored; `true` without entries.
    ///
    /// Each key gets the TTL of its template, or that of [`ttl`](SetMany::ttl). At most 1,000 keys.
    /// On a cluster, all keys must be in one slot. If nothing is stored, loads of the keys in
    /// flight and stale copies are unaffected.
    ///
    /// ```
    /// # use redis_keyspace::{Key, Keyspace, Redis, Text};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "seat", ttl = "15m")]
    /// struct SeatKeys {
    ///     /// Who holds a seat.
    ///     #[key("{show}:{seat}", hash_tag = show)]
    ///     held: fn(show: u64, seat: u32) -> Text,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let seats = |seats: [u32; 2], who| seats.map(|seat| (SeatKeys::held(1, seat), who));
    /// assert!(Key::set_many(seats([4, 5], "ann")).only_if_all_absent().await?);
    /// assert!(!Key::set_many(seats([5, 6], "bob")).only_if_all_absent().await?);
    /// assert_eq!(SeatKeys::held(1, 6).get().await?, None);
    /// # Ok(()) }).await }
    /// ```
    #[doc(alias = "MSETNX")]
    pub fn only_if_all_absent(self) -> SetMany<S, V, bool> {
        SetMany(self.0.map(|options| {
            let SetManyOptions { writes, endings, ttl, call, types, .. } = options;
            let (if_all_absent, decode) = (true, all_stored as Decode<_>);
            SetManyOptions { writes, endings, ttl, if_all_absent, decode, call, types }
        }))
    }

    /// Stores the values and returns the result of each key, in the order of the entries, so that
    /// one failure does not hide the others. For example, if one node of a
    /// [cluster](crate::guide::cluster) is down, only its keys fail. If a value can't be encoded,
    /// only its key fails, and the other values are sent.
    ///
    /// Sends one command for each key, as a [batch](crate::Redis::batch) does. The keys may be on
    /// different servers. A key that occurs twice has two results, and the last value wins.
    ///
    /// ```
    /// # use redis_keyspace::{Key, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let pages = [(PageKeys::title(7), "A page"), (PageKeys::title(8), "Another")];
    /// let stored = Key::set_many(pages).each().await?;
    /// assert_eq!(stored.iter().filter(|result| result.is_ok()).count(), 2);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// In a transaction, or next to other commands of a batch, pass a `Vec` of
    /// [`set`](Key::set) commands, and call [`Batch::each`](super::Batch::each).
    ///
    /// # Errors
    ///
    /// Fails as a whole only if a key has no server, if the command was polled before, or if
    /// [`wait_replicas`](Self::wait_replicas) is set. One deadline applies to all keys. If it
    /// passes before a server, or a node of a cluster, has answered for all of its keys, all of
    /// them fail, even if some of the values were stored. Keys on other servers and nodes keep
    /// their results. After a lost connection, the writes are sent again, because that is harmless.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, any of the commands may
    /// still run.
    ///
    /// # Round trips
    ///
    /// As for [`Redis::batch`].
    pub async fn each(self) -> Result<Vec<Result<()>>> {
        let Deferred::Building(SetManyOptions { writes, ttl, call, .. }) = self.0 else {
            return Err(polled_already(SET));
        };
        let handles = writes.iter().map(|write| write.redis.clone()).collect();
        let singles = writes.into_iter().map(|mut write| {
            let (template, redis, unreadable) = (write.template, write.redis.take(), write.unreadable.take());
            Command::new::<S>(SET, Some(template), write.packet(ttl).map(Request::One), read::unit)
                .ending_fills()
                .repeatable()
                .unreadable(unreadable)
                .on_target(redis.into())
                .with_call(call.clone())
        });
        run_each::<S, ()>(singles.collect(), handles, &call).await
    }
}

/// The write of one value.
struct Write {
    template: &'static TemplateMeta,
    /// The handle that was set on the key.
    redis: Option<Redis>,
    /// A `SET` without a lifetime.
    packet: Result<Packet>,
    /// The error if no reader could decode the value.
    unreadable: Option<Error>,
}

impl Write {
    fn new<S: Keyspace, V: SingleValue>(key: &Key<S, V>, value: &V::Borrowed) -> Self {
        let mut packet = Packet::new(SET, Keys::One(key.text()));
        let (encoded, unreadable) = push_value::<S, V>(key, value, &mut packet);
        let packet = encoded.map(|()| packet).map_err(|error| key.explain(SET, error));
        Self { template: key.template(), redis: key.redis(), packet, unreadable }
    }

    /// Returns the lifetime of the key, and whether it is the one that its template declares.
    fn lifetime(&self, ttl: Option<Duration>) -> (Expiry, bool) {
        ttl.map_or_else(|| (self.template.lifetime().into(), true), |ttl| (Expiry::After(ttl), false))
    }

    /// Returns the whole command. `ttl` overrides the TTL of the template.
    fn packet(self, ttl: Option<Duration>) -> Result<Packet> {
        let (expiry, is_declared) = self.lifetime(ttl);
        let Self { template, packet, .. } = self;
        let mut packet = packet?;
        if is_declared {
            packet.with_declared_lifetime(PacketLifetime::Options(1), template.inherits_lifetime);
        }
        let key = packet.keys.as_slice().first().cloned();
        let about = |error: Error| error.about(SET, Some(template.name()), key.as_ref().map(KeyText::as_str));
        expiry.push_for_set(&mut packet.args).map_err(about)?;
        Ok(packet)
    }
}

impl<S, V, R> SetManyOptions<S, V, R> {
    fn template(&self) -> Option<&'static TemplateMeta> {
        self.writes.first().map(|write| write.template)
    }

    /// Takes the entries and returns the request.
    fn request(&mut self) -> Result<Request> {
        let writes = std::mem::take(&mut self.writes);
        if writes.is_empty() {
            return Ok(Request::Empty);
        }
        if self.if_all_absent {
            return self.conditional(writes);
        }
        let packets: Result<Vec<_>> = writes.into_iter().map(|write| write.packet(self.ttl)).collect();
        Ok(std::mem::take(&mut self.endings).before(packets?))
    }

    fn conditional(&self, writes: Vec<Write>) -> Result<Request> {
        if writes.len() > KEYS_PER_COMMAND {
            return Err(Error::invalid_input(format!(
                "{} keys are too many for one atomic step: use at most {KEYS_PER_COMMAND}",
                writes.len()
            )));
        }
        let (mut keys, mut args, mut inherits) = (Vec::with_capacity(writes.len()), Args::default(), false);
        for write in writes {
            let (expiry, is_declared) = write.lifetime(self.ttl);
            let (template, packet) = (write.template, write.packet?);
            let is_inherited = is_declared && template.inherits_lifetime;
            inherits |= is_inherited;
            args.push(lifetime_word(expiry, is_inherited)?.as_bytes());
            packet.args.iter().for_each(|value| args.push(value));
            keys.extend(packet.keys.as_slice().iter().cloned());
        }
        let mut head = Args::default();
        head.push(SET_IF_ALL_ABSENT.as_bytes());
        // The companion of a key whose template has no fills does not exist.
        let keys = match self.endings.is_empty() {
            true => Keys::Many(keys),
            false => Keys::Pairs(keys, Companion::Fill),
        };
        head.push_int(keys.count());
        let mut packet = Packet { args, ..Packet::new("EVAL", keys) }.with_head(head);
        if inherits {
            packet.with_declared_lifetime(PacketLifetime::Each, true);
        }
        Ok(Request::One(packet))
    }
}

impl<S: Keyspace, V: SingleValue, R: 'static> CommandOptions for SetManyOptions<S, V, R> {
    type Output = R;

    fn call(&mut self) -> &mut CallOptions {
        &mut self.call
    }

    fn finish(&mut self) -> Command<R> {
        let template = self.template();
        let unreadable = self.writes.iter_mut().find_map(|write| write.unreadable.take());
        let server = same_server(self.writes.iter_mut().map(|write| write.redis.take()));
        let redis = server.as_ref().ok().cloned().flatten();
        let request = self.request().and_then(|request| server.map(|_| request));
        let command = Command::new::<S>(SET, template, request, self.decode)
            .on_target(redis.into())
            .unreadable(unreadable)
            .with_call(std::mem::take(&mut self.call));
        if self.if_all_absent { command } else { command.repeatable() }
    }
}

impl<S, V, R> fmt::Debug for SetManyOptions<S, V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let template = self.template().map(TemplateMeta::template);
        f.debug_struct("SetMany").field("template", &template).finish_non_exhaustive()
    }
}

command_builder!(SetMany<S, V, R> => R, where S: Keyspace, V: SingleValue, R: 'static);

fn stored(request: &Request, replies: Replies) -> Result<()> {
    for (packet, reply) in request.requested().zip(read::many(replies)) {
        let key = packet.keys.as_slice().first().map(|key| key.as_str());
        read::to_unit(reply).map_err(|error| error.about("SET", None, key))?;
    }
    Ok(())
}

fn all_stored(request: &Request, replies: Replies) -> Result<bool> {
    if matches!(request, Request::Empty) { Ok(true) } else { read::to_bool(read::one(replies)?) }
}
