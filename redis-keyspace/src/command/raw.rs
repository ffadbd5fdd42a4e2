//! Raw commands on a typed key.

use std::any::type_name;
use std::fmt;

use redis::{FromRedisValue, ToRedisArgs};

use super::base::Command;
use crate::client::{Subject, same_server};
use crate::connect::to_driver;
use crate::error::{Error, Result};
use crate::key::KeyText;
use crate::kind::Kind;
use crate::protocol::{Args, Keys, Packet, PlacesOfKeys, Replies, Request, read};
use crate::schema::{Key, Keyspace, KeyspaceMeta};

/// Raw commands on a key.
impl<S: Keyspace, V: Kind> Key<S, V> {
    /// Starts a command that this crate does not cover, on this key. The command goes to the
    /// server, database and slot of the key, and the key is sent with its namespace and tenant.
    ///
    /// The words of `command` are separated by spaces: `"OBJECT ENCODING"`. The key follows them,
    /// unless [`key`](RawCommand::key) sets another place. [`query`](RawCommand::query) finishes
    /// the command. It is a [`Command`], so it can also be part of a batch or transaction.
    ///
    /// A raw command bypasses the declaration: it may write values that no reader can decode, it
    /// sets no TTL, and it ends no fills unless [`writes`](RawCommand::writes) is set.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let title = PageKeys::title(7);
    /// title.set("A page").await?;
    ///
    /// let encoding: Option<String> = title.raw("OBJECT ENCODING").query().await?;
    /// assert_eq!(encoding.as_deref(), Some("embstr"));
    ///
    /// let length: u64 = title.raw("APPEND").arg(" on Redis").writes().query().await?;
    /// assert_eq!(length, 15);
    ///
    /// let same: Option<String> = title.raw("OBJECT").arg("ENCODING").key().query().await?;
    /// assert!(same.is_some());
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command, when it runs. [`InvalidInput`](crate::ErrorKind::InvalidInput) for
    /// commands that change the connection or wait on it, such as `SELECT`, `SUBSCRIBE`, `MULTI`
    /// and `BLPOP`, because other tasks use the connection too: run them with
    /// [`Redis::raw_for`](crate::Redis::raw_for). Nothing is sent then. A reply that can't be
    /// converted is a [`Decode`](crate::ErrorKind::Decode) error. Not retried after a lost
    /// connection, unless [`read_only`](RawCommand::read_only) is set. A disabled handle returns
    /// [`ServerNotConfigured`](crate::ErrorKind::ServerNotConfigured).
    ///
    /// # Cancellation
    ///
    /// Dropping the command before its first poll sends nothing. After that, it may still run.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn raw(&self, command: &'static str) -> RawCommand<S, V> {
        RawCommand {
            key: self.clone(),
            command,
            args: Args::default(),
            keys: Vec::new(),
            use_of_key: UseOfKey::Unknown,
        }
    }
}

/// A raw command that is not finished, created by [`Key::raw`]. [`query`](Self::query) finishes it.
#[must_use = "a raw command does nothing until `query` finishes it and the result is awaited"]
pub struct RawCommand<S, V> {
    key: Key<S, V>,
    command: &'static str,
    args: Args,
    keys: Vec<PlacedKey>,
    use_of_key: UseOfKey,
}

/// A key, and how many arguments precede it.
struct PlacedKey {
    text: KeyText,
    place: usize,
    keyspace: &'static KeyspaceMeta,
    redis: Option<crate::Redis>,
}

/// What a raw command does with its keys, as far as the caller says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UseOfKey {
    Unknown,
    Reads,
    Writes,
}

impl<S: Keyspace, V: Kind> RawCommand<S, V> {
    /// Appends an argument, as the driver writes it: a string, bytes, a number, or several of them.
    /// It is sent as it is, so it must not be the name of a key.
    pub fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        argument.to_redis_args().iter().for_each(|argument| self.args.push(argument));
        self
    }

    /// Sets the place of the key: after the arguments so far.
    pub fn key(self) -> Self {
        let key = self.key.clone();
        self.other_key(&key)
    }

    /// Appends another key. On a cluster, all keys must be in one slot; otherwise the command fails
    /// with [`InvalidInput`](crate::ErrorKind::InvalidInput), which names both templates, and
    /// nothing is sent. Use [`key`](Self::key) too, to set the place of the key itself.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, SortedSet};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "game", ttl = "1d")]
    /// # struct GameKeys {
    /// #     #[key("{id}:{round}", hash_tag = id)]
    /// #     scores: fn(id: u64, round: u8) -> SortedSet<u64>,
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let (first, second, total) = (GameKeys::scores(7, 1), GameKeys::scores(7, 2), GameKeys::scores(7, 0));
    /// first.zadd(&42, 10.0).await?;
    /// second.zadd(&42, 5.0).await?;
    /// let players: u64 = total
    ///     .raw("ZUNIONSTORE")
    ///     .key()
    ///     .arg(2)
    ///     .other_key(&first)
    ///     .other_key(&second)
    ///     .query()
    ///     .await?;
    /// assert_eq!(players, 1);
    /// assert_eq!(total.zscore(&42).await?, Some(15.0));
    /// # Ok(()) }).await }
    /// ```
    pub fn other_key<T: Keyspace, W>(mut self, key: &Key<T, W>) -> Self {
        let (text, keyspace, redis) = (key.text(), T::META, key.redis());
        self.keys.push(PlacedKey { text, place: self.args.len(), keyspace, redis });
        self
    }

    /// Says that the command only reads, so it is safe to repeat after a lost connection, and
    /// replicas may run it where the declaration allows that.
    pub fn read_only(mut self) -> Self {
        self.use_of_key = UseOfKey::Reads;
        self
    }

    /// Says that the command writes the key. It then also ends fills of the key in flight, as every
    /// typed write does. Other keys of the command are not affected.
    pub fn writes(mut self) -> Self {
        self.use_of_key = UseOfKey::Writes;
        self
    }

    /// Returns the finished command. The driver converts the reply, so its rules apply: an integer
    /// that does not fit the type may wrap around. A missing value is `None` of an `Option`.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// let title = PageKeys::title(7);
    /// let (_, start) = redis
    ///     .batch((title.set("A page"), title.raw("GETRANGE").arg(0).arg(0).read_only().query::<String>()))
    ///     .await?;
    /// assert_eq!(start, "A");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Key::raw`].
    ///
    /// # Cancellation
    ///
    /// As for [`Key::raw`].
    ///
    /// # Round trips
    ///
    /// One.
    pub fn query<T: FromRedisValue + 'static>(self) -> Command<T> {
        self.finish(converted::<T>)
    }

    /// Returns the finished command, whose reply is a string of bytes, or `None` if it is nil.
    ///
    /// # Errors
    ///
    /// As for [`Key::raw`].
    ///
    /// # Cancellation
    ///
    /// As for [`Key::raw`].
    ///
    /// # Round trips
    ///
    /// One.
    pub fn query_bytes(self) -> Command<Option<bytes::Bytes>> {
        self.finish(|_, replies| read::to_bytes(read::one(replies)?))
    }

    fn finish<T>(self, decode: fn(&Request, Replies) -> Result<T>) -> Command<T> {
        let Self { key, command, args, mut keys, use_of_key } = self;
        if keys.is_empty() {
            let (text, keyspace, redis) = (key.text(), S::META, key.redis());
            keys.push(PlacedKey { text, place: 0, keyspace, redis });
        }
        let target =
            same_server(std::iter::once(key.redis()).chain(keys.iter().map(|key| key.redis.clone())));
        let mut others: Vec<_> = keys.iter().map(|key| key.keyspace).collect();
        others.retain(|other| !std::ptr::eq(*other, S::META));
        let is_alone = keys.len() == 1;
        let packet = permitted(command, &args).map(|(name, words)| {
            let places: Vec<usize> = keys.iter().map(|key| key.place).collect();
            let mut keys: Vec<KeyText> = keys.into_iter().map(|key| key.text).collect();
            let keys = match (keys.len(), keys.pop()) {
                (1, Some(key)) => Keys::One(key),
                (_, last) => {
                    keys.extend(last);
                    Keys::Many(keys)
                }
            };
            let packet = Packet { args, ..Packet::new(name, keys) };
            let packet = if words.len() == 0 { packet } else { packet.with_head(words) };
            Packet { places: (places.as_slice() != [0]).then(|| Box::new(PlacesOfKeys(places))), ..packet }
        });
        let request = packet.map(|packet| {
            let template = key.template();
            if use_of_key == UseOfKey::Writes && template.ends_fills() {
                Request::ending_fills(vec![packet], &[key.text()], template.keeps_copies())
            } else {
                Request::One(packet)
            }
        });
        let redis = target.as_ref().ok().cloned().flatten();
        let request = target.and(request).map_err(|error| key.explain(command, error));
        let template = is_alone.then_some(key.template());
        let mut subject = Subject::new(Some(S::META), template, command);
        subject.needs_server = true;
        let mut built = Command::with_subject(subject, request, decode).on_target(redis.into());
        built.call.set_others(others);
        if use_of_key == UseOfKey::Reads { built.repeatable().on_replica_without_cluster() } else { built }
    }
}

impl<S, V> fmt::Debug for RawCommand<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawCommand")
            .field("command", &self.command)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Converts a reply with the driver. The driver's error contains the reply, so it is not shown.
fn converted<T: FromRedisValue>(_: &Request, replies: Replies) -> Result<T> {
    let reply = read::one(replies)?;
    let shape = reply.shape();
    T::from_redis_value(to_driver(reply)?).map_err(|_| {
        Error::decode(format!("the driver can't convert the reply ({shape}) to {}", type_name::<T>()))
    })
}

/// Returns the name of a command and its further words. Fails if it must not run on a connection
/// that other tasks use at the same time.
fn permitted(command: &'static str, args: &Args) -> Result<(&'static str, Args)> {
    let mut words = command.split_ascii_whitespace();
    let name =
        words.next().ok_or_else(|| Error::invalid_input("a raw command needs a name, such as `GETRANGE`"))?;
    let mut head = Args::default();
    words.for_each(|word| head.push(word.as_bytes()));
    let first = head.iter().chain(args.iter()).next().unwrap_or_default().to_ascii_uppercase();
    let problem = match &*name.to_ascii_uppercase() {
        "SELECT" | "AUTH" | "HELLO" | "CLIENT" | "RESET" | "QUIT" | "READONLY" | "READWRITE" | "ASKING" => {
            "changes the connection"
        }
        "SUBSCRIBE" | "PSUBSCRIBE" | "SSUBSCRIBE" | "UNSUBSCRIBE" | "PUNSUBSCRIBE" | "SUNSUBSCRIBE"
        | "MONITOR" | "SYNC" | "PSYNC" | "REPLCONF" => "changes what the server sends on the connection",
        "MULTI" | "EXEC" | "DISCARD" | "WATCH" | "UNWATCH" => {
            return Err(Error::invalid_input(format!(
                "the connection of a raw command is shared with other tasks, and {name} would affect their commands: use \
                 `redis.transaction(..)` or `redis.watch(..)`, or `Redis::raw`; nothing was sent"
            )));
        }
        "SCRIPT" if first == b"DEBUG" => "changes the connection",
        "BLPOP" | "BRPOP" | "BLMOVE" | "BLMPOP" | "BRPOPLPUSH" | "BZPOPMIN" | "BZPOPMAX" | "BZMPOP"
        | "WAIT" | "WAITAOF" => "waits",
        "XREAD" | "XREADGROUP" if waits_for_entries(head.iter().chain(args.iter())) => "waits",
        _ => return Ok((name, head)),
    };
    Err(Error::invalid_input(format!(
        "{name} {problem}, which other tasks use at the same time: run it on an exclusive connection with `Redis::raw` or \
         `Redis::raw_for`; nothing was sent"
    )))
}

/// Whether a read of streams has the option `BLOCK`. The names of groups and consumers may be equal
/// to options.
fn waits_for_entries<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> bool {
    while let Some(word) = words.next() {
        let values = match word.to_ascii_uppercase().as_slice() {
            b"BLOCK" => return true,
            b"STREAMS" => return false,
            b"GROUP" => 2,
            b"COUNT" => 1,
            _ => 0,
        };
        words.by_ref().take(values).for_each(drop);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(command: &'static str, words: &str) -> Option<String> {
        let mut args = Args::default();
        words.split_ascii_whitespace().for_each(|word| args.push(word.as_bytes()));
        permitted(command, &args).err().map(|error| error.to_string())
    }

    #[test]
    fn commands_that_affect_other_tasks_are_refused() {
        for (command, words) in [
            ("select", "1"),
            ("CLIENT REPLY", "OFF"),
            ("MULTI", ""),
            ("watch", ""),
            ("BLPOP", "0"),
            ("XREAD", "COUNT 1 block 0 STREAMS $"),
            ("XREADGROUP", "GROUP g c BLOCK 0 STREAMS >"),
            ("XREADGROUP", "GROUP streams c BLOCK 0 STREAMS >"),
            ("XREAD BLOCK 0 STREAMS", "$"),
            ("xread count 1 block", "0 STREAMS $"),
            ("XREADGROUP GROUP g", "c BLOCK 0 STREAMS >"),
            ("SCRIPT", "DEBUG YES"),
            ("SCRIPT DEBUG", "YES"),
            ("SSUBSCRIBE", ""),
        ] {
            let problem = problem(command, words).unwrap_or_else(|| panic!("{command} was permitted"));
            assert!(problem.contains("Redis::raw") && problem.contains("nothing was sent"), "{problem}");
        }
        assert!(problem("  ", "").is_some());
        for (command, words) in [
            ("OBJECT ENCODING", ""),
            ("DEBUG", "OBJECT"),
            ("XREAD", "STREAMS BLOCK"),
            ("XREAD STREAMS", "BLOCK"),
            ("XREADGROUP", "GROUP block block COUNT 1 STREAMS >"),
            ("SCRIPT", "EXISTS x"),
            ("LPOP", ""),
        ] {
            assert_eq!(problem(command, words), None, "{command}");
        }
    }
}
