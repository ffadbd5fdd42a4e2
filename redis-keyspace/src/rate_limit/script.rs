//! The script of the generic cell rate algorithm, in whole microseconds and fractions of one.

use super::rate::{Quota, Reading};
use crate::error::{Error, Result};
use crate::key::KeyText;
use crate::protocol::{Args, Keys, LuaScript, Reply, ScriptCall, read};

/// The key stores the moment at which the limit is fully recovered. A check adds its cost to that
/// moment, unless the result is further in the future than a full burst takes to recover. A stored
/// moment that is even further in the future, because the clock was set back or the rate changed,
/// counts as exactly that far.
///
/// `KEYS`: the limit. `ARGV`: how many fractions a microsecond has; how long a full burst takes to
/// recover, and the cost, each as microseconds and fractions; `1` to take the cost, or `0` to read
/// only. Returns whether the cost is allowed, the server's time, and the moment. Returns `-1` if
/// the key holds anything else, with the format version if a later version of this library wrote
/// it.
///
/// The key expires up to two milliseconds after the moment, because TTLs are whole milliseconds.
///
/// Numbers stay below 2^53, up to which Lua's numbers are exact. Moments with equal microseconds
/// are compared by their fractions.
pub(crate) const RATE_LIMIT_SCRIPT: &str = "\
local count = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local whole, part = now, 0
local there = redis.call('GET', KEYS[1])
if there then
  local w, p, c = string.match(there, '^(%d+)%+(%d+)/(%d+)$')
  if not w then return {-1, string.match(there, '^v(%d+):') or ''} end
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

pub(super) static SCRIPT: LuaScript = LuaScript::new(RATE_LIMIT_SCRIPT);

pub(super) fn call(key: KeyText, quota: &Quota, takes: bool) -> ScriptCall {
    let mut args = Args::default();
    args.push_int(quota.count);
    for (whole, part) in [quota.span(quota.burst), quota.span(quota.cost)] {
        args.push_int(whole);
        args.push_int(part);
    }
    args.push(if takes { b"1" } else { b"0" });
    ScriptCall { keys: Keys::One(key), args }
}

/// Returns whether the cost is allowed, and the state of the limit.
pub(super) fn reading(answer: Reply) -> Result<(bool, Reading)> {
    let (allowed, [now, whole, part]) = read_answer(answer, "not the state of a rate limit")?;
    Ok((allowed, Reading { now, recovered: (whole, part) }))
}

/// Returns whether the cost is allowed, and the three numbers that follow. `other` is the message
/// of the error if the key holds anything else.
pub(super) fn read_answer(answer: Reply, other: &'static str) -> Result<(bool, [u64; 3])> {
    let unexpected = || Error::protocol("the script of a rate limit returned an unexpected reply");
    let Reply::Array(parts) = answer else { return Err(unexpected()) };
    let mut parts = parts.into_iter();
    let allowed = match parts.next() {
        Some(Reply::Int(allowed @ (0 | 1))) => allowed == 1,
        Some(Reply::Int(-1)) => {
            let version = parts.next().map_or(Ok(None), read::to_bytes)?.unwrap_or_default();
            return Err(match String::from_utf8_lossy(&version).as_ref() {
                "" => Error::decode(other),
                version => Error::of_later_version("the rate limit", version),
            });
        }
        _ => return Err(unexpected()),
    };
    let mut number = || -> Result<u64> {
        let text = parts.next().map_or(Ok(None), read::to_bytes)?.ok_or_else(unexpected)?;
        std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).ok_or_else(unexpected)
    };
    Ok((allowed, [number()?, number()?, number()?]))
}
