//! The script that reads the generation of a group, and makes one where there is none.

use std::sync::LazyLock;

use crate::command::{Args, Keys, reply};
use crate::connect::lane::resp::Reply;
use crate::error::{Error, Result};
use crate::expiry::millis;
use crate::key::{KeyText, generation_text, parse_generation};
use crate::keyspace::Lifetime;
use crate::random;
use crate::script::{Call, Script};

/// `KEYS`: the group. `ARGV`: the generation that it gets if it has none, and its lifetime from now on, `0` for one without
/// end.
const TEXT: &str = "\
local there = redis.call('GET', KEYS[1])
if not there then
  there = ARGV[1]
  redis.call('SET', KEYS[1], there)
end
if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return there";

pub(super) static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TEXT));

pub(super) fn call(key: KeyText, lifetime: Lifetime) -> Result<Call> {
    let mut args = Args::default();
    args.push(generation_text(random::bits()).as_bytes());
    args.push_int(lifetime.duration().map_or(Ok(0), millis)?);
    Ok(Call { keys: Keys::One(key), args })
}

pub(super) fn read(answer: Reply) -> Result<u64> {
    let text = reply::to_bytes(answer)?.unwrap_or_default();
    let generation = std::str::from_utf8(&text).ok().and_then(parse_generation);
    generation.ok_or_else(|| Error::decode("no generation of 16 hex digits: another program has written it"))
}

/// Teaches an embedded server the script, which it can't read.
#[cfg(feature = "embedded")]
pub(crate) fn register(server: &redis_keyspace_embedded::Server) {
    use redis_keyspace_embedded::Reply;

    server.register_script(TEXT, |script, keys, values| {
        let ([group], [generation, lifetime]) = (keys, values) else {
            return Reply::error("ERR the script takes a key and two values");
        };
        let there = match script.call(&[&b"GET"[..], group]) {
            Reply::Nil => {
                script.call(&[&b"SET"[..], group, generation]);
                Reply::Bulk(generation.clone())
            }
            there @ Reply::Bulk(_) => there,
            error => return error,
        };
        if &lifetime[..] != b"0" {
            script.call(&[&b"PEXPIRE"[..], group, lifetime]);
        }
        there
    });
}
