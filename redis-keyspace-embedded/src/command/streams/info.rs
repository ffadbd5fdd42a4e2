//! XINFO.

use bytes::Bytes;

use super::groups::{bad_subcommand, missing};
use super::{count_or_all, entries, entry, id, read_stream};
use crate::command::arguments::{exactly, first, integer, option};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::{CONTAINER, KeyPositions, NO_KEYS};
use crate::reply::{Answer, Failure, Reply};
use crate::stream::{EntryId, Group, Stream};

const SECOND_WORD: KeyPositions = (2, 2, 1);

pub(in crate::command) const TABLE: &[Spec] = &[
    command("xinfo", -2, CONTAINER, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("xinfo|stream", -3, 0, SECOND_WORD, describe_stream),
    command("xinfo|groups", 3, 0, SECOND_WORD, |context, arguments| {
        let [key] = exactly(arguments)?;
        let stream = read_stream(context, key)?.ok_or(Failure::NO_SUCH_KEY)?;
        let groups = stream.groups().iter().map(|(name, group)| {
            fields([
                ("name", Reply::Bulk(name.clone())),
                ("consumers", Reply::count(group.consumers().len())),
                ("pending", Reply::count(group.pending().len())),
                ("last-delivered-id", id(group.last_id)),
                ("entries-read", number(group.entries_read)),
                ("lag", number(stream.lag(group))),
            ])
        });
        Ok(Reply::Array(groups.collect()))
    }),
    command("xinfo|consumers", 4, 0, SECOND_WORD, |context, arguments| {
        let [key, name] = exactly(arguments)?;
        let now = context.now;
        let stream = read_stream(context, key)?.ok_or(Failure::NO_SUCH_KEY)?;
        let group = stream.group(name).ok_or_else(|| missing(key, name))?;
        let consumers = group.consumers().iter().map(|(name, consumer)| {
            fields([
                ("name", Reply::Bulk(name.clone())),
                ("pending", Reply::count(consumer.pending.len())),
                ("idle", Reply::Integer(now.saturating_sub(consumer.seen).max(0))),
            ])
        });
        Ok(Reply::Array(consumers.collect()))
    }),
];

fn fields<const N: usize>(fields: [(&'static str, Reply); N]) -> Reply {
    Reply::Map(fields.into_iter().map(|(name, value)| (Reply::text(name), value)).collect())
}

fn number(number: Option<i64>) -> Reply {
    number.map_or(Reply::Nil, Reply::Integer)
}

fn describe_stream(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    const DEFAULT_COUNT: i64 = 10;
    let ([key], options) = first(arguments)?;
    let wrong = bad_subcommand(context);
    let stream = read_stream(context, key)?.ok_or(Failure::NO_SUCH_KEY)?;
    let count = match options {
        [] => None,
        [full] if option(full) == b"FULL" => Some(DEFAULT_COUNT),
        [full, name, count] if option(full) == b"FULL" && option(name) == b"COUNT" => {
            let count = integer(count)?;
            Some(if count < 0 { DEFAULT_COUNT } else { count })
        }
        _ => return Err(wrong),
    };
    let [parts, nodes] = stream.index_size();
    let mut facts = vec![
        ("length", Reply::count(stream.len())),
        ("radix-tree-keys", Reply::count(parts)),
        ("radix-tree-nodes", Reply::count(nodes)),
        ("last-generated-id", id(stream.last_id())),
        ("max-deleted-entry-id", id(stream.max_deleted())),
        ("entries-added", Reply::Integer(stream.added())),
        ("recorded-first-entry-id", id(stream.first_id())),
    ];
    let all = || stream.range(EntryId::ZERO..=EntryId::MAX);
    if let Some(count) = count {
        let count = count_or_all(count);
        let groups = stream.groups().iter().map(|(name, group)| full_group(stream, name, group, count));
        facts.extend([("entries", entries(all().take(count))), ("groups", Reply::Array(groups.collect()))]);
    } else {
        facts.extend([
            ("groups", Reply::count(stream.groups().len())),
            ("first-entry", all().next().map_or(Reply::Nil, entry)),
            ("last-entry", all().next_back().map_or(Reply::Nil, entry)),
        ]);
    }
    Ok(Reply::Map(facts.into_iter().map(|(name, value)| (Reply::text(name), value)).collect()))
}

fn full_group(stream: &Stream, name: &Bytes, group: &Group, count: usize) -> Reply {
    let pending = group.pending().iter().take(count).map(|(&own, pending)| {
        let [time, deliveries] = [pending.time, pending.deliveries].map(Reply::Integer);
        Reply::Array(vec![id(own), Reply::Bulk(pending.consumer.clone()), time, deliveries])
    });
    let consumers = group.consumers().iter().map(|(name, consumer)| {
        let pending = consumer.pending.iter().take(count).filter_map(|own| {
            let pending = group.pending().get(own)?;
            let [time, deliveries] = [pending.time, pending.deliveries].map(Reply::Integer);
            Some(Reply::Array(vec![id(*own), time, deliveries]))
        });
        fields([
            ("name", Reply::Bulk(name.clone())),
            ("seen-time", Reply::Integer(consumer.seen)),
            ("pel-count", Reply::count(consumer.pending.len())),
            ("pending", Reply::Array(pending.collect())),
        ])
    });
    fields([
        ("name", Reply::Bulk(name.clone())),
        ("last-delivered-id", id(group.last_id)),
        ("entries-read", number(group.entries_read)),
        ("lag", number(stream.lag(group))),
        ("pel-count", Reply::count(group.pending().len())),
        ("pending", Reply::Array(pending.collect())),
        ("consumers", Reply::Array(consumers.collect())),
    ])
}
