//! The native versions of the scripts of records.

use bytes::Bytes;
use redis_keyspace_embedded::{Reply, ScriptContext, Server};

use super::kept::is_absent;
use super::lua::{self, call, number};
use crate::protocol::{RECORD_INCREMENT, RECORD_WRITE};

pub(super) fn register(server: &Server) {
    lua::register(server, RECORD_WRITE, |script, keys, values| {
        let ([key, companion @ ..], [millis, renews, expected, count, rest @ ..]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes a key and at least four values"));
        };
        let is_absent = is_absent(script, key)?;
        let count = words(count)?;
        let (names, rest) = split(rest, count)?;
        let (values, commands) = split(rest, 2 * count)?;
        let mut is_same = expected.is_empty() || (&expected[..] == b"0") == is_absent;
        if is_same && count > 0 {
            let mut command: Vec<&[u8]> = vec![b"HMGET", key];
            command.extend(names.iter().map(|name| &name[..]));
            let Reply::Array(there) = call(script, &command)? else { return Err(unexpected()) };
            is_same = there.iter().zip(values.chunks(2)).all(|pair| match pair {
                (Reply::Nil, [is_set, _]) => &is_set[..] != b"1",
                (Reply::Bulk(there), [is_set, value]) => &is_set[..] == b"1" && there == value,
                _ => false,
            });
        }
        if !is_same {
            let there = call(script, &[b"HGETALL", key])?;
            return Ok(Reply::Array(vec![Reply::Integer(0), there]));
        }
        let starts = !millis.is_empty() && (&renews[..] == b"1" || is_absent);
        let mut rest = commands;
        while let [name, count, after @ ..] = rest {
            let (arguments, after) = split(after, words(count)?)?;
            let mut command: Vec<&[u8]> = vec![name, key];
            command.extend(arguments.iter().map(|argument| &argument[..]));
            call(script, &command)?;
            rest = after;
        }
        if starts {
            call(script, &[b"PEXPIRE", key, millis])?;
        }
        if let [companion, ..] = companion {
            call(script, &[b"UNLINK", companion])?;
        }
        Ok(Reply::Array(vec![Reply::Integer(1)]))
    });
    lua::register(server, RECORD_INCREMENT, |script, keys, values| {
        let ([key], [millis, renews, if_present, command, amount, least, most, _, ttl, field, earlier @ ..]) =
            (keys, values)
        else {
            return Err(Reply::error("ERR the script takes a key and at least ten values"));
        };
        let is_absent = is_absent(script, key)?;
        if is_absent && &if_present[..] == b"1" {
            return Ok(Reply::Nil);
        }
        let starts = !millis.is_empty() && (&renews[..] == b"1" || is_absent);
        let created = call(script, &[b"HEXISTS", key, field])? == Reply::Integer(0);
        let mut left = ttl.to_vec();
        if created && let Some(of_earlier) = move_earlier(script, key, field, earlier)? {
            left = of_earlier.to_string().into_bytes();
        }
        let sum = match call(script, &[command, key, field, amount]) {
            Err(error) if created => {
                call(script, &[b"HDEL", key, field])?;
                return Err(error);
            }
            sum => sum?,
        };
        if let Reply::Integer(sum) = sum
            && !least.is_empty()
            && exceeds(sum, least, most)
        {
            if created {
                call(script, &[b"HDEL", key, field])?;
            } else {
                let back = match amount.strip_prefix(b"-") {
                    Some(back) => back.to_vec(),
                    None => [&b"-"[..], amount].concat(),
                };
                call(script, &[command, key, field, &back])?;
            }
            return Err(Reply::error(
                "ERR the sum does not fit the type of the field; the value was not changed",
            ));
        }
        if created && !left.is_empty() {
            call(script, &[b"HPEXPIRE", key, &left, b"FIELDS", b"1", field])?;
        }
        if !earlier.is_empty() {
            let mut removal: Vec<&[u8]> = vec![b"HDEL", key];
            removal.extend(earlier.iter().map(|name| &name[..]));
            call(script, &removal)?;
        }
        if starts {
            call(script, &[b"PEXPIRE", key, millis])?;
        }
        call(script, &[b"HGET", key, field])
    });
}

/// Gives the field the value of the first earlier name that has one. Returns the rest of the
/// lifetime of that one in milliseconds, if it has a lifetime.
fn move_earlier(
    script: &mut ScriptContext<'_, '_>,
    key: &[u8],
    field: &[u8],
    earlier: &[Bytes],
) -> Result<Option<i64>, Reply> {
    for name in earlier {
        if let Reply::Bulk(value) = call(script, &[b"HGET", key, name])? {
            let left = match call(script, &[b"HPTTL", key, b"FIELDS", b"1", name])? {
                Reply::Array(left) => match left.first() {
                    Some(Reply::Integer(left)) if *left > 0 => Some(*left),
                    _ => None,
                },
                _ => None,
            };
            call(script, &[b"HSET", key, field, &value])?;
            return Ok(left);
        }
    }
    Ok(None)
}

/// Compares like Lua, whose numbers are floating-point.
#[expect(clippy::cast_precision_loss, reason = "the script compares the same way")]
fn exceeds(sum: i64, least: &[u8], most: &[u8]) -> bool {
    let sum = sum as f64;
    number(least).is_some_and(|least| sum < least) || number(most).is_some_and(|most| sum > most)
}

/// The number of words that follow.
fn words(count: &[u8]) -> Result<usize, Reply> {
    let count = str::from_utf8(count).ok().and_then(|count| count.parse().ok());
    count.ok_or_else(|| Reply::error("ERR the script takes a number of words"))
}

fn split(words: &[Bytes], count: usize) -> Result<(&[Bytes], &[Bytes]), Reply> {
    words.split_at_checked(count).ok_or_else(|| Reply::error("ERR the script takes more words"))
}

fn unexpected() -> Reply {
    Reply::error("ERR HMGET did not return a list")
}
