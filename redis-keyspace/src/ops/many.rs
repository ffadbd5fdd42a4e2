//! Operations on many keys of one keyspace.

use std::borrow::Borrow;

use crate::Redis;
use crate::command::{Command, KEYS_PER_COMMAND, Keys, Packet, Request, reply};
use crate::connect::lane::Replies;
use crate::connect::lane::resp::Reply;
use crate::error::{Error, Result};
use crate::handle::same_server;
use crate::key::Key;
use crate::keyspace::{Keyspace, TemplateMeta};
use crate::kind::{Kind, Readable, SingleValue};

/// Many keys of a keyspace read in one round trip.
impl<S: Keyspace, V: Readable> Key<S, V> {
    /// Reads the values of many keys, in their order; `None` where there is none, 0 for a counter. No keys, no
    /// round trip.
    ///
    /// The first value that can't be decoded fails the whole, naming its key. A key that holds another Redis type reads
    /// as if it were not there, because that is how `MGET` answers.
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
    pub fn get_many(keys: impl IntoIterator<Item = Self>) -> Command<Vec<V::Read>> {
        let (template, redis, request) = chunked("MGET", keys);
        Command::new::<S>("MGET", template, request, values::<V>).repeatable().reading().with_redis(redis)
    }
}

/// Many keys of a keyspace written in one round trip.
impl<S: Keyspace, V: SingleValue> Key<S, V> {
    /// Stores the values of many keys, each with its template's lifetime. Not atomic: should the server refuse one, the
    /// others are stored all the same, and the error names the first that was not.
    pub fn set_many<B: Borrow<V::Borrowed>>(entries: impl IntoIterator<Item = (Self, B)>) -> Command<()> {
        let (mut template, mut servers) = (None, Vec::new());
        let packets: Result<Vec<_>> = entries
            .into_iter()
            .map(|(key, value)| {
                template.get_or_insert(key.template());
                servers.push(key.redis());
                key.set_packet(value.borrow())
                    .map_err(|error| error.about("SET", Some(key.template()), Some(key.as_str())))
            })
            .collect();
        let checked = packets.and_then(|packets| Ok((packets, same_server(servers)?)));
        let (request, redis) = match checked {
            Ok((packets, redis)) if packets.is_empty() => (Ok(Request::Empty), redis),
            Ok((packets, redis)) => (Ok(ending_fills(packets)), redis),
            Err(error) => (Err(error), None),
        };
        Command::new::<S>("SET", template, request, stored).repeatable().with_redis(redis)
    }
}

/// Many keys of any kind in one round trip.
impl<S: Keyspace, V: Kind> Key<S, V> {
    /// Deletes many keys; gives how many there were. No keys, no round trip.
    pub fn del_many(keys: impl IntoIterator<Item = Self>) -> Command<u64> {
        let (template, redis, request) = chunked("UNLINK", keys);
        let request = request.map(|request| match request {
            Request::One(packet) if V::IS_FILLED => ending_fills(vec![packet]),
            Request::Pipeline(packets) if V::IS_FILLED => ending_fills(packets),
            request => request,
        });
        Command::new::<S>("UNLINK", template, request, total).with_redis(redis)
    }
}

/// The values of many keys as they are, for who decodes each by itself.
pub(crate) fn get_many_bytes<S: Keyspace, V: Kind>(
    keys: impl IntoIterator<Item = Key<S, V>>,
) -> Command<Vec<Option<Vec<u8>>>> {
    let (template, redis, request) = chunked("MGET", keys);
    let decode = |_: &Request, replies: Replies| {
        let mut values = Vec::new();
        for reply in reply::many(replies) {
            let Reply::Array(items) = reply::checked(reply)? else {
                return Err(Error::protocol("MGET did not give a list"));
            };
            for item in items {
                values.push(reply::to_bytes(item)?);
            }
        }
        Ok(values)
    };
    Command::new::<S>("MGET", template, request, decode).repeatable().reading().with_redis(redis)
}

/// One command for up to a thousand keys, several in a pipeline for more.
fn chunked<S, V>(
    command: &'static str,
    keys: impl IntoIterator<Item = Key<S, V>>,
) -> (Option<&'static TemplateMeta>, Option<Redis>, Result<Request>) {
    let keys: Vec<_> = keys.into_iter().collect();
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
    for (packet, reply) in packets.iter().zip(reply::many(replies)) {
        let Reply::Array(items) = reply::checked(reply)? else {
            return Err(Error::protocol("MGET did not give a list"));
        };
        let keys = packet.keys.as_slice();
        if items.len() != keys.len() {
            return Err(Error::protocol("MGET did not give one value a key"));
        }
        for (key, item) in keys.iter().zip(items) {
            let value = reply::to_value::<V>(item);
            values.push(value.map_err(|error| error.about("MGET", None, Some(key.as_str())))?);
        }
    }
    Ok(values)
}

/// The same with what ends the fills of the keys, a thousand at once.
fn ending_fills(packets: Vec<Packet>) -> Request {
    let keys: Vec<_> = packets.iter().flat_map(|packet| packet.keys.as_slice()).cloned().collect();
    let endings = keys.chunks(KEYS_PER_COMMAND).map(|keys| Packet::ending_fills(&Keys::Many(keys.to_vec())));
    Request::Pipeline(endings.chain(packets).collect())
}

fn stored(request: &Request, replies: Replies) -> Result<()> {
    for (packet, reply) in request.asked_for().zip(reply::many(replies)) {
        let key = packet.keys.as_slice().first().map(|key| key.as_str());
        reply::to_unit(reply).map_err(|error| error.about("SET", None, key))?;
    }
    Ok(())
}

fn total(_: &Request, replies: Replies) -> Result<u64> {
    reply::many(replies).into_iter().map(reply::to_count).sum()
}
