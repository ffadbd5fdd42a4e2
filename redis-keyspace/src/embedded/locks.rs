//! The scripts of locks.

use redis_keyspace_embedded::{Reply, Server};

use super::clock::micros;
use super::lua;
use crate::lock::{ACQUIRE, RELEASE, RENEW};

pub(super) fn register(server: &Server) {
    server.register_script(ACQUIRE, |script, keys, values| {
        let ([lock, fence], [token, ttl, kept]) = (keys, values) else {
            return Reply::error("ERR the script takes two keys and three values");
        };
        let holder = script.call(&[&b"GET"[..], lock]);
        let is_ours = match &holder {
            Reply::Bulk(holder) if holder == token => true,
            Reply::Bulk(_) => {
                return Reply::Array(vec![Reply::Integer(0), script.call(&[&b"PTTL"[..], lock])]);
            }
            Reply::Nil => false,
            error => return error.clone(),
        };
        let last = script.call(&[&b"GET"[..], fence]);
        let last_number = match &last {
            Reply::Bulk(_) if is_ours => {
                script.call(&[&b"PEXPIRE"[..], lock, ttl]);
                return Reply::Array(vec![Reply::Integer(1), last]);
            }
            Reply::Bulk(last) => lua::number(last),
            Reply::Nil => None,
            error => return error.clone(),
        };
        let (next, now) = (last_number.unwrap_or_default() + 1.0, micros(script) as f64);
        // As `math.max`: what is no number stays.
        let number = lua::whole(if now > next { now } else { next });
        script.call(&[&b"SET"[..], lock, token, b"PX", ttl]);
        script.call(&[&b"SET"[..], fence, number.as_bytes(), b"PX", kept]);
        Reply::Array(vec![Reply::Integer(1), Reply::bulk(number)])
    });
    server.register_script(RENEW, |script, keys, values| {
        let ([lock, fence], [token, ttl, kept]) = (keys, values) else {
            return Reply::error("ERR the script takes two keys and three values");
        };
        match script.call(&[&b"GET"[..], lock]) {
            Reply::Bulk(holder) if holder == token => {
                script.call(&[&b"PEXPIRE"[..], lock, ttl]);
                script.call(&[&b"PEXPIRE"[..], fence, kept]);
                Reply::Integer(1)
            }
            error @ Reply::Error(_) => error,
            _ => Reply::Integer(0),
        }
    });
    server.register_script(RELEASE, |script, keys, values| {
        let ([lock], [token]) = (keys, values) else {
            return Reply::error("ERR the script takes a key and a value");
        };
        match script.call(&[&b"GET"[..], lock]) {
            Reply::Bulk(holder) if holder == token => script.call(&[&b"UNLINK"[..], lock]),
            error @ Reply::Error(_) => error,
            _ => Reply::Integer(0),
        }
    });
}
