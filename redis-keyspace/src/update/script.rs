//! The script of updates. It replaces a value only if the key still holds the value that was read.

use crate::error::Result;
use crate::key::Companion;
use crate::protocol::{Args, Keys, LuaScript, ScriptCall};
use crate::schema::Key;
use crate::time::Expiry;

/// Replaces or deletes the value if it is the expected one, and ends fills of the key that are in
/// progress. Otherwise changes nothing and returns the current value.
///
/// `KEYS`: the key and, if its template has fills, its companion. `ARGV`: `1` and the expected
/// value, or `0` and any string if the key must not exist; then `set`, the new value and further
/// arguments of `SET`, or `del`.
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
if KEYS[2] then redis.call('UNLINK', KEYS[2]) end
return {1}";

pub(super) static SCRIPT: LuaScript = LuaScript::new(UPDATE_SCRIPT);

/// The change of a value.
#[derive(Clone, Copy)]
pub(super) enum Action<'v> {
    Set(&'v [u8], Expiry),
    Delete,
}

/// Returns the call that makes this change if the key still has the expected value.
pub(super) fn call<S, V>(
    key: &Key<S, V>,
    expected: Option<&[u8]>,
    action: &Action<'_>,
) -> Result<ScriptCall> {
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
    let keys = if key.template().ends_fills() {
        Keys::With(key.text(), Companion::Fill, None)
    } else {
        Keys::One(key.text())
    };
    Ok(ScriptCall { keys, args })
}
