//! The native version of the script that stores several values if none of their keys exists.

use redis_keyspace_embedded::{Reply, Server};

use super::lua::{self, call};
use crate::command::SET_IF_ALL_ABSENT;

pub(super) fn register(server: &Server) {
    lua::register(server, SET_IF_ALL_ABSENT, |script, keys, values| {
        let (keys, companions) = keys.split_at_checked(values.len() / 2).unwrap_or((keys, &[]));
        let mut exists: Vec<&[u8]> = vec![b"EXISTS"];
        exists.extend(keys.iter().map(|key| &key[..]));
        if call(script, &exists)? != Reply::Integer(0) {
            return Ok(Reply::Integer(0));
        }
        for (key, pair) in keys.iter().zip(values.chunks_exact(2)) {
            let [ttl, value] = pair else { continue };
            match ttl.get(1..).unwrap_or_default() {
                b"0" => call(script, &[b"SET", key, value])?,
                ttl => call(script, &[b"SET", key, value, b"PX", ttl])?,
            };
        }
        if !companions.is_empty() {
            let mut unlink: Vec<&[u8]> = vec![b"UNLINK"];
            unlink.extend(companions.iter().map(|key| &key[..]));
            call(script, &unlink)?;
        }
        Ok(Reply::Integer(1))
    });
}
