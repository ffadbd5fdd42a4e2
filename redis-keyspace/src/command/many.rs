//! Operations on many keys of one keyspace.

use bytes::Bytes;

use super::base::Command;
use super::each::ManyKeys;
use super::endings::Endings;
use crate::client::{Redis, same_server};
use crate::error::{Error, Result};
use crate::kind::{Kind, Readable};
use crate::protocol::{KEYS_PER_COMMAND, Keys, Packet, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace, TemplateMeta};

/// Reads of many keys.
impl<S: Keyspace, V: Readable> Key<S, V> {
    /// Returns the values of many keys, in the order of the keys: `None` for a missing key, 0 for a
    /// missing counter.
    ///
    /// A key that holds another Redis type reads as missing, because that is how `MGET` replies.
    ///
    /// ```
    /// # use redis_keyspace::{Json, Key, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", ttl = 3600)]
    /// # struct CartKeys { user: fn(id: u64) -> Json<Vec<String>> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// CartKeys::user(2).set(&vec!["lamp".to_owned()]).await?;
    /// let carts = Key::get_many([1, 2].map(CartKeys::user)).await?;
    /// assert_eq!(carts, [None, Some(vec!["lamp".to_owned()])]);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if a value is not of this kind; the error names the
    /// first such key. [`each`](ManyKeys::each) returns the results of the other keys, too.
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the keys are on
    /// different servers. Otherwise those of any command.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One, or none without keys. On a [cluster](crate::guide::cluster), one to each node, at the
    /// same time.
    pub fn get_many(keys: impl IntoIterator<Item = Self>) -> ManyKeys<S, V, Vec<V::Read>, V::Read> {
        let keys: Vec<_> = keys.into_iter().collect();
        let (template, redis, request) = chunked("MGET", &keys);
        let command = Command::new::<S>("MGET", template, request, values::<V>)
            .repeatable()
            .reading()
            .on_replica()
            .on_target(redis.into());
        ManyKeys::new(command, keys, |key| {
            Command::on_key(key, "GET", |_| Ok(()), read::value::<V>).repeatable().reading().on_replica()
        })
    }
}

/// Operations on many keys of any kind.
impl<S: Keyspace, V: Kind> Key<S, V> {
    /// Deletes many keys. Returns how many existed.
    ///
    /// Loads of these keys that are in flight do not store their values.
    ///
    /// ```
    /// # use redis_keyspace::{Key, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::title(7).set("A page").await?;
    /// assert_eq!(Key::del_many([7, 8].map(PageKeys::title)).await?, 1);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the keys are on different servers;
    /// otherwise those of any command. Not retried after a lost connection: a second attempt could
    /// not tell which keys existed. On a [cluster](crate::guide::cluster), the keys of other nodes
    /// may be deleted although the call fails; [`each`](ManyKeys::each) says which.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the command may still
    /// run.
    ///
    /// # Round trips
    ///
    /// One, or none without keys. On a [cluster](crate::guide::cluster), one to each node, at the
    /// same time.
    pub fn del_many(keys: impl IntoIterator<Item = Self>) -> ManyKeys<S, V, u64, bool> {
        let () = V::STORED;
        let keys: Vec<_> = keys.into_iter().collect();
        let endings = Endings::of(&keys);
        let (template, redis, request) = chunked("UNLINK", &keys);
        let request = request.map(|request| match request {
            Request::One(packet) => endings.before(vec![packet]),
            Request::Pipeline(packets) => endings.before(packets),
            request => request,
        });
        let command = Command::new::<S>("UNLINK", template, request, total).on_target(redis.into());
        ManyKeys::new(command, keys, Self::del)
    }
}

/// Reads the values of many keys as bytes, for callers that decode each value separately.
pub(crate) fn get_many_bytes<S: Keyspace, V: Kind>(
    keys: impl IntoIterator<Item = Key<S, V>>,
) -> Command<Vec<Option<Bytes>>> {
    let keys: Vec<_> = keys.into_iter().collect();
    let (template, redis, request) = chunked("MGET", &keys);
    let decode = |_: &Request, replies: Replies| {
        let mut values = Vec::new();
        for reply in read::many(replies) {
            let Reply::Array(items) = read::checked(reply)? else {
                return Err(Error::protocol("MGET did not return a list"));
            };
            for item in items {
                values.push(read::to_bytes(item)?);
            }
        }
        Ok(values)
    };
    Command::new::<S>("MGET", template, request, decode).repeatable().reading().on_target(redis.into())
}

/// Builds one command for up to a thousand keys, and a pipeline of several commands for more.
fn chunked<S, V>(
    command: &'static str,
    keys: &[Key<S, V>],
) -> (Option<&'static TemplateMeta>, Option<Redis>, Result<Request>) {
    let template = keys.first().map(Key::template);
    let redis = match same_server(keys.iter().map(Key::redis)) {
        Ok(redis) => redis,
        Err(error) => return (template, None, Err(error)),
    };
    let mut packets: Vec<_> = keys
        .chunks(KEYS_PER_COMMAND)
        .map(|keys| Packet::new(command, Keys::Many(keys.iter().map(Key::text).collect())))
        .collect();
    let request = match packets.len() {
        0 => Request::Empty,
        1 => packets.pop().map_or(Request::Empty, Request::One),
        _ => Request::Pipeline(packets),
    };
    (template, redis, Ok(request))
}

fn values<V: Readable>(request: &Request, replies: Replies) -> Result<Vec<V::Read>> {
    let mut values = Vec::new();
    let packets = request.packets();
    for (packet, reply) in packets.iter().zip(read::many(replies)) {
        let Reply::Array(items) = read::checked(reply)? else {
            return Err(Error::protocol("MGET did not return a list"));
        };
        let keys = packet.keys.as_slice();
        if items.len() != keys.len() {
            return Err(Error::protocol("MGET did not return one value per key"));
        }
        for (key, item) in keys.iter().zip(items) {
            let value = read::to_value::<V>(item);
            values.push(value.map_err(|error| error.about("MGET", None, Some(key.as_str())))?);
        }
    }
    Ok(values)
}

fn total(_: &Request, replies: Replies) -> Result<u64> {
    read::many(replies).into_iter().map(read::to_count).sum()
}
