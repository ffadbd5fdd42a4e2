//! What the operations on several keys share.

use super::base;
use crate::client::{Redis, same_server};
use crate::command::base::Command;
use crate::command::endings::Endings;
use crate::error::{Error, Result};
use crate::key::KeyText;
use crate::kind::Kind;
use crate::protocol::{
    Args, Decode, KeyCount, KeyLifetime, Keys, MOST_IN_SCRIPT, Packet, PacketLifetime, Replies, Request, read,
};
use crate::schema::{Key, Keyspace, TemplateMeta};

/// The maximum number of keys in one command. The rest is for its name and options.
const MOST_KEYS: usize = MOST_IN_SCRIPT / 2;

/// The keys of a command that reads them or takes elements from them.
#[derive(Clone)]
pub(super) struct SeveralKeys {
    keys: Vec<KeyText>,
    /// The template of the first key.
    template: Option<&'static TemplateMeta>,
    /// The handle that was set on the keys, or why there can't be one.
    server: Result<Option<Redis>>,
}

impl Default for SeveralKeys {
    fn default() -> Self {
        Self { keys: Vec::new(), template: None, server: Ok(None) }
    }
}

impl SeveralKeys {
    pub(super) fn of<S: Keyspace, V>(keys: impl IntoIterator<Item = Key<S, V>>) -> Self {
        let keys: Vec<_> = keys.into_iter().collect();
        Self {
            template: keys.first().map(Key::template),
            server: same_server(keys.iter().map(Key::redis)),
            keys: keys.iter().map(Key::text).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Creates a command on these keys. Without keys, nothing is sent.
    pub(super) fn command<S: Keyspace, T>(
        self,
        command: &'static str,
        counts: KeyCount,
        args: Result<Args>,
        decode: Decode<T>,
    ) -> Command<T> {
        let Self { keys, template, server } = self;
        let redis = server.as_ref().ok().cloned().flatten();
        let request = server.and_then(|_| {
            check_number(keys.len())?;
            let args = args?;
            if keys.is_empty() {
                return Ok(Request::Empty);
            }
            let mut head = Args::default();
            head.push_int(keys.len());
            let packet = Packet { args, ..Packet::new(command, Keys::Many(keys)) };
            Ok(Request::One(match counts {
                KeyCount::Sent => packet.with_head(head),
                KeyCount::Implied => packet,
            }))
        });
        Command::new::<S>(command, template, request, decode).on_target(redis.into())
    }

    /// Creates a command that only reads these keys.
    pub(super) fn read<S: Keyspace, T>(
        self,
        command: &'static str,
        counts: KeyCount,
        args: Result<Args>,
        decode: Decode<T>,
    ) -> Command<T> {
        let reading = self.command::<S, T>(command, counts, args, decode).repeatable().reading();
        // Without one of several keys, the result is not empty.
        reading.on_replica_without_cluster()
    }

    /// Creates a command that replaces another key with what it reads from these keys. In the same
    /// step, that key gets its declared TTL.
    pub(super) fn store<S: Keyspace, V: Kind>(
        self,
        command: &'static str,
        to: &Key<S, V>,
        counts: KeyCount,
        args: Result<Args>,
    ) -> Command<u64> {
        let store = Store { command, before: &[], counts, args, replaces: true, decode: read::count };
        store.into_key(self, to)
    }
}

/// A command that writes one key from others.
pub(super) struct Store<T> {
    pub(super) command: &'static str,
    /// The arguments before the keys.
    pub(super) before: &'static [&'static str],
    pub(super) counts: KeyCount,
    /// The arguments after the keys.
    pub(super) args: Result<Args>,
    /// Whether the command replaces the key. Otherwise it adds to it.
    pub(super) replaces: bool,
    pub(super) decode: Decode<T>,
}

impl<T> Store<T> {
    /// Creates the command. In the same step, the written key gets its declared TTL if the
    /// command replaces or creates it, or if every write renews it.
    pub(super) fn into_key<S: Keyspace, V: Kind>(self, sources: SeveralKeys, to: &Key<S, V>) -> Command<T> {
        let Self { command, before, counts, args, replaces, decode } = self;
        let SeveralKeys { keys, server, .. } = sources;
        let server = match keys.is_empty() {
            true => Ok(to.redis()),
            false => server.and_then(|redis| same_server([redis, to.redis()])),
        };
        let redis = server.as_ref().ok().cloned().flatten();
        let request = server.and_then(|_| {
            check_number(keys.len())?;
            if replaces && keys.is_empty() {
                return Err(Error::invalid_input(
                    "there are no keys to read: give at least one, or delete the destination with `del`",
                ));
            }
            let keys = Keys::Into(std::iter::once(to.text()).chain(keys).collect(), counts);
            let mut packet = Packet { args: args?, ..Packet::new(command, keys) };
            if !before.is_empty() {
                let mut head = Args::default();
                before.iter().for_each(|argument| head.push(argument.as_bytes()));
                packet = packet.with_head(head);
            }
            let template = to.template();
            let renews = replaces || template.renews_lifetime();
            packet.with_declared_lifetime(PacketLifetime::OfKey { renews }, template.inherits_lifetime);
            packet.set_key_lifetime(KeyLifetime::new(template.lifetime().into(), renews)?);
            // Only the destination is written.
            Ok(Endings::of([to]).before(vec![packet]))
        });
        let request = request.map_err(|error| to.explain(command, error));
        Command::new::<S>(command, Some(to.template()), request, decode).on_target(redis.into())
    }
}

fn check_number(keys: usize) -> Result<()> {
    if keys > MOST_KEYS {
        return Err(Error::invalid_input(format!(
            "{keys} keys are too many for one command: use at most {MOST_KEYS} at a time"
        )));
    }
    Ok(())
}

/// Creates a command that moves an element to another key, which gets its declared TTL in the
/// same step if the command creates it.
pub(super) fn moving<S: Keyspace, V: Kind, T>(
    command: &'static str,
    from: &Key<S, V>,
    to: &Key<S, V>,
    args: Result<Args>,
    decode: Decode<T>,
) -> Command<T> {
    let server = same_server([from.redis(), to.redis()]);
    let redis = server.as_ref().ok().cloned().flatten();
    let request = server.and_then(|_| {
        let mut packet =
            Packet { args: args?, ..Packet::new(command, Keys::Many(vec![from.text(), to.text()])) };
        let template = to.template();
        let renews = template.renews_lifetime();
        packet.with_declared_lifetime(PacketLifetime::OfKey { renews }, template.inherits_lifetime);
        packet.set_key_lifetime(KeyLifetime::new(template.lifetime().into(), renews)?);
        Ok(Endings::of([from, to]).before(vec![packet]))
    });
    let request = request.map_err(|error| from.explain(command, error));
    Command::new::<S>(command, Some(from.template()), request, decode).on_target(redis.into())
}

/// Finds the key that a reply names. The name starts with the namespace.
pub(super) fn named<S: Keyspace, V>(request: &Request, name: &[u8]) -> Result<Key<S, V>> {
    let keys = request.packets().iter().flat_map(|packet| packet.keys.as_slice());
    let ending = keys.filter(|key| name.ends_with(key.as_str().as_bytes()));
    let found = ending.max_by_key(|key| key.as_str().len());
    let key = found.and_then(|key| Some(Key::of(key.clone(), S::META.template_of(key.own())?)));
    key.ok_or_else(|| base::unexpected("it names a key that was not sent"))
}

/// Fails if the name of a key is the end of the name of another one, because a reply that names one
/// of them would be ambiguous.
pub(super) fn check_names(request: Result<Request>) -> Result<Request> {
    let request = request?;
    for keys in request.packets().iter().map(|packet| packet.keys.as_slice()) {
        let is_end = |one: &&KeyText| {
            let one = one.as_str();
            keys.iter().map(KeyText::as_str).any(|other| other.len() > one.len() && other.ends_with(one))
        };
        if let Some(key) = keys.iter().find(is_end) {
            return Err(Error::invalid_input(format!(
                "another key ends with the whole name {:?}, so the reply would not say which one is meant: use two commands",
                key.as_str()
            )));
        }
    }
    Ok(request)
}

/// Decodes the count of a command that read several keys.
pub(super) fn count(request: &Request, replies: Replies) -> Result<u64> {
    match base::answer(request, replies)? {
        // The answer to a read that returns a miss when Redis is unavailable.
        reply if base::is_miss(&reply) => Ok(0),
        reply => read::to_count(reply),
    }
}
