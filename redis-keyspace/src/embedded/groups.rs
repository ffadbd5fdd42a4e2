//! The native version of the group script.

use redis_keyspace_embedded::{Reply, Server};

use super::lua::{self, call};
use crate::group::GROUP_SCRIPT;

pub(super) fn register(server: &Server) {
    lua::register(server, GROUP_SCRIPT, |script, keys, values| {
        let ([group], [generation, lifetime]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes a key and two values"));
        };
        let current = match call(script, &[b"GET", group])? {
            Reply::Bulk(current) => current,
            _ => {
                call(script, &[b"SET", group, generation])?;
                generation.clone()
            }
        };
        let is_generation =
            current.len() == 16 && current.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if &lifetime[..] != b"0" && is_generation {
            call(script, &[b"PEXPIRE", group, lifetime])?;
        }
        Ok(Reply::Bulk(current))
    });
}
