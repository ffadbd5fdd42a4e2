//! XREAD and XREADGROUP.

use std::time::Duration;

use bytes::Bytes;

use super::groups::CONSUMER_CREATED;
use super::parse::entry_id;
use super::{count_or_all, entries, id, no_group, owned, read_stream};
use crate::command::arguments::{integer, option};
use crate::command::blocking::{milliseconds, wait};
use crate::command::context::{Context, Nesting, Spec, command};
use crate::command::flags::NO_KEYS;
use crate::db::Db;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::resp::Protocol;
use crate::stream::{EntryId, PendingEntry, Stream};
use crate::value::Value;

pub(in crate::command) const TABLE: &[Spec] = &[
    command("xread", -4, 0, NO_KEYS, |context, arguments| xread(context, arguments, "xread")),
    command("xreadgroup", -7, 0, NO_KEYS, |context, arguments| xread(context, arguments, "xreadgroup")),
];

/// The most entries that a client gets after it has waited, unless it sets a count.
const WAITING_COUNT: i64 = 1000;

/// A group and the consumer that reads.
#[derive(Clone)]
struct GroupReader {
    group: Bytes,
    consumer: Bytes,
    without_ack: bool,
}

/// Where a client reads a stream.
#[derive(Clone, Copy, PartialEq)]
enum ReadFrom {
    /// After an ID. For a group, it is one of the pending entries of the consumer.
    After(EntryId),
    /// After the last entry that was delivered to the group.
    New,
}

/// The options of XREAD and XREADGROUP.
struct ReadOptions<'a> {
    count: i64,
    /// `None` does not wait. `Some(None)` waits without a limit.
    timeout: Option<Option<Duration>>,
    reader: Option<GroupReader>,
    keys: &'a [Bytes],
    ids: &'a [Bytes],
}

impl<'a> ReadOptions<'a> {
    fn parse(arguments: &'a [Bytes], name: &str) -> Result<Self, Failure> {
        let is_group = name == "xreadgroup";
        let only_group = |option: &str| {
            Failure::text(format!(
                "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
            ))
        };
        let (mut count, mut timeout, mut group, mut without_ack) = (0, None, None, false);
        let mut rest = arguments;
        while let Some((word, after)) = rest.split_first() {
            rest = match (option(word).as_slice(), after) {
                (b"BLOCK", [text, after @ ..]) => {
                    timeout = Some(milliseconds(text)?);
                    after
                }
                (b"COUNT", [text, after @ ..]) => {
                    count = integer(text)?.max(0);
                    after
                }
                (b"STREAMS", [_, ..]) => {
                    if !after.len().is_multiple_of(2) {
                        return Err(Failure::new(
                            "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
                        ));
                    }
                    let (keys, ids) = after.split_at(after.len() / 2);
                    if is_group && group.is_none() {
                        return Err(Failure::new("ERR Missing GROUP option for XREADGROUP"));
                    }
                    let reader = group.map(|(group, consumer)| GroupReader { group, consumer, without_ack });
                    return Ok(Self { count, timeout, reader, keys, ids });
                }
                (b"GROUP", [_, _, ..]) if !is_group => return Err(only_group("GROUP")),
                (b"GROUP", [name, consumer, after @ ..]) => {
                    group = Some((owned(name), owned(consumer)));
                    after
                }
                (b"NOACK", _) if !is_group => return Err(only_group("NOACK")),
                (b"NOACK", _) => {
                    without_ack = true;
                    after
                }
                _ => return Err(Failure::SYNTAX),
            };
        }
        Err(Failure::SYNTAX)
    }
}

fn xread(context: &mut Context<'_>, arguments: &[Bytes], name: &str) -> Answer {
    let ReadOptions { count, timeout, reader, keys, ids } = ReadOptions::parse(arguments, name)?;
    let mut places = Vec::with_capacity(keys.len());
    for (key, text) in keys.iter().zip(ids) {
        places.push(place(read_stream(context, key)?, key, text, reader.as_ref())?);
    }
    let (now, protocol) = (context.now, context.protocol());
    let db = context.db()?;
    let mut found = Vec::new();
    for (key, from) in keys.iter().zip(&places) {
        let Some(entries) = read_one(db, key, *from, reader.as_ref(), count_or_all(count), now)? else {
            continue;
        };
        found.push((Reply::Bulk(key.clone()), entries));
    }
    if !found.is_empty() {
        return Ok(by_key(found, protocol));
    }
    let Some(timeout) = timeout.filter(|_| context.nesting == Nesting::Nothing) else {
        return Ok(Reply::NilArray);
    };
    let count = count_or_all(if count > 0 { count } else { WAITING_COUNT });
    let places: Vec<(Bytes, ReadFrom)> = keys.iter().map(owned).zip(places).collect();
    wait(context, keys, timeout, move |db, key, now| {
        let (_, from) = places.iter().find(|(other, _)| other == key)?;
        if let Some(reader) = &reader {
            match db.entry(key).map(|entry| &entry.value) {
                Some(Value::Stream(stream)) if stream.group(&reader.group).is_none() => {
                    return Some(Err(Failure::new(
                        "NOGROUP the consumer group this client was blocked on no longer exists",
                    )));
                }
                Some(Value::Stream(_)) => {}
                _ => return Some(Err(Failure::new("UNBLOCKED the stream key no longer exists"))),
            }
        }
        // A client that waits ignores values of other types.
        let entries = read_one(db, key, *from, reader.as_ref(), count, now).ok()??;
        Some(Ok(by_key(vec![(Reply::Bulk(key.clone()), entries)], protocol)))
    })
}

/// Parses the ID after which a stream is read.
fn place(
    stream: Option<&Stream>,
    key: &[u8],
    text: &[u8],
    reader: Option<&GroupReader>,
) -> Result<ReadFrom, Failure> {
    if let Some(reader) = reader
        && stream.and_then(|stream| stream.group(&reader.group)).is_none()
    {
        return Err(no_group(key, &reader.group, " in XREADGROUP with GROUP option"));
    }
    match (text, reader) {
        (b"$", Some(_)) => Err(Failure::new(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        )),
        (b"$", None) => Ok(ReadFrom::After(stream.map_or(EntryId::ZERO, Stream::last_id))),
        (b">", Some(_)) => Ok(ReadFrom::New),
        (b">", None) => Err(Failure::new(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        _ => match entry_id(text, 0)? {
            EntryId::MAX if reader.is_some() => Ok(ReadFrom::New),
            id => Ok(ReadFrom::After(id)),
        },
    }
}

/// Reads one stream. Returns `None` if it has no entry to read.
fn read_one(
    db: &mut Db,
    key: &[u8],
    from: ReadFrom,
    reader: Option<&GroupReader>,
    count: usize,
    now: i64,
) -> Result<Option<Reply>, Failure> {
    let Some(stream) = db.value_mut(key).map(Value::stream_mut).transpose()? else { return Ok(None) };
    let last = stream.last_entry_id();
    match (from, reader) {
        (ReadFrom::After(after), None) => {
            let Some(start) = after.next().filter(|_| last.is_some_and(|last| last > after)) else {
                return Ok(None);
            };
            Ok(Some(entries(stream.range(start..=EntryId::MAX).take(count))))
        }
        (ReadFrom::After(after), Some(reader)) => {
            let is_new = stream
                .group_mut(&reader.group)
                .is_some_and(|group| group.see_consumer(&reader.consumer, now));
            let reply = history(stream, reader, after, count, now);
            if is_new {
                db.notify(EventClasses::STREAM, CONSUMER_CREATED, key);
            }
            Ok(reply)
        }
        (ReadFrom::New, Some(reader)) => {
            let Some(group) = stream.group_mut(&reader.group) else { return Ok(None) };
            if last.is_none_or(|last| last <= group.last_id) {
                return Ok(None);
            }
            let is_new = group.see_consumer(&reader.consumer, now);
            let pending = PendingEntry { consumer: reader.consumer.clone(), time: now, deliveries: 1 };
            let pending = (!reader.without_ack).then_some(&pending);
            let found = stream.deliver(&reader.group, count, pending);
            let reply = entries(&found);
            if is_new {
                db.notify(EventClasses::STREAM, CONSUMER_CREATED, key);
            }
            Ok(Some(reply))
        }
        (ReadFrom::New, None) => Ok(None),
    }
}

/// Returns pending entries of the consumer. Each one counts as another delivery.
fn history(
    stream: &mut Stream,
    reader: &GroupReader,
    after: EntryId,
    count: usize,
    now: i64,
) -> Option<Reply> {
    let pending = &stream.group(&reader.group)?.consumers().get(&reader.consumer)?.pending;
    // After the last possible ID, the search begins at the first one, as on a real server.
    let start = after.next().unwrap_or(EntryId::ZERO);
    let ids: Vec<EntryId> = pending.range(start..).take(count).copied().collect();
    let replies = ids.into_iter().map(|own| match stream.entry(own).map(super::entry) {
        Some(reply) => {
            if let Some(pending) = stream.group_mut(&reader.group).and_then(|group| group.pending_mut(own)) {
                pending.time = now;
                pending.deliveries = pending.deliveries.saturating_add(1);
            }
            reply
        }
        // The entry was deleted.
        None => Reply::Array(vec![id(own), Reply::NilArray]),
    });
    Some(Reply::Array(replies.collect()))
}

/// Creates the reply: a map under RESP3, pairs under RESP2.
fn by_key(found: Vec<(Reply, Reply)>, protocol: Protocol) -> Reply {
    if protocol == Protocol::Resp3 {
        return Reply::Map(found);
    }
    Reply::Array(found.into_iter().map(|(key, entries)| Reply::Array(vec![key, entries])).collect())
}
