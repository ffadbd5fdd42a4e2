//! The script of rate limits.

use redis_keyspace_embedded::{Reply, Server};

use super::clock::micros;
use crate::rate_limit::RATE_LIMIT_SCRIPT;

pub(super) fn register(server: &Server) {
    let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
    server.register_script(RATE_LIMIT_SCRIPT, move |script, keys, values| {
        let ([key], [count_text, rest @ .., takes]) = (keys, values) else {
            return Reply::error("ERR the script takes a key and six values");
        };
        let numbers: Option<Vec<u64>> = rest.iter().map(|text| number(text)).collect();
        let (Some(count), Some([burst, burst_part, cost, cost_part])) =
            (number(count_text), numbers.as_deref())
        else {
            return Reply::error("ERR the values of the script are numbers");
        };
        let now = micros(script);
        // Tuples compare as the script does: by their parts if the microseconds are equal.
        let mut moment: (u64, u64) = match script.call(&[&b"GET"[..], key]) {
            Reply::Nil => (now, 0),
            Reply::Bulk(there) => {
                let Some((whole, part, per)) = stored(&there) else {
                    return Reply::Array(vec![Reply::Integer(-1)]);
                };
                let moment =
                    if per == *count_text { (whole, part) } else { (whole + u64::from(part > 0), 0) };
                if moment.0 < now { (now, 0) } else { moment }
            }
            error => return error,
        };
        let last = (now.saturating_add(*burst), *burst_part);
        moment = moment.min(last);
        let (whole, part) = (moment.0.saturating_add(*cost), moment.1.saturating_add(*cost_part));
        let new = if part >= count { (whole.saturating_add(1), part - count) } else { (whole, part) };
        let allowed = new <= last;
        if allowed && &takes[..] == b"1" {
            moment = new;
            let left = (moment.0.saturating_sub(now) / 1000).saturating_add(2).to_string();
            let text = format!("{}+{}/{count}", moment.0, moment.1);
            script.call(&[&b"SET"[..], key, text.as_bytes(), b"PX", left.as_bytes()]);
        }
        let texts = [now, moment.0, moment.1].map(|number| Reply::bulk(number.to_string()));
        Reply::Array([Reply::Integer(i64::from(allowed))].into_iter().chain(texts).collect())
    });
}

/// Returns the stored moment, and how many parts a microsecond had when it was stored.
fn stored(text: &[u8]) -> Option<(u64, u64, &[u8])> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, rest) = text.split_once('+')?;
    let (part, per) = rest.split_once('/')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    (is_number(whole) && is_number(part) && is_number(per)).then_some(())?;
    Some((whole.parse().ok()?, part.parse().ok()?, per.as_bytes()))
}
