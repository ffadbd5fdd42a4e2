//! The native version of the script for conditional writes.

use redis_keyspace_embedded::{Reply, Server};

use crate::protocol::GUARDED_WRITE;

pub(super) fn register(server: &Server) {
    server.register_script(GUARDED_WRITE, |script, keys, values| {
        let [args @ .., command, returned] = values else {
            return Reply::error("ERR the script takes at least two values");
        };
        let (keys, companions) = keys.split_at(keys.len() / 2);
        let previous = &returned[..] == b"previous";
        if previous && let Some(key) = keys.first() {
            let old = script.call(&[&b"GET"[..], key]);
            if old != Reply::Nil {
                return old;
            }
        }
        let mut call: Vec<&[u8]> = vec![command];
        call.extend(keys.iter().chain(args).map(|word| &word[..]));
        let reply = script.call(&call);
        let wrote = !matches!(reply, Reply::Error(_) | Reply::Integer(0) | Reply::Nil);
        if wrote {
            let mut unlink: Vec<&[u8]> = vec![b"UNLINK"];
            unlink.extend(companions.iter().map(|name| &name[..]));
            if let error @ Reply::Error(_) = script.call(&unlink) {
                return error;
            }
        }
        if previous && !matches!(reply, Reply::Error(_)) { Reply::Nil } else { reply }
    });
}
