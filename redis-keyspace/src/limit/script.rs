//! The one script of a rate limit: the generic cell rate algorithm, in whole microseconds and parts of one.

use std::sync::LazyLock;

use super::rate::{Quota, Reading, Span};
use crate::command::{Args, Keys, reply};
use crate::connect::lane::resp::Reply;
use crate::error::{Error, Result};
use crate::key::KeyText;
use crate::script::{Call, Script};

/// What is kept is the moment at which the limit will have recovered. A check moves it on by its cost, unless that would be
/// further ahead of now than all that is allowed at once takes to recover. A moment even further ahead, because the clock was
/// set back or the rate changed, counts as just that far.
///
/// `KEYS`: the limit. `ARGV`: how many parts a microsecond has; how long the burst takes to recover, and the cost, each as
/// microseconds and parts; `1`, or `0` for a look. Gives whether it is allowed, the server's time, and the moment. A key that
/// holds something else gives `-1`.
///
/// The key stays for up to two milliseconds longer than it takes to recover, since lifetimes are in whole ones.
///
/// Numbers stay below 2^53, up to which Lua's are exact. Lines that compare moments compare the parts of equal microseconds.
const TEXT: &str = "\
local count = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local whole, part = now, 0
local there = redis.call('GET', KEYS[1])
if there then
  local w, p, c = string.match(there, '^(%d+)%+(%d+)/(%d+)$')
  if not w then return {-1} end
  whole, part = tonumber(w), tonumber(p)
  if c ~= ARGV[1] then
    if part > 0 then whole = whole + 1 end
    part = 0
  end
  if whole < now then whole, part = now, 0 end
end
local function plus(w, p, dw, dp)
  w, p = w + dw, p + dp
  if p >= count then w, p = w + 1, p - count end
  return w, p
end
local function after(w, p, vw, vp)
  return w > vw or (w == vw and p > vp)
end
local last, lastpart = now + tonumber(ARGV[2]), tonumber(ARGV[3])
if after(whole, part, last, lastpart) then whole, part = last, lastpart end
local new, newpart = plus(whole, part, tonumber(ARGV[4]), tonumber(ARGV[5]))
local allowed = 0
if not after(new, newpart, last, lastpart) then
  allowed = 1
  if ARGV[6] == '1' then
    whole, part = new, newpart
    local left = math.floor((whole - now) / 1000) + 2
    local moment = string.format('%.0f+%.0f/', whole, part) .. ARGV[1]
    redis.call('SET', KEYS[1], moment, 'PX', string.format('%.0f', left))
  end
end
return {allowed, string.format('%.0f', now), string.format('%.0f', whole), string.format('%.0f', part)}";

pub(super) static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TEXT));

pub(super) fn call(key: KeyText, quota: &Quota, takes: bool) -> Call {
    let mut args = Args::default();
    args.push_int(quota.count);
    for (whole, part) in [quota.span(quota.burst), quota.span(quota.cost)] {
        args.push_int(whole);
        args.push_int(part);
    }
    args.push(if takes { b"1" } else { b"0" });
    Call { keys: Keys::One(key), args }
}

/// Whether it is allowed, and how the limit stands then.
pub(super) fn read(answer: Reply) -> Result<(bool, Reading)> {
    let unexpected = || Error::protocol("the script of a rate limit did not answer as it does");
    let Reply::Array(parts) = answer else { return Err(unexpected()) };
    let mut parts = parts.into_iter();
    let allowed = match parts.next() {
        Some(Reply::Int(allowed @ (0 | 1))) => allowed == 1,
        Some(Reply::Int(-1)) => return Err(Error::decode("not what a rate limit keeps")),
        _ => return Err(unexpected()),
    };
    let mut number = || -> Result<u64> {
        let text = parts.next().map_or(Ok(None), reply::to_bytes)?.ok_or_else(unexpected)?;
        std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).ok_or_else(unexpected)
    };
    let now = number()?;
    let recovered: Span = (number()?, number()?);
    Ok((allowed, Reading { now, recovered }))
}

/// Teaches an embedded server the script, which it can't read.
#[cfg(feature = "embedded")]
pub(crate) fn register(server: &redis_keyspace_embedded::Server) {
    use redis_keyspace_embedded::Reply;

    let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
    server.register_script(TEXT, move |script, keys, values| {
        let ([key], [count_text, rest @ .., takes]) = (keys, values) else {
            return Reply::error("ERR the script takes a key and six values");
        };
        let numbers: Option<Vec<u64>> = rest.iter().map(|text| number(text)).collect();
        let (Some(count), Some([burst, burst_part, cost, cost_part])) =
            (number(count_text), numbers.as_deref())
        else {
            return Reply::error("ERR the values of the script are numbers");
        };
        let now = crate::script::micros(script);
        // Tuples compare as the script does: by their parts where the microseconds are equal.
        let mut moment: Span = match script.call(&[&b"GET"[..], key]) {
            Reply::Nil => (now, 0),
            Reply::Bulk(there) => {
                let Some((whole, part, per)) = kept(&there) else {
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

/// The moment that is kept, and how many parts a microsecond had for who kept it.
#[cfg(feature = "embedded")]
fn kept(text: &[u8]) -> Option<(u64, u64, &[u8])> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, rest) = text.split_once('+')?;
    let (part, per) = rest.split_once('/')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    (is_number(whole) && is_number(part) && is_number(per)).then_some(())?;
    Some((whole.parse().ok()?, part.parse().ok()?, per.as_bytes()))
}
