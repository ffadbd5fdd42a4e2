//! The clock of an embedded server.

use redis_keyspace_embedded::{Reply, ScriptContext};

/// The time that the command TIME tells, in microseconds since 1970.
pub(super) fn micros(script: &mut ScriptContext<'_, '_>) -> u64 {
    let number = |reply: &Reply| match reply {
        Reply::Bulk(text) => std::str::from_utf8(text).ok()?.parse::<u64>().ok(),
        _ => None,
    };
    let time = script.call(&["TIME"]);
    let Reply::Array(parts) = &time else { return 0 };
    let [seconds, micros] = parts.as_slice() else { return 0 };
    let seconds = number(seconds).unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(number(micros).unwrap_or_default())
}
