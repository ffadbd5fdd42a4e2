//! The native versions of the scripts that give keys their lifetime.

use bytes::Bytes;
use redis_keyspace_embedded::{Reply, ScriptContext, Server};

use super::lua::call;
use crate::protocol::{KEPT_ANY_WRITE, KEPT_ENTRY, KEPT_TRANSFER, KEPT_WRITE, KEPT_WRITES};

/// Lua numbers are exact below this value.
pub(super) const EXACT: u64 = 1 << 53;

pub(super) fn register(server: &Server) {
    super::lua::register(server, KEPT_WRITE, |script, keys, values| {
        let ([key], [millis, command, args @ ..]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes a key, a lifetime and a command"));
        };
        let starts = is_absent(script, key)?;
        let mut words: Vec<&[u8]> = vec![command, key];
        words.extend(args.iter().map(|argument| &argument[..]));
        let reply = script.call(&words);
        if starts && !matches!(reply, Reply::Error(_)) {
            call(script, &[b"PEXPIRE", key, millis])?;
        }
        Ok(reply)
    });
    super::lua::register(server, KEPT_ENTRY, |script, keys, values| {
        let ([key], [millis, count, field, value]) = (keys, values) else {
            return Err(Reply::error(
                "ERR the script takes a stream, a lifetime, a number, a field and a value",
            ));
        };
        let starts = is_absent(script, key)?;
        let words: [&[u8]; 8] = [b"XADD", key, b"MAXLEN", b"~", count, b"*", field, value];
        let reply = script.call(&words);
        if starts && !matches!(reply, Reply::Error(_)) {
            call(script, &[b"PEXPIRE", key, millis])?;
        }
        Ok(reply)
    });
    super::lua::register(server, KEPT_WRITES, writes);
    super::lua::register(server, KEPT_ANY_WRITE, |script, keys, values| {
        let ([key], [millis, renews, command, args @ ..]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes a key, a lifetime, a flag and a command"));
        };
        let starts = &renews[..] == b"1" || is_absent(script, key)?;
        let mut words: Vec<&[u8]> = vec![command];
        words.extend(args.iter().map(|argument| &argument[..]));
        // The key follows the command, or the subcommand of XGROUP.
        words.insert(if command == "XGROUP" { 2.min(words.len()) } else { 1 }, key);
        let reply = script.call(&words);
        if starts && !matches!(reply, Reply::Error(_)) {
            call(script, &[b"PEXPIRE", key, millis])?;
        }
        match (&reply, args) {
            (Reply::Integer(sum), [field, ..]) if sum.unsigned_abs() >= EXACT => {
                call(script, &[b"HGET", key, field])
            }
            _ => Ok(reply),
        }
    });
    super::lua::register(server, KEPT_TRANSFER, transfer);
}

/// Runs commands on one key each, as the plan says.
fn writes(script: &mut ScriptContext<'_, '_>, keys: &[Bytes], values: &[Bytes]) -> Result<Reply, Reply> {
    let malformed = || Reply::error("ERR the script takes a plan, lifetimes and commands");
    let [plan, values @ ..] = values else { return Err(malformed()) };
    let [lifetimes, plan @ ..] = &plan[..] else { return Err(malformed()) };
    let digit = |character: u8| usize::from(character.saturating_sub(b'!'));
    let (lifetimes, mut rest) = values.split_at(digit(*lifetimes).min(values.len()));
    let mut replies = Vec::new();
    for planned in plan.chunks_exact(4) {
        let &[key, millis, renews, count] = planned else { return Err(malformed()) };
        let key = keys.get(digit(key)).ok_or_else(malformed)?;
        let millis = lifetimes.get(digit(millis)).ok_or_else(malformed)?;
        let (command, after) = rest.split_at_checked(1 + digit(count)).ok_or_else(malformed)?;
        let [name, args @ ..] = command else { return Err(malformed()) };
        rest = after;
        let absent = if renews == b'1' { Ok(true) } else { is_absent(script, key) };
        replies.push(absent.and_then(|starts| {
            let mut words: Vec<&[u8]> = vec![name, key];
            words.extend(args.iter().map(|argument| &argument[..]));
            let reply = script.call(&words);
            if starts && !matches!(reply, Reply::Error(_)) {
                call(script, &[b"PEXPIRE", key, millis])?;
            }
            Ok(reply)
        }));
    }
    let replies = replies.into_iter().map(|reply: Result<Reply, Reply>| reply.unwrap_or_else(|error| error));
    Ok(Reply::Array(replies.collect()))
}

/// Runs a command on several keys, and sets the lifetime of the key that it writes.
fn transfer(script: &mut ScriptContext<'_, '_>, keys: &[Bytes], values: &[Bytes]) -> Result<Reply, Reply> {
    let [millis, renews, written, counts, before, command, args @ ..] = values else {
        return Err(Reply::error(
            "ERR the script takes a lifetime, two flags, a position, a count and a command",
        ));
    };
    let Some((before, after)) = number(before).and_then(|count| args.split_at_checked(count)) else {
        return Err(Reply::error("ERR the script takes as many arguments as the count says"));
    };
    let Some(written) = number(written).and_then(|place| keys.get(place.checked_sub(1)?)) else {
        return Err(Reply::error("ERR the written key is not one of the keys"));
    };
    let starts = &renews[..] == b"1" || is_absent(script, written)?;
    let others = keys.len().saturating_sub(1).to_string();
    let mut words: Vec<&[u8]> = vec![command];
    words.extend(before.iter().map(|argument| &argument[..]));
    for (place, key) in keys.iter().enumerate() {
        words.push(key);
        if place == 0 && &counts[..] == b"1" {
            words.push(others.as_bytes());
        }
    }
    words.extend(after.iter().map(|argument| &argument[..]));
    let reply = script.call(&words);
    if starts && !matches!(reply, Reply::Error(_) | Reply::Integer(0) | Reply::Nil) {
        call(script, &[b"PEXPIRE", written, millis])?;
    }
    Ok(reply)
}

fn number(text: &[u8]) -> Option<usize> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// Whether the key does not exist.
pub(super) fn is_absent(script: &mut ScriptContext<'_, '_>, key: &[u8]) -> Result<bool, Reply> {
    Ok(matches!(call(script, &[b"EXISTS", key])?, Reply::Integer(0)))
}
