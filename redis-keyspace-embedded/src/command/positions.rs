//! The positions of the keys of a command.

use bytes::Bytes;

use super::arguments::integer;
use super::context::Spec;
use super::metadata::has_flag;

/// Returns the keys in the arguments, which include the name of the command.
pub(super) fn keys<'a>(spec: &Spec, arguments: &'a [Bytes]) -> Vec<&'a Bytes> {
    if has_counted_keys(spec) {
        let rest = arguments.get(count_position(spec)..).unwrap_or_default();
        let Some((count, rest)) = rest.split_first() else { return Vec::new() };
        let count = integer(count).ok().and_then(|count| usize::try_from(count).ok());
        return rest.get(..count.unwrap_or_default()).unwrap_or_default().iter().collect();
    }
    let (first, last, step) = spec.keys;
    let count = i64::try_from(arguments.len()).unwrap_or(i64::MAX);
    let last = if last < 0 { count.saturating_add(last) } else { last };
    let [Ok(first), Ok(last), Ok(step)] = [first, last, step].map(usize::try_from) else { return Vec::new() };
    if first == 0 || step == 0 {
        return Vec::new();
    }
    arguments.iter().take(last.saturating_add(1)).skip(first).step_by(step).collect()
}

/// Whether the command has an argument with the number of keys, as in EVAL.
pub(super) fn has_counted_keys(spec: &Spec) -> bool {
    has_flag(spec.name, "movablekeys")
}

/// Returns the position of the argument with the number of keys.
pub(super) fn count_position(spec: &Spec) -> usize {
    // The other ones have a timeout or a script first.
    if matches!(spec.name, "lmpop" | "sintercard") { 1 } else { 2 }
}
