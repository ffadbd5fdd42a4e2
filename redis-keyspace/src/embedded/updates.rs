//! The native version of the update script.

use redis_keyspace_embedded::{Reply, Server};

use super::lua::{self, call};
use crate::update::UPDATE_SCRIPT;

pub(super) fn register(server: &Server) {
    lua::register(server, UPDATE_SCRIPT, |script, keys, values| {
        let ([key, fill @ ..], [known, expected, action, rest @ ..]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes a key and at least three values"));
        };
        let current = call(script, &[b"GET", key])?;
        let matches = match (&current, &known[..] == b"1") {
            (Reply::Bulk(current), true) => current == expected,
            (Reply::Nil, false) => true,
            _ => false,
        };
        if !matches {
            return Ok(Reply::Array(vec![Reply::Integer(0), current]));
        }
        if &action[..] == b"set" {
            let mut command: Vec<&[u8]> = vec![b"SET", key];
            command.extend(rest.iter().map(|word| &word[..]));
            call(script, &command)?;
        } else {
            call(script, &[b"UNLINK", key])?;
        }
        if let [fill, ..] = fill {
            call(script, &[b"UNLINK", fill])?;
        }
        Ok(Reply::Array(vec![Reply::Integer(1)]))
    });
}
