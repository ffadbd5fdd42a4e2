//! Compare and set, by a script: what is written replaces exactly what was read.

use std::sync::LazyLock;

use crate::command::{Args, Keys};
use crate::error::Result;
use crate::expiry::Expiry;
use crate::key::{Companion, KeyText};
use crate::script::{Call, Script};

/// What is at the key must be what is expected, or nothing; else nothing is done, and what is there is given. Fills of the key
/// that are under way end with it. `KEYS`: the key, and that beside it. `ARGV`: `1` and the value that is expected, or `0` and
/// anything for nothing; `set`, the new value and what `SET` takes behind it, or `del`.
const TEXT: &str = "\
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

pub(super) static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TEXT));

/// What is to become of the value.
pub(super) enum Action<'v> {
    Set(&'v [u8], Expiry),
    Delete,
}

/// The run of the script that does this to the key if there is still what was read.
pub(super) fn call(key: KeyText, expected: Option<&[u8]>, action: &Action<'_>) -> Result<Call> {
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
    Ok(Call { keys: Keys::With(key, Companion::Fill, None), args })
}

/// Teaches an embedded server the script, which it can't read.
#[cfg(feature = "embedded")]
pub(crate) fn register(server: &redis_keyspace_embedded::Server) {
    use redis_keyspace_embedded::Reply;

    server.register_script(TEXT, |script, keys, values| {
        let ([key, fill], [known, expected, action, rest @ ..]) = (keys, values) else {
            return Reply::error("ERR the script takes two keys and at least three values");
        };
        let there = script.call(&[&b"GET"[..], key]);
        let fits = match (&there, &known[..] == b"1") {
            (Reply::Bulk(there), true) => there == expected,
            (Reply::Nil, false) => true,
            (Reply::Bulk(_) | Reply::Nil, _) => false,
            (error, _) => return error.clone(),
        };
        if !fits {
            return Reply::Array(vec![Reply::Integer(0), there]);
        }
        let mut command: Vec<&[u8]> =
            if &action[..] == b"set" { vec![b"SET", key] } else { vec![b"UNLINK", key] };
        command.extend(rest.iter().map(|word| &word[..]));
        if let error @ Reply::Error(_) = script.call(&command) {
            return error;
        }
        script.call(&[&b"UNLINK"[..], fill]);
        Reply::Array(vec![Reply::Integer(1)])
    });
}
