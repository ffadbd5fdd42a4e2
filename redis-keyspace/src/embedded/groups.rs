//! The script of groups.

use redis_keyspace_embedded::{Reply, Server};

use crate::group::GROUP_SCRIPT;

pub(super) fn register(server: &Server) {
    server.register_script(GROUP_SCRIPT, |script, keys, values| {
        let ([group], [generation, lifetime]) = (keys, values) else {
            return Reply::error("ERR the script takes a key and two values");
        };
        let there = match script.call(&[&b"GET"[..], group]) {
            Reply::Nil => {
                script.call(&[&b"SET"[..], group, generation]);
                Reply::Bulk(generation.clone())
            }
            there @ Reply::Bulk(_) => there,
            error => return error,
        };
        if &lifetime[..] != b"0" {
            script.call(&[&b"PEXPIRE"[..], group, lifetime]);
        }
        there
    });
}
