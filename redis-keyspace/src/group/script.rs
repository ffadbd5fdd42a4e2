//! The script that reads the generation of a group, and creates one if none exists.

use crate::error::{Error, Result, later_version};
use crate::key::{KeyText, generation_text, parse_generation};
use crate::protocol::{Args, Keys, LuaScript, Reply, ScriptCall, read};
use crate::random;
use crate::schema::Lifetime;
use crate::time::millis;

/// `KEYS`: the group. `ARGV`: the generation to create if none exists, and the TTL to set, or `0`
/// for none. A value that is not a generation is left as it is.
pub(crate) const GROUP_SCRIPT: &str = "\
local there = redis.call('GET', KEYS[1])
if not there then
  there = ARGV[1]
  redis.call('SET', KEYS[1], there)
end
if ARGV[2] ~= '0' and #there == 16 and not string.find(there, '[^0-9a-f]') then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return there";

pub(super) static SCRIPT: LuaScript = LuaScript::new(GROUP_SCRIPT);

pub(super) fn call(key: KeyText, lifetime: Lifetime) -> Result<ScriptCall> {
    let mut args = Args::default();
    args.push(generation_text(random::bits()).as_bytes());
    args.push_int(lifetime.duration().map_or(Ok(0), millis)?);
    Ok(ScriptCall { keys: Keys::One(key), args })
}

pub(super) fn generation(answer: Reply) -> Result<u64> {
    let text = read::to_bytes(answer)?.unwrap_or_default();
    if let Some(version) = later_version(&text) {
        return Err(Error::of_later_version("the group", version));
    }
    let generation = std::str::from_utf8(&text).ok().and_then(parse_generation);
    generation.ok_or_else(|| {
        Error::decode("the group does not hold a generation of 16 hex digits; another program wrote it")
    })
}
