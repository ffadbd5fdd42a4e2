//! The time of an embedded server.

use redis_keyspace_embedded::{Reply, ScriptContext};

use super::lua;

/// Returns the time that the command TIME reports, in microseconds since 1970.
pub(super) fn micros(script: &mut ScriptContext<'_, '_>) -> Result<u64, Reply> {
    let number = |reply: &Reply| match reply {
        Reply::Bulk(text) => std::str::from_utf8(text).ok()?.parse::<u64>().ok(),
        _ => None,
    };
    let micros = match &lua::call(script, &[b"TIME"])? {
        Reply::Array(parts) => match parts.as_slice() {
            [seconds, micros] => number(seconds).zip(number(micros)),
            _ => None,
        },
        _ => None,
    };
    let micros = micros.map(|(seconds, micros)| seconds.saturating_mul(1_000_000).saturating_add(micros));
    micros.ok_or(Reply::error("ERR TIME did not return two numbers"))
}
