//! The native version of the script for transactions without MULTI.

use redis_keyspace_embedded::{Reply, Server};

use super::kept::{EXACT, is_absent};
use crate::protocol::TRANSACTION_SCRIPT;

/// A command of the transaction.
struct Call<'v> {
    words: Vec<Word<'v>>,
    /// The command that deletes the companion keys of a guarded write.
    unlink: Vec<&'v [u8]>,
    /// The key to read first. If it has a value, that is the reply, and the command does not run.
    read_first: Option<&'v [u8]>,
    lifetime: Option<Kept<'v>>,
    /// The key that the command writes.
    key: &'v [u8],
}

/// A word of a command: one that the caller sent, or the number of some of the keys.
enum Word<'v> {
    Of(&'v [u8]),
    Own(Vec<u8>),
}

impl Word<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Of(word) => word,
            Self::Own(word) => word,
        }
    }
}

/// The lifetime that a command gives to the key that it writes.
struct Kept<'v> {
    /// Whether only a command that creates the key sets it.
    creates: bool,
    /// Whether the reply says whether the command wrote: it is neither nil nor 0.
    replies: bool,
    millis: &'v [u8],
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
            let mut words: Vec<_> = values.by_ref().take(before).map(Word::Of).collect();
            let own_keys: Vec<_> = keys.by_ref().take(own).collect();
            let policy = policy(returned);
            let others = own.saturating_sub(1).to_string();
            for (nth, key) in own_keys.iter().enumerate() {
                words.push(Word::Of(key));
                if nth == 0 && policy.is_some_and(|(policy, _)| policy == b"count") {
                    words.push(Word::Own(others.clone().into_bytes()));
                }
            }
            words.extend(values.by_ref().take(after).map(Word::Of));
            let leads =
                policy.is_some_and(|(policy, _)| matches!(policy, b"store" | b"count" | b"store-create"));
            let key = if leads { own_keys.first() } else { own_keys.last() };
            let key = key.copied().unwrap_or_default();
            let mut unlink = Vec::new();
            let lifetime = policy.filter(|(_, millis)| *millis != b"0").map(|(policy, millis)| Kept {
                creates: matches!(policy, b"create" | b"to-create" | b"store-create"),
                replies: !matches!(policy, b"create" | b"renew"),
                millis,
            });
            if !returned.is_empty() && policy.is_none() {
                unlink.push(&b"UNLINK"[..]);
                unlink.extend(keys.by_ref().take(own));
            }
            let read_first = own_keys.first().copied().filter(|_| returned == b"previous");
            calls.push(Call { words, unlink, read_first, lifetime, key });
        }
        let mut replies = Vec::new();
        for Call { words, unlink, read_first, lifetime, key } in calls {
            let old = read_first.map_or(Reply::Nil, |key| script.call(&[&b"GET"[..], key]));
            if old != Reply::Nil {
                replies.push(old);
                continue;
            }
            let starts = match &lifetime {
                Some(Kept { creates: true, .. }) => match is_absent(script, key) {
                    Ok(is_absent) => is_absent,
                    Err(error) => {
                        replies.push(error);
                        continue;
                    }
                },
                lifetime => lifetime.is_some(),
            };
            let words: Vec<&[u8]> = words.iter().map(Word::bytes).collect();
            let mut reply = script.call(&words);
            let wrote = !matches!(reply, Reply::Error(_) | Reply::Integer(0) | Reply::Nil);
            if let Some(Kept { replies, millis, .. }) = lifetime
                && starts
                && (wrote || !replies && !matches!(reply, Reply::Error(_)))
                && let error @ Reply::Error(_) = script.call(&[b"PEXPIRE", key, millis])
            {
                reply = error;
            }
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

/// Splits a word that says which lifetime a command sets, and when.
fn policy(word: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = word.iter().position(|&byte| byte == b' ')?;
    Some((word.get(..space)?, word.get(space + 1..)?))
}

fn count(value: &[u8]) -> Option<usize> {
    str::from_utf8(value).ok()?.parse().ok()
}
