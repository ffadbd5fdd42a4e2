//! Compare and set, by a script: what is written replaces exactly what was read.

use std::sync::LazyLock;

use crate::error::Result;
use crate::key::{Companion, KeyText};
use crate::protocol::{Args, Keys, Script, ScriptCall};
use crate::time::Expiry;

/// What is at the key must be what is expected, or nothing; else nothing is done, and what is there is given. Fills of the key
/// that are under way end with it. `KEYS`: the key, and that beside it. `ARGV`: `1` and the value that is expected, or `0` and
/// anything for nothing; `set`, the new value and what `SET` takes behind it, or `del`.
pub(crate) const UPDATE_SCRIPT: &str = "\
local there = redis.call('GET', KEYS[1])
if ARGV[1] == '1' then
  if there ~= ARGV[2] then return {0, there} end
elseif there then
  return {0, there}
end
if ARGV[3] == 'set' then
  redis.call('SET', KEYS[1], ARGV[4], unpack(ARGV, 5))
else
  redis.call('UNLINK', KEYS[1])
end
redis.call('UNLINK', KEYS[2])
return {1}";

pub(super) static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(UPDATE_SCRIPT));

/// What is to become of the value.
pub(super) enum Action<'v> {
    Set(&'v [u8], Expiry),
    Delete,
}

/// The run of the script that does this to the key if there is still what was read.
pub(super) fn call(key: KeyText, expected: Option<&[u8]>, action: &Action<'_>) -> Result<ScriptCall> {
    let mut args = Args::default();
    args.push(if expected.is_some() { b"1" } else { b"0" });
    args.push(expected.unwrap_or_default());
    match action {
        Action::Set(value, expiry) => {
            args.push(b"set");
            args.push(value);
            expiry.push_for_set(&mut args)?;
        }
        Action::Delete => args.push(b"del"),
    }
    Ok(ScriptCall { keys: Keys::With(key, Companion::Fill, None), args })
}
