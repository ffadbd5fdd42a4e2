//! The script of updates.

use redis_keyspace_embedded::{Reply, Server};

use crate::update::UPDATE_SCRIPT;

pub(super) fn register(server: &Server) {
    server.register_script(UPDATE_SCRIPT, |script, keys, values| {
        let ([key, fill], [known, expected, action, rest @ ..]) = (keys, values) else {
            return Reply::error("ERR the script takes two keys and at least three values");
        };
        let there = script.call(&[&b"GET"[..], key]);
        let fits = match (&there, &known[..] == b"1") {
            (Reply::Bulk(there), true) => there == expected,
            (Reply::Nil, false) => true,
            (Reply::Bulk(_) | Reply::Nil, _) => false,
            (error, _) => return error.clone(),
        };
        if !fits {
            return Reply::Array(vec![Reply::Integer(0), there]);
        }
        let mut command: Vec<&[u8]> =
            if &action[..] == b"set" { vec![b"SET", key] } else { vec![b"UNLINK", key] };
        command.extend(rest.iter().map(|word| &word[..]));
        if let error @ Reply::Error(_) = script.call(&command) {
            return error;
        }
        script.call(&[&b"UNLINK"[..], fill]);
        Reply::Array(vec![Reply::Integer(1)])
    });
}
