//! The native versions of the scripts of streams.

use redis_keyspace_embedded::{Reply, Server};

use super::lua::{self, call};
use crate::command::DELETE_CONSUMER;

pub(super) fn register(server: &Server) {
    lua::register(server, DELETE_CONSUMER, |script, keys, values| {
        let ([stream], [group, consumer]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes a key, a group and a consumer"));
        };
        let pending = call(script, &[b"XPENDING", stream, group, b"-", b"+", b"1", consumer])?;
        if matches!(pending, Reply::Array(pending) if !pending.is_empty()) {
            return Ok(Reply::Integer(0));
        }
        call(script, &[b"XGROUP", b"DELCONSUMER", stream, group, consumer])?;
        Ok(Reply::Integer(1))
    });
}
