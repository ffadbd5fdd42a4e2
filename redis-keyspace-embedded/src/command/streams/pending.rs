//! XACK and XPENDING.

use bytes::Bytes;

use super::parse::{entry_id, range_end, range_start};
use super::{change_stream, id, no_group, read_stream};
use crate::command::arguments::{first, integer, option};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::reply::{Answer, Failure, Reply};
use crate::stream::{EntryId, Group};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("xack", -4, 0, ONE_KEY, |context, arguments| {
        let ([key, name], ids) = first(arguments)?;
        let group = change_stream(context, key)?.and_then(|stream| stream.group_mut(name));
        let Some(group) = group else { return Ok(Reply::Integer(0)) };
        let ids: Vec<EntryId> = ids.iter().map(|text| entry_id(text, 0)).collect::<Result<_, _>>()?;
        let acknowledged = ids.into_iter().filter(|&id| group.acknowledge(id)).count();
        Ok(Reply::count(acknowledged))
    }),
    command("xpending", -3, 0, ONE_KEY, xpending),
];

/// Which pending entries XPENDING lists.
struct PendingQuery<'a> {
    min_idle: i64,
    start: EntryId,
    end: EntryId,
    count: usize,
    consumer: Option<&'a Bytes>,
}

impl<'a> PendingQuery<'a> {
    /// Parses the arguments after the group. Returns `None` for a summary.
    fn parse(arguments: &'a [Bytes]) -> Result<Option<Self>, Failure> {
        if arguments.is_empty() {
            return Ok(None);
        }
        if !(3..=6).contains(&arguments.len()) {
            return Err(Failure::SYNTAX);
        }
        let (min_idle, rest) = match arguments {
            [word, idle, rest @ ..] if option(word) == b"IDLE" => (integer(idle)?, rest),
            _ => (0, arguments),
        };
        let ([start, end, count], rest) = first(rest)?;
        let count = usize::try_from(integer(count)?).unwrap_or(0);
        let (start, end) = (range_start(start)?, range_end(end)?);
        Ok(Some(Self { min_idle, start, end, count, consumer: rest.first() }))
    }
}

fn xpending(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key, name], rest) = first(arguments)?;
    let query = PendingQuery::parse(rest)?;
    let now = context.now;
    let group = read_stream(context, key)?.and_then(|stream| stream.group(name));
    let group = group.ok_or_else(|| no_group(key, name, ""))?;
    Ok(query.map_or_else(|| summary(group), |query| list(group, &query, now)))
}

fn summary(group: &Group) -> Reply {
    let pending = group.pending();
    let (first, last) = (pending.first_key_value(), pending.last_key_value());
    let (Some((&first, _)), Some((&last, _))) = (first, last) else {
        return Reply::Array(vec![Reply::Integer(0), Reply::Nil, Reply::Nil, Reply::NilArray]);
    };
    let consumers = group.consumers().iter().filter(|(_, consumer)| !consumer.pending.is_empty());
    let consumers = consumers.map(|(name, consumer)| {
        // The number is a string.
        Reply::Array(vec![Reply::Bulk(name.clone()), Reply::bulk(consumer.pending.len().to_string())])
    });
    Reply::Array(vec![Reply::count(pending.len()), id(first), id(last), Reply::Array(consumers.collect())])
}

fn list(group: &Group, query: &PendingQuery<'_>, now: i64) -> Reply {
    if query.start > query.end {
        return Reply::Array(Vec::new());
    }
    let found = group.pending().range(query.start..=query.end);
    let found = found.filter(|(_, pending)| {
        query.consumer.is_none_or(|consumer| pending.consumer == consumer)
            && (query.min_idle == 0 || now.saturating_sub(pending.time) >= query.min_idle)
    });
    let found = found.take(query.count).map(|(&own, pending)| {
        Reply::Array(vec![
            id(own),
            Reply::Bulk(pending.consumer.clone()),
            Reply::Integer(now.saturating_sub(pending.time).max(0)),
            Reply::Integer(pending.deliveries),
        ])
    });
    Reply::Array(found.collect())
}
