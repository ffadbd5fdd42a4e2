//! The script of fixed windows.

use std::time::Duration;

use super::decision::RateLimitDecision;
use super::rate::Quota;
use super::script::read_answer;
use crate::error::Result;
use crate::key::KeyText;
use crate::protocol::{Args, Keys, LuaScript, Reply, ScriptCall};

/// The key stores the end of the window, and how many were allowed in it. A window ends one period
/// after the check that started it. If the clock was set back, or the rate now has a shorter
/// period, the window ends at most one period from now.
///
/// `KEYS`: the limit. `ARGV`: how many are allowed; the period in microseconds; the cost; `1` to
/// take the cost, or `0` to read only. Returns whether the cost is allowed, the server's time, the
/// end of the window, and how many were allowed in it. Returns `-1` if the key holds anything else,
/// with the format version if a later version of this library wrote it.
///
/// The key expires up to two milliseconds after the window, because TTLs are whole milliseconds.
/// Numbers stay below 2^53, up to which Lua's numbers are exact.
pub(crate) const FIXED_WINDOW_SCRIPT: &str = "\
local most, period, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local last, count = 0, 0
local there = redis.call('GET', KEYS[1])
if there then
  local e, c = string.match(there, '^w1:(%d+):(%d+)$')
  if not e then return {-1, string.match(there, '^v(%d+):') or ''} end
  last, count = tonumber(e), tonumber(c)
end
if last <= now then last, count = now + period, 0 end
if last > now + period then last = now + period end
local allowed = 0
if count + cost <= most then
  allowed = 1
  if ARGV[4] == '1' then
    count = count + cost
    local left = math.floor((last - now) / 1000) + 2
    local text = string.format('w1:%.0f:%.0f', last, count)
    redis.call('SET', KEYS[1], text, 'PX', string.format('%.0f', left))
  end
end
return {allowed, string.format('%.0f', now), string.format('%.0f', last), string.format('%.0f', count)}";

pub(super) static SCRIPT: LuaScript = LuaScript::new(FIXED_WINDOW_SCRIPT);

pub(super) fn call(key: KeyText, quota: &Quota, takes: bool) -> ScriptCall {
    let mut args = Args::default();
    args.push_int(quota.count);
    args.push_int(quota.period_micros());
    args.push_int(quota.cost);
    args.push(if takes { b"1" } else { b"0" });
    ScriptCall { keys: Keys::One(key), args }
}

pub(super) fn decision(answer: Reply, quota: &Quota, takes: bool) -> Result<RateLimitDecision> {
    let (allowed, [now, end, count]) = read_answer(answer, "not the state of a limit of fixed windows")?;
    let left = Duration::from_micros(end.saturating_sub(now));
    Ok(RateLimitDecision {
        allowed,
        taken: if allowed && takes { quota.cost } else { 0 },
        limit: quota.count,
        remaining: quota.count.saturating_sub(count),
        retry_after: (!allowed).then_some(left),
        reset_after: if count == 0 { Duration::ZERO } else { left },
    })
}
