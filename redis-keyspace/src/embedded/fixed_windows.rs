//! The native version of the script for fixed windows.

use redis_keyspace_embedded::{Reply, Server};

use super::clock::micros;
use super::lua::{self, call};
use crate::error::later_version;
use crate::rate_limit::FIXED_WINDOW_SCRIPT;

pub(super) fn register(server: &Server) {
    lua::register(server, FIXED_WINDOW_SCRIPT, |script, keys, values| {
        let ([key], [most, period, cost, takes]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes a key and four values"));
        };
        let (Some(most), Some(period), Some(cost)) =
            (lua::number(most), lua::number(period), lua::number(cost))
        else {
            return Err(Reply::error("ERR the values of the script must be numbers"));
        };
        let now = micros(script)? as f64;
        let (mut last, mut count) = match call(script, &[b"GET", key])? {
            Reply::Bulk(current) => match stored(&current) {
                Some(window) => window,
                None => {
                    let version = later_version(&current).unwrap_or_default();
                    return Ok(Reply::Array(vec![Reply::Integer(-1), Reply::bulk(version.to_owned())]));
                }
            },
            _ => (0.0, 0.0),
        };
        if last <= now {
            (last, count) = (now + period, 0.0);
        }
        last = last.min(now + period);
        let allowed = count + cost <= most;
        if allowed && &takes[..] == b"1" {
            count += cost;
            let left = lua::whole(((last - now) / 1000.0).floor() + 2.0);
            let text = format!("w1:{}:{}", lua::whole(last), lua::whole(count));
            call(script, &[b"SET", key, text.as_bytes(), b"PX", left.as_bytes()])?;
        }
        let texts = [now, last, count].map(|number| Reply::bulk(lua::whole(number)));
        Ok(Reply::Array([Reply::Integer(i64::from(allowed))].into_iter().chain(texts).collect()))
    });
}

/// Returns the end of the window and the count.
fn stored(text: &[u8]) -> Option<(f64, f64)> {
    let (last, count) = std::str::from_utf8(text).ok()?.strip_prefix("w1:")?.split_once(':')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    (is_number(last) && is_number(count)).then_some(())?;
    Some((last.parse().ok()?, count.parse().ok()?))
}
