//! The native version of the script for transactions without MULTI.

use redis_keyspace_embedded::{Reply, Server};

use super::kept::{EXACT, is_absent};
use crate::protocol::TRANSACTION_SCRIPT;

/// A command of the transaction.
struct Call<'v> {
    words: Vec<&'v [u8]>,
    /// The command that deletes the companion keys of a guarded write.
    unlink: Vec<&'v [u8]>,
    /// The key to read first. If it has a value, that is the reply, and the command does not run.
    read_first: Option<&'v [u8]>,
    /// Whether every write renews the lifetime of the key, and the lifetime in milliseconds.
    lifetime: Option<(bool, &'v [u8])>,
    key: &'v [u8],
}

pub(super) fn register(server: &Server) {
    server.register_script(TRANSACTION_SCRIPT, |script, keys, values| {
        let (mut keys, mut values) = (keys.iter().map(|key| &key[..]), values.iter().map(|value| &value[..]));
        let mut calls = Vec::new();
        while let Some(before) = values.next() {
            let counts = (count(before), values.next().and_then(count), values.next().and_then(count));
            let ((Some(before), Some(own), Some(after)), Some(returned)) = (counts, values.next()) else {
                return Reply::error("ERR the script takes three counts and a word before each command");
            };
            let mut words: Vec<_> = values.by_ref().take(before).collect();
            let mut key = &b""[..];
            words.extend(keys.by_ref().take(own).inspect(|last| key = last));
            words.extend(values.by_ref().take(after));
            let mut unlink = Vec::new();
            let lifetime = lifetime(returned);
            if !returned.is_empty() && lifetime.is_none() {
                unlink.push(&b"UNLINK"[..]);
                unlink.extend(keys.by_ref().take(own));
            }
            let read_first = words.get(before).copied().filter(|_| returned == b"previous");
            calls.push(Call { words, unlink, read_first, lifetime, key });
        }
        let mut replies = Vec::new();
        for Call { words, unlink, read_first, lifetime, key } in calls {
            let old = read_first.map_or(Reply::Nil, |key| script.call(&[&b"GET"[..], key]));
            if old != Reply::Nil {
                replies.push(old);
                continue;
            }
            let starts = match lifetime {
                Some((false, _)) => match is_absent(script, key) {
                    Ok(is_absent) => is_absent,
                    Err(error) => return error,
                },
                lifetime => lifetime.is_some(),
            };
            let mut reply = script.call(&words);
            if let (Some((_, millis)), true) = (lifetime, starts && !matches!(reply, Reply::Error(_))) {
                script.call(&[b"PEXPIRE", key, millis]);
            }
            let wrote = !matches!(reply, Reply::Error(_) | Reply::Integer(0) | Reply::Nil);
            if read_first.is_some() && wrote {
                reply = Reply::Nil;
            }
            if wrote
                && !unlink.is_empty()
                && let error @ Reply::Error(_) = script.call(&unlink)
            {
                reply = error;
            }
            if is_rounded_in_lua(&reply) {
                reply = Reply::error(
                    "ERR the command was executed, but a script cannot return its result, which exceeds 2^53",
                );
            }
            replies.push(reply);
        }
        Reply::Array(replies)
    });
}

/// Whether Lua rounds a number of the reply.
fn is_rounded_in_lua(reply: &Reply) -> bool {
    let is_large = |reply: &Reply| matches!(reply, Reply::Integer(number) if number.unsigned_abs() >= EXACT);
    match reply {
        Reply::Array(parts) => parts.iter().any(is_large),
        reply => is_large(reply),
    }
}

fn lifetime(word: &[u8]) -> Option<(bool, &[u8])> {
    match (word.strip_prefix(b"renew "), word.strip_prefix(b"create ")) {
        (Some(millis), _) => Some((true, millis)),
        (_, Some(millis)) => Some((false, millis)),
        _ => None,
    }
}

fn count(value: &[u8]) -> Option<usize> {
    str::from_utf8(value).ok()?.parse().ok()
}
