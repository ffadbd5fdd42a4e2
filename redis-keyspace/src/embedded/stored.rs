//! The native version of the script that writes a key from others.

use redis_keyspace_embedded::{Reply, Server};

use super::kept::is_absent;
use super::lua::{call, register as register_script};
use crate::protocol::STORED_WRITE;

pub(super) fn register(server: &Server) {
    register_script(server, STORED_WRITE, |script, keys, values| {
        let ([key, ..], [millis, always, before, command, args @ ..]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes keys, a lifetime, a flag, a count and a command"));
        };
        let starts = &millis[..] != b"0" && (&always[..] == b"1" || is_absent(script, key)?);
        let before = str::from_utf8(before).ok().and_then(|count| count.parse().ok());
        let Some((before, after)) = before.and_then(|count| args.split_at_checked(count)) else {
            return Err(Reply::error("ERR the script takes as many arguments as the count says"));
        };
        let words = std::iter::once(command).chain(before).chain(keys).chain(after);
        let words: Vec<&[u8]> = words.map(|word| &word[..]).collect();
        let reply = script.call(&words);
        if starts && !matches!(reply, Reply::Error(_)) {
            call(script, &[b"PEXPIRE", key, millis])?;
        }
        Ok(reply)
    });
}
