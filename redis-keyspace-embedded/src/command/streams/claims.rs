//! XCLAIM and XAUTOCLAIM.

use bytes::Bytes;

use super::groups::CONSUMER_CREATED;
use super::parse::{entry_id, range_start};
use super::{change_group, entry, id, no_group, owned, read_stream};
use crate::command::arguments::{first, integer, option};
use crate::command::bounded::at_least;
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::stream::{EntryId, Group, PendingEntry, Stream};
use crate::value::Value;

pub(in crate::command) const TABLE: &[Spec] =
    &[command("xclaim", -6, 0, ONE_KEY, xclaim), command("xautoclaim", -6, 0, ONE_KEY, xautoclaim)];

/// Parses an integer. Any other argument is an error that names this argument of the command.
fn named(text: &[u8], what: &str, command: &str) -> Result<i64, Failure> {
    integer(text).map_err(|_| Failure::text(format!("ERR Invalid {what} argument for {command}")))
}

/// How claimed entries change.
#[derive(Clone, Copy, Default)]
struct ClaimOptions {
    min_idle: i64,
    /// The time of the last delivery afterwards. The default is now.
    time: Option<i64>,
    deliveries: Option<i64>,
    creates_pending: bool,
    only_ids: bool,
    last_id: EntryId,
}

impl ClaimOptions {
    fn parse(mut rest: &[Bytes], min_idle: i64, now: i64) -> Result<Self, Failure> {
        let mut options = Self { min_idle, ..Self::default() };
        while let Some((word, after)) = rest.split_first() {
            rest = match (option(word).as_slice(), after) {
                (b"FORCE", _) => {
                    options.creates_pending = true;
                    after
                }
                (b"JUSTID", _) => {
                    options.only_ids = true;
                    after
                }
                (b"IDLE", [value, after @ ..]) => {
                    options.time = Some(now.wrapping_sub(named(value, "IDLE option", "XCLAIM")?));
                    after
                }
                (b"TIME", [value, after @ ..]) => {
                    options.time = Some(named(value, "TIME option", "XCLAIM")?);
                    after
                }
                (b"RETRYCOUNT", [value, after @ ..]) => {
                    let count = named(value, "RETRYCOUNT option", "XCLAIM")?;
                    options.deliveries = Some(count).filter(|count| *count >= 0);
                    after
                }
                (b"LASTID", [value, after @ ..]) => {
                    options.last_id = entry_id(value, 0)?;
                    after
                }
                _ => return Err(Failure::quoting("ERR Unrecognized XCLAIM option '", word, "'")),
            };
        }
        // A moment in the future is not an error.
        options.time = options.time.filter(|time| (0..=now).contains(time));
        Ok(options)
    }

    /// Claims a pending entry for a consumer. Returns whether it was claimed.
    fn claim(self, group: &mut Group, own: EntryId, consumer: &Bytes, now: i64) -> bool {
        let mut pending = match group.pending().get(&own) {
            Some(pending) if self.min_idle > 0 && now.saturating_sub(pending.time) < self.min_idle => {
                return false;
            }
            Some(pending) => pending.clone(),
            None if self.creates_pending => {
                PendingEntry { consumer: consumer.clone(), time: now, deliveries: 1 }
            }
            None => return false,
        };
        pending.time = self.time.unwrap_or(now);
        match self.deliveries {
            Some(deliveries) => pending.deliveries = deliveries,
            None if self.only_ids => {}
            None => pending.deliveries = pending.deliveries.saturating_add(1),
        }
        pending.consumer = consumer.clone();
        group.see_consumer(consumer, now);
        group.assign(own, pending);
        true
    }
}

fn xclaim(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key, name, consumer, min_idle], rest) = first(arguments)?;
    let now = context.now;
    change_group(context, key, name)?;
    let min_idle = named(min_idle, "min-idle-time", "XCLAIM")?.max(0);
    let ids: Vec<EntryId> = rest.iter().map_while(|text| entry_id(text, 0).ok()).collect();
    let options = ClaimOptions::parse(rest.get(ids.len()..).unwrap_or_default(), min_idle, now)?;
    let consumer = owned(consumer);
    let Some(Value::Stream(stream)) = context.db()?.value_mut(key) else {
        return Err(no_group(key, name, ""));
    };
    if let Some(group) = stream.group_mut(name) {
        group.last_id = group.last_id.max(options.last_id);
    }
    let has_consumer = knows_consumer(stream, name, &consumer);
    let mut claimed = Vec::new();
    for own in ids {
        let reply = stream.entry(own).map(|found| if options.only_ids { id(own) } else { entry(found) });
        let Some(group) = stream.group_mut(name) else { break };
        match reply {
            Some(reply) if options.claim(group, own, &consumer, now) => claimed.push(reply),
            Some(_) => {}
            // The entry was deleted.
            None => drop(group.acknowledge(own)),
        }
    }
    if has_consumer != knows_consumer(stream, name, &consumer) {
        context.db()?.notify(EventClasses::STREAM, CONSUMER_CREATED, key);
    }
    Ok(Reply::Array(claimed))
}

fn knows_consumer(stream: &Stream, group: &[u8], consumer: &Bytes) -> bool {
    stream.group(group).is_some_and(|group| group.consumers().contains_key(consumer))
}

fn xautoclaim(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    /// How many pending entries are examined for each one that may be claimed.
    const ATTEMPTS: usize = 10;
    /// A real server allocates an ID, of 16 bytes, for each entry.
    const MAX_COUNT: usize = usize::MAX / 2 / 16;
    let ([key, name, consumer, min_idle, start], mut rest) = first(arguments)?;
    let now = context.now;
    let min_idle = named(min_idle, "min-idle-time", "XAUTOCLAIM")?.max(0);
    let start = range_start(start)?;
    let (mut count, mut only_ids) = (100, false);
    while let Some((word, after)) = rest.split_first() {
        rest = match (option(word).as_slice(), after) {
            (b"COUNT", [value, after @ ..]) => {
                const INVALID: &str = "ERR COUNT must be > 0";
                count = at_least(value, 1, INVALID)?;
                if count > MAX_COUNT {
                    return Err(Failure::new(INVALID));
                }
                after
            }
            (b"JUSTID", _) => {
                only_ids = true;
                after
            }
            _ => return Err(Failure::SYNTAX),
        };
    }
    let group = read_stream(context, key)?.and_then(|stream| stream.group(name));
    let group = group.ok_or_else(|| no_group(key, name, ""))?;
    let candidates: Vec<EntryId> = group.pending().range(start..).map(|(&id, _)| id).collect();
    let options = ClaimOptions { min_idle, only_ids, ..ClaimOptions::default() };
    let consumer = owned(consumer);
    let Some(Value::Stream(stream)) = context.db()?.value_mut(key) else {
        return Err(no_group(key, name, ""));
    };
    let has_consumer = knows_consumer(stream, name, &consumer);
    let (mut claimed, mut deleted) = (Vec::new(), Vec::new());
    let mut candidates = candidates.into_iter();
    let mut attempts = count.saturating_mul(ATTEMPTS);
    while attempts > 0 && claimed.len() + deleted.len() < count {
        attempts -= 1;
        let Some(own) = candidates.next() else { break };
        let reply = stream.entry(own).map(|found| if only_ids { id(own) } else { entry(found) });
        let Some(group) = stream.group_mut(name) else { break };
        match reply {
            Some(reply) if options.claim(group, own, &consumer, now) => claimed.push(reply),
            Some(_) => {}
            None => {
                group.acknowledge(own);
                deleted.push(id(own));
            }
        }
    }
    if has_consumer != knows_consumer(stream, name, &consumer) {
        context.db()?.notify(EventClasses::STREAM, CONSUMER_CREATED, key);
    }
    let next = candidates.next().unwrap_or(EntryId::ZERO);
    Ok(Reply::Array(vec![id(next), Reply::Array(claimed), Reply::Array(deleted)]))
}
