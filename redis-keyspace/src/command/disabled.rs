//! Replies of a disabled handle, as if no key existed.

use crate::client::{Binding, Subject, disabled, written};
use crate::error::Result;
use crate::protocol::{Packet, Replies, Reply, Request};

/// Returns the replies to a command on a disabled handle. Fails for commands that need a server.
pub(super) fn answer(subject: &Subject, request: &Request, binding: &Binding) -> Result<Replies> {
    if subject.needs_server {
        return Err(disabled());
    }
    let packets = request.packets();
    let mut replies = Vec::with_capacity(packets.len());
    for packet in packets {
        let of_read = || (subject.reads && matches!(packet.name, "EVAL" | "EVALSHA")).then_some(Reply::Nil);
        replies.push(reply(packet).or_else(of_read).ok_or_else(disabled)?);
    }
    // A read that starts after a write must not see a value that was loaded before it.
    for key in written(request) {
        binding.pool().local.end_flights(&binding.wire_name(key.as_str()));
    }
    if request.requested().any(|packet| writes(packet.name)) {
        binding.counters.note_dropped(subject.template);
    }
    Ok(match request {
        Request::One(_) => Replies::One(replies.pop().unwrap_or(Reply::Nil)),
        // The reply that EXEC would return.
        Request::Atomic(_) => Replies::Many(vec![Reply::Array(replies)]),
        _ => Replies::Many(replies),
    })
}

/// Returns the reply of a server that stores nothing; `None` for a command whose reply would be
/// wrong.
fn reply(packet: &Packet) -> Option<Reply> {
    Some(match packet.name {
        "GET" | "GETEX" | "GETDEL" => Reply::Nil,
        "MGET" => Reply::Array(vec![Reply::Nil; packet.keys.count()]),
        // No one is subscribed.
        "PUBLISH" | "SPUBLISH" => Reply::Int(0),
        "PUBSUB" => Reply::Array(Vec::new()),
        "EXISTS" | "STRLEN" | "UNLINK" | "PEXPIRE" | "PEXPIREAT" | "PERSIST" | "TOUCH" | "COPY" => {
            Reply::Int(0)
        }
        "PTTL" | "PEXPIRETIME" => Reply::Int(-2),
        "DUMP" | "OBJECT" | "MEMORY" | "GETRANGE" => Reply::Nil,
        // The first argument is the value. With `GET`, the reply is the previous value.
        "SET" if packet.args.iter().skip(1).any(|argument| argument == b"GET") => Reply::Nil,
        "SET" => Reply::Ok,
        // Reads of collections: what a key that does not exist contains.
        "LRANGE" | "SMEMBERS" | "SINTER" | "SUNION" | "SDIFF" | "ZRANGE" | "ZUNION" | "ZINTER" | "ZDIFF"
        | "HGETALL" | "HKEYS" | "HVALS" | "XRANGE" | "XREVRANGE" | "GEOSEARCH" => Reply::Array(Vec::new()),
        "LINDEX" | "LPOS" | "SRANDMEMBER" | "ZSCORE" | "ZRANK" | "ZREVRANK" | "ZRANDMEMBER" | "HGET"
        | "HMGET" | "HRANDFIELD" | "ZMSCORE" | "SMISMEMBER" | "BITFIELD_RO" | "BITPOS" | "HPTTL"
        | "HPEXPIRETIME" | "HGETEX" | "XREAD" | "GEODIST" | "GEOHASH" | "GEOPOS" => Reply::Nil,
        "LLEN" | "SCARD" | "SISMEMBER" | "SINTERCARD" | "ZCARD" | "ZCOUNT" | "ZLEXCOUNT" | "ZINTERCARD"
        | "HLEN" | "HEXISTS" | "HSTRLEN" | "GETBIT" | "BITCOUNT" | "PFCOUNT" | "XLEN" => Reply::Int(0),
        // Writes of collections that add nothing to a key that does not exist.
        "LPOP" | "RPOP" | "LMOVE" | "LMPOP" | "SPOP" | "ZPOPMIN" | "ZPOPMAX" | "ZMPOP" | "HPEXPIRE"
        | "HPEXPIREAT" | "HPERSIST" | "HGETDEL" => Reply::Nil,
        "LREM" | "LPUSHX" | "RPUSHX" | "LINSERT" | "SREM" | "SMOVE" | "ZREM" | "ZREMRANGEBYRANK"
        | "ZREMRANGEBYSCORE" | "ZREMRANGEBYLEX" | "HDEL" | "XDEL" | "XTRIM" | "XACK" => Reply::Int(0),
        // What a key that does not exist is combined to, which deletes another one.
        "SINTERSTORE" | "SUNIONSTORE" | "SDIFFSTORE" | "ZUNIONSTORE" | "ZINTERSTORE" | "ZDIFFSTORE"
        | "ZRANGESTORE" => Reply::Int(0),
        "LTRIM" => Reply::Ok,
        "LSET" | "XINFO" => Reply::Error("ERR no such key".to_owned()),
        "RENAME" => Reply::Error("ERR no such key".to_owned()),
        _ => return None,
    })
}

fn writes(command: &str) -> bool {
    matches!(
        command,
        "PUBLISH"
            | "SPUBLISH"
            | "SET"
            | "UNLINK"
            | "PEXPIRE"
            | "PEXPIREAT"
            | "PERSIST"
            | "RENAME"
            | "GETDEL"
            | "COPY"
            | "LPOP"
            | "RPOP"
            | "LMOVE"
            | "LMPOP"
            | "SPOP"
            | "ZPOPMIN"
            | "ZPOPMAX"
            | "ZMPOP"
            | "HPEXPIRE"
            | "HPEXPIREAT"
            | "HPERSIST"
            | "HGETDEL"
            | "LREM"
            | "LPUSHX"
            | "RPUSHX"
            | "LINSERT"
            | "SREM"
            | "SMOVE"
            | "ZREM"
            | "ZREMRANGEBYRANK"
            | "ZREMRANGEBYSCORE"
            | "ZREMRANGEBYLEX"
            | "HDEL"
            | "XDEL"
            | "XTRIM"
            | "XACK"
            | "SINTERSTORE"
            | "SUNIONSTORE"
            | "SDIFFSTORE"
            | "ZUNIONSTORE"
            | "ZINTERSTORE"
            | "ZDIFFSTORE"
            | "ZRANGESTORE"
            | "LTRIM"
            | "LSET"
    )
}
