//! Writes of many values.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::base::Command;
use super::builder::{CommandOptions, Deferred, command_builder};
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
    /// first one. If a value can't be encoded, or the keys are on different servers, nothing is
    /// sent.
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
        let (mut template, mut servers, mut endings) = (None, Vec::new(), Endings::default());
        let mut unreadable = None;
        let packets: Result<Vec<_>> = entries
            .into_iter()
            .map(|(key, value)| {
                template.get_or_insert(key.template());
                endings.add(&key);
                servers.push(key.redis());
                let packet = value_packet::<S, V>(&key, value.borrow(), &mut unreadable)
                    .map_err(|error| key.explain(SET, error))?;
                Ok((key.template(), packet))
            })
            .collect();
        SetMany(Deferred::Building(SetManyOptions {
            packets,
            template,
            server: same_server(servers),
            endings,
            unreadable,
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
    /// A `SET` without a lifetime for each entry, and the template of its key.
    packets: Result<Vec<(&'static TemplateMeta, Packet)>>,
    template: Option<&'static TemplateMeta>,
    server: Result<Option<Redis>>,
    endings: Endings,
    unreadable: Option<Error>,
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
            let SetManyOptions { packets, template, server, endings, unreadable, ttl, .. } = options;
            let SetManyOptions { call, types, .. } = options;
            let (if_all_absent, decode) = (true, all_stored as Decode<_>);
            SetManyOptions {
                packets,
                template,
                server,
                endings,
                unreadable,
                ttl,
                if_all_absent,
                decode,
                call,
                types,
            }
        }))
    }
}

impl<S, V, R> SetManyOptions<S, V, R> {
    /// Returns the lifetime of a key, and whether it is the one that its template declares.
    fn lifetime(ttl: Option<Duration>, template: &'static TemplateMeta) -> (Expiry, bool) {
        ttl.map_or_else(|| (template.lifetime().into(), true), |ttl| (Expiry::After(ttl), false))
    }

    /// Takes the entries and returns the request.
    fn request(&mut self) -> Result<Request> {
        let packets = std::mem::replace(&mut self.packets, Ok(Vec::new()))?;
        if packets.is_empty() {
            return Ok(Request::Empty);
        }
        if self.if_all_absent {
            return self.conditional(packets);
        }
        let packets: Result<Vec<_>> = packets
            .into_iter()
            .map(|(template, mut packet)| {
                let (expiry, is_declared) = Self::lifetime(self.ttl, template);
                if is_declared {
                    packet.with_declared_lifetime(PacketLifetime::Options(1), template.inherits_lifetime);
                }
                let key = packet.keys.as_slice().first().cloned();
                let about =
                    |error: Error| error.about(SET, Some(template.name()), key.as_ref().map(KeyText::as_str));
                expiry.push_for_set(&mut packet.args).map_err(about)?;
                Ok(packet)
            })
            .collect();
        Ok(std::mem::take(&mut self.endings).before(packets?))
    }

    fn conditional(&self, packets: Vec<(&'static TemplateMeta, Packet)>) -> Result<Request> {
        if packets.len() > KEYS_PER_COMMAND {
            return Err(Error::invalid_input(format!(
                "{} keys are too many for one atomic step: use at most {KEYS_PER_COMMAND}",
                packets.len()
            )));
        }
        let (mut keys, mut args, mut inherits) = (Vec::with_capacity(packets.len()), Args::default(), false);
        for (template, packet) in packets {
            let (expiry, is_declared) = Self::lifetime(self.ttl, template);
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
        let server = std::mem::replace(&mut self.server, Ok(None));
        let redis = server.as_ref().ok().cloned().flatten();
        let request = self.request().and_then(|request| server.map(|_| request));
        let command = Command::new::<S>(SET, self.template, request, self.decode)
            .on_target(redis.into())
            .unreadable(self.unreadable.take())
            .with_call(std::mem::take(&mut self.call));
        if self.if_all_absent { command } else { command.repeatable() }
    }
}

impl<S, V, R> fmt::Debug for SetManyOptions<S, V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let template = self.template.map(TemplateMeta::template);
        f.debug_struct("SetMany").field("template", &template).finish_non_exhaustive()
    }
}

command_builder!(SetMany<S, V, R> => R, where S: Keyspace, V: SingleValue, R: 'static);

fn value_packet<S: Keyspace, V: SingleValue>(
    key: &Key<S, V>,
    value: &V::Borrowed,
    unreadable: &mut Option<Error>,
) -> Result<Packet> {
    let mut packet = Packet::new("SET", Keys::One(key.text()));
    let (encoded, problem) = push_value::<S, V>(key, value, &mut packet);
    encoded?;
    *unreadable = unreadable.take().or(problem);
    Ok(packet)
}

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
