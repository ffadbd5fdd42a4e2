//! The native version of the rate limit script.

use redis_keyspace_embedded::{Reply, Server};

use super::clock::micros;
use super::lua::{self, call};
use crate::error::later_version;
use crate::rate_limit::RATE_LIMIT_SCRIPT;

pub(super) fn register(server: &Server) {
    lua::register(server, RATE_LIMIT_SCRIPT, |script, keys, values| {
        let ([key], [count_text, rest @ .., takes]) = (keys, values) else {
            return Err(Reply::error("ERR the script takes a key and six values"));
        };
        let numbers: Option<Vec<f64>> = rest.iter().map(|text| lua::number(text)).collect();
        let (Some(count), Some([burst, burst_part, cost, cost_part])) =
            (lua::number(count_text), numbers.as_deref())
        else {
            return Err(Reply::error("ERR the values of the script must be numbers"));
        };
        let now = micros(script)? as f64;
        // Like the script, tuples compare their parts only if the microseconds are equal.
        let mut moment: (f64, f64) = match call(script, &[b"GET", key])? {
            Reply::Bulk(current) => {
                let Some((whole, part, per)) = stored(&current) else {
                    let version = later_version(&current).unwrap_or_default();
                    return Ok(Reply::Array(vec![Reply::Integer(-1), Reply::bulk(version.to_owned())]));
                };
                let rounded = if part > 0.0 { whole + 1.0 } else { whole };
                let moment = if per == *count_text { (whole, part) } else { (rounded, 0.0) };
                if moment.0 < now { (now, 0.0) } else { moment }
            }
            _ => (now, 0.0),
        };
        let last = (now + burst, *burst_part);
        if moment > last {
            moment = last;
        }
        let (whole, part) = (moment.0 + cost, moment.1 + cost_part);
        let new = if part >= count { (whole + 1.0, part - count) } else { (whole, part) };
        let allowed = new <= last;
        if allowed && &takes[..] == b"1" {
            moment = new;
            let left = lua::whole(((moment.0 - now) / 1000.0).floor() + 2.0);
            let mut text = format!("{}+{}/", lua::whole(moment.0), lua::whole(moment.1)).into_bytes();
            text.extend_from_slice(count_text);
            call(script, &[b"SET", key, &text, b"PX", left.as_bytes()])?;
        }
        let texts = [now, moment.0, moment.1].map(|number| Reply::bulk(lua::whole(number)));
        Ok(Reply::Array([Reply::Integer(i64::from(allowed))].into_iter().chain(texts).collect()))
    });
}

/// Returns the stored moment and the number of parts per microsecond when it was stored.
fn stored(text: &[u8]) -> Option<(f64, f64, &[u8])> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, rest) = text.split_once('+')?;
    let (part, per) = rest.split_once('/')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    (is_number(whole) && is_number(part) && is_number(per)).then_some(())?;
    Some((whole.parse().ok()?, part.parse().ok()?, per.as_bytes()))
}
