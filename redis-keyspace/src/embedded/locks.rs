//! The native versions of the lock scripts.

use redis_keyspace_embedded::{Reply, Server};

use super::clock::micros;
use super::lua::{self, call};
use crate::error::later_version;
use crate::lock::{ACQUIRE, RELEASE, RENEW};

pub(super) fn register(server: &Server) {
    lua::register(server, ACQUIRE, |script, keys, values| {
        let ([lock, fence], [token, ttl, kept]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes two keys and three values"));
        };
        let holder = call(script, &[b"GET", lock])?;
        let is_ours = match &holder {
            Reply::Bulk(holder) if later_version(holder).is_some() => return Ok(later(holder)),
            Reply::Bulk(holder) if holder == token => true,
            Reply::Bulk(_) => {
                return Ok(Reply::Array(vec![Reply::Integer(0), call(script, &[b"PTTL", lock])?]));
            }
            _ => false,
        };
        let last = call(script, &[b"GET", fence])?;
        let last_number = match &last {
            Reply::Bulk(last) if later_version(last).is_some() => return Ok(later(last)),
            Reply::Bulk(_) if is_ours => {
                call(script, &[b"PEXPIRE", lock, ttl])?;
                return Ok(Reply::Array(vec![Reply::Integer(1), last]));
            }
            Reply::Bulk(last) => lua::number(last),
            _ => None,
        };
        let (next, now) = (last_number.unwrap_or_default() + 1.0, micros(script)? as f64);
        // Like `math.max`: if `next` is NaN, the result is NaN.
        let number = lua::whole(if now > next { now } else { next });
        call(script, &[b"SET", lock, token, b"PX", ttl])?;
        call(script, &[b"SET", fence, number.as_bytes(), b"PX", kept])?;
        Ok(Reply::Array(vec![Reply::Integer(1), Reply::bulk(number)]))
    });
    lua::register(server, RENEW, |script, keys, values| {
        let ([lock, fence], [token, ttl, kept]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes two keys and three values"));
        };
        match call(script, &[b"GET", lock])? {
            Reply::Bulk(holder) if holder == token => {
                call(script, &[b"PEXPIRE", lock, ttl])?;
                call(script, &[b"PEXPIRE", fence, kept])?;
                Ok(Reply::Integer(1))
            }
            _ => Ok(Reply::Integer(0)),
        }
    });
    lua::register(server, RELEASE, |script, keys, values| {
        let ([lock], [token]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes a key and a value"));
        };
        match call(script, &[b"GET", lock])? {
            Reply::Bulk(holder) if holder == token => {
                call(script, &[b"UNLINK", lock])?;
                Ok(Reply::Integer(1))
            }
            _ => Ok(Reply::Integer(0)),
        }
    });
}

/// Returns the reply for a key whose format version is later than 1.
fn later(stored: &[u8]) -> Reply {
    let version = later_version(stored).unwrap_or_default();
    Reply::Array(vec![Reply::Integer(-1), Reply::bulk(version.to_owned())])
}
