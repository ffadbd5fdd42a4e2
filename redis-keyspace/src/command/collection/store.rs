//! Commands that write a key from others.

use crate::client::{Redis, same_server};
use crate::command::base::Command;
use crate::error::{Error, Result};
use crate::key::KeyText;
use crate::protocol::{Args, Decode, Keys, MOST_IN_SCRIPT, Packet, Request};
use crate::schema::{Key, Keyspace};

/// The maximum number of keys in one command. The rest is for its name and options.
const MOST_SOURCES: usize = MOST_IN_SCRIPT / 2;

/// The keys that a command reads.
pub(super) struct Sources {
    keys: Vec<KeyText>,
    /// The handle that was set on the keys, or why there can't be one.
    server: Result<Option<Redis>>,
}

impl Sources {
    pub(super) fn of<S: Keyspace, V>(keys: impl IntoIterator<Item = Key<S, V>>) -> Self {
        let keys: Vec<_> = keys.into_iter().collect();
        Self { server: same_server(keys.iter().map(Key::redis)), keys: keys.iter().map(Key::text).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// A command that writes a key from others.
pub(super) struct Store<T> {
    pub(super) command: &'static str,
    /// The arguments before the keys.
    pub(super) before: &'static [&'static str],
    /// The arguments after the keys.
    pub(super) after: Result<Args>,
    /// Whether the command replaces the key. Otherwise it may change it.
    pub(super) replaces: bool,
    pub(super) decode: Decode<T>,
}

impl<T> Store<T> {
    /// Creates the command. In the same step, the key gets its declared lifetime if the command
    /// replaces or creates it.
    pub(super) fn into_key<S: Keyspace, V>(self, sources: Sources, to: &Key<S, V>) -> Command<T> {
        let Self { command, before, after, replaces, decode } = self;
        let template = to.template();
        // A handle on the destination alone is enough, and one on the sources alone is, too.
        let server = sources.server.and_then(|redis| match (redis, to.redis()) {
            (Some(redis), Some(other)) => same_server([Some(redis), Some(other)]),
            (redis, other) => Ok(redis.or(other)),
        });
        let redis = server.as_ref().ok().cloned().flatten();
        let request = server.and_then(|_| {
            if sources.keys.len() > MOST_SOURCES {
                return Err(Error::invalid_input(format!(
                    "{} keys are too many for one command: use at most {MOST_SOURCES} at a time",
                    sources.keys.len()
                )));
            }
            let keys = std::iter::once(to.text()).chain(sources.keys).collect();
            let mut packet = Packet { args: after?, ..Packet::new(command, Keys::Many(keys)) };
            if !before.is_empty() {
                let mut head = Args::default();
                before.iter().for_each(|argument| head.push(argument.as_bytes()));
                packet = packet.with_head(head);
            }
            let always = replaces || template.renews_lifetime();
            let packet = packet.storing(template.lifetime().into(), always, template.inherits_lifetime)?;
            Ok(Request::One(packet))
        });
        let request = request.map_err(|error| to.explain(command, error));
        Command::new::<S>(command, Some(template), request, decode).on_target(redis.into())
    }
}
