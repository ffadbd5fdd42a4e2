//! The native versions of the scripts of workers.

use redis_keyspace_embedded::{Reply, ScriptContext, Server};

use super::kept::is_absent;
use super::lua::{self, call};
use crate::worker::{BURY, HOLD, TRIM_DONE};

pub(super) fn register(server: &Server) {
    lua::register(server, HOLD, |script, keys, values| {
        let ([stream], [group, consumer, id, idle, count]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes a key and five values"));
        };
        let Some(deliveries) = deliveries(script, stream, group, id, consumer)? else {
            return Ok(Reply::Integer(0));
        };
        let count = if count.is_empty() { deliveries.to_string().into() } else { count.clone() };
        let claim: [&[u8]; 11] =
            [b"XCLAIM", stream, group, consumer, b"0", id, b"IDLE", idle, b"RETRYCOUNT", &count, b"JUSTID"];
        Ok(Reply::Integer(length(&call(script, &claim)?)))
    });
    lua::register(server, BURY, |script, keys, values| {
        let ([stream, dead], [group, consumer, id, millis, renews, options, rest @ ..]) = (keys, values)
        else {
            return Err(Reply::error("ERR the script takes two keys and at least six values"));
        };
        if deliveries(script, stream, group, id, consumer)?.is_none() {
            return Ok(Reply::Integer(0));
        }
        let found = call(script, &[b"XRANGE", stream, id, id])?;
        let outcome = match entry_fields(found) {
            None => 2,
            Some(fields) => {
                let options =
                    std::str::from_utf8(options).ok().and_then(|count| count.parse().ok()).unwrap_or(0);
                let (options, added) = rest.split_at_checked(options).unwrap_or((rest, &[]));
                let mut add: Vec<&[u8]> = vec![b"XADD", dead];
                add.extend(options.iter().map(|option| &option[..]));
                add.push(b"*");
                add.extend(fields.iter().map(|part| &part[..]));
                add.extend(added.iter().map(|part| &part[..]));
                if add.len() > MOST_PARTS {
                    let problem = "ERR the entry has too many fields for a script; nothing was changed";
                    return Err(Reply::error(problem));
                }
                let starts = millis != "0" && (renews == "1" || is_absent(script, dead)?);
                call(script, &add)?;
                if starts {
                    call(script, &[b"PEXPIRE", dead, millis])?;
                }
                1
            }
        };
        call(script, &[b"XACK", stream, group, id])?;
        if length(&call(script, &[b"XINFO", b"GROUPS", stream])?) == 1 {
            call(script, &[b"XDEL", stream, id])?;
        }
        Ok(Reply::Integer(outcome))
    });
    lua::register(server, TRIM_DONE, |script, keys, _| {
        let [stream] = keys else { return Err(Reply::error("ERR the script takes a key")) };
        let Reply::Array(groups) = call(script, &[b"XINFO", b"GROUPS", stream])? else {
            return Ok(Reply::Integer(0));
        };
        let mut least: Option<(u64, u64)> = None;
        for group in groups {
            let Reply::Array(facts) = group else { continue };
            let fact = |name: &str| {
                facts.chunks_exact(2).find_map(|pair| match pair {
                    [Reply::Bulk(fact), value] if fact == name => Some(value),
                    _ => None,
                })
            };
            let mut id = fact("last-delivered-id").and_then(parts);
            if let (Some(Reply::Integer(1..)), Some(Reply::Bulk(name))) = (fact("pending"), fact("name"))
                && let Reply::Array(pending) = call(script, &[b"XPENDING", stream, name])?
            {
                // Lower than the last delivered one, unless that was set back.
                id = id.into_iter().chain(pending.get(1).and_then(parts)).min();
            }
            least = match (least, id) {
                (Some(least), Some(id)) => Some(least.min(id)),
                (least, id) => least.or(id),
            };
        }
        let Some((ms, seq)) = least else { return Ok(Reply::Integer(0)) };
        call(script, &[b"XTRIM", stream, b"MINID", b"=", format!("{ms}-{seq}").as_bytes()])
    });
}

/// The same limit as in the script.
const MOST_PARTS: usize = 7000;

/// Returns how often an entry was delivered, if it is pending for this consumer.
fn deliveries(
    script: &mut ScriptContext<'_, '_>,
    stream: &[u8],
    group: &[u8],
    id: &[u8],
    consumer: &[u8],
) -> Result<Option<i64>, Reply> {
    let pending = call(script, &[b"XPENDING", stream, group, id, id, b"1", consumer])?;
    let Reply::Array(entries) = pending else { return Ok(None) };
    Ok(entries.first().map(|entry| match entry {
        Reply::Array(parts) => match parts.get(3) {
            Some(Reply::Integer(count)) => *count,
            _ => 0,
        },
        _ => 0,
    }))
}

fn length(reply: &Reply) -> i64 {
    let length = match reply {
        Reply::Array(parts) => parts.len(),
        _ => 0,
    };
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Returns the fields and values of the only entry of a range.
fn entry_fields(range: Reply) -> Option<Vec<bytes::Bytes>> {
    let Reply::Array(entries) = range else { return None };
    let Some(Reply::Array(entry)) = entries.into_iter().next() else { return None };
    let Some(Reply::Array(fields)) = entry.into_iter().nth(1) else { return None };
    let text = |part| match part {
        Reply::Bulk(bytes) => Some(bytes),
        _ => None,
    };
    Some(fields.into_iter().filter_map(text).collect())
}

/// Splits an ID into its two numbers.
fn parts(id: &Reply) -> Option<(u64, u64)> {
    let Reply::Bulk(id) = id else { return None };
    let (ms, seq) = std::str::from_utf8(id).ok()?.split_once('-')?;
    Some((ms.parse().ok()?, seq.parse().ok()?))
}
