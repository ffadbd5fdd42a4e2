//! The native version of the script that reads the neighbours of a member.

use redis_keyspace_embedded::{Reply, Server};

use super::lua::{self, call};
use crate::command::NEIGHBOURS;

pub(super) fn register(server: &Server) {
    lua::register(server, NEIGHBOURS, |script, keys, values| {
        let ([key], [member, count, order @ ..]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes a key, a member and a number"));
        };
        let is_reversed = !order.is_empty();
        let rank = match script.call(&[if is_reversed { b"ZREVRANK" } else { &b"ZRANK"[..] }, key, member]) {
            Reply::Integer(rank) => rank,
            reply => return Ok(reply),
        };
        let count = str::from_utf8(count).ok().and_then(|count| count.parse::<i64>().ok());
        let Some(count) = count else { return Err(Reply::error("ERR the number must be an integer")) };
        let first = rank.saturating_sub(count).max(0);
        let (from, to) = (first.to_string(), rank.saturating_add(count).to_string());
        let mut range: Vec<&[u8]> = vec![b"ZRANGE", key, from.as_bytes(), to.as_bytes(), b"WITHSCORES"];
        range.extend(order.iter().map(|word| &word[..]));
        let members = call(script, &range)?;
        Ok(Reply::Array(vec![Reply::Integer(rank), Reply::Integer(first), members]))
    });
}
