//! The native version of the script that gives keys their lifetime.

use redis_keyspace_embedded::{Reply, ScriptContext, Server};

use super::lua::call;
use crate::protocol::KEPT_WRITE;

/// Lua numbers are exact below this value.
pub(super) const EXACT: u64 = 1 << 53;

pub(super) fn register(server: &Server) {
    super::lua::register(server, KEPT_WRITE, |script, keys, values| {
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
}

/// Whether the key does not exist.
pub(super) fn is_absent(script: &mut ScriptContext<'_, '_>, key: &[u8]) -> Result<bool, Reply> {
    Ok(matches!(call(script, &[b"EXISTS", key])?, Reply::Integer(0)))
}
