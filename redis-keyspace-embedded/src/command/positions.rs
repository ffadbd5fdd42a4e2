//! The positions of the keys of a command.

use bytes::Bytes;

use super::arguments::integer;
use super::context::Spec;
use super::metadata::{KeyPlace, has_flag, metadata};

/// Returns the keys in the arguments, which include the name of the command.
pub(super) fn keys<'a>(spec: &Spec, arguments: &'a [Bytes]) -> Vec<&'a Bytes> {
    let mut keys = fixed_keys(spec, arguments);
    let uses = metadata(spec.name).map(|metadata| metadata.key_uses.as_slice()).unwrap_or_default();
    for place in uses.iter().map(|uses| uses.place) {
        keys.extend(movable_keys(place, arguments));
    }
    keys
}

fn fixed_keys<'a>(spec: &Spec, arguments: &'a [Bytes]) -> Vec<&'a Bytes> {
    let (first, last, step) = spec.keys;
    let count = i64::try_from(arguments.len()).unwrap_or(i64::MAX);
    let last = if last < 0 { count.saturating_add(last) } else { last };
    let [Ok(first), Ok(last), Ok(step)] = [first, last, step].map(usize::try_from) else { return Vec::new() };
    if first == 0 || step == 0 {
        return Vec::new();
    }
    arguments.iter().take(last.saturating_add(1)).skip(first).step_by(step).collect()
}

fn movable_keys(place: KeyPlace, arguments: &[Bytes]) -> &[Bytes] {
    let keys = match place {
        KeyPlace::Fixed => None,
        KeyPlace::Counted(position) => arguments.get(position..).and_then(|rest| {
            let (count, rest) = rest.split_first()?;
            rest.get(..usize::try_from(integer(count).ok()?).ok()?)
        }),
        KeyPlace::After { word, from } => {
            let rest = after(word, from, arguments);
            rest.and_then(|rest| rest.get(..rest.len() / 2))
        }
        KeyPlace::Next { word, from } => after(word, from, arguments).and_then(|rest| rest.get(..1)),
    };
    keys.unwrap_or_default()
}

/// Returns the arguments after a word.
fn after<'a>(word: &str, from: usize, arguments: &'a [Bytes]) -> Option<&'a [Bytes]> {
    let rest = arguments.get(from..)?;
    let is_word = |argument: &Bytes| argument.eq_ignore_ascii_case(word.as_bytes());
    rest.get(rest.iter().position(is_word)?.saturating_add(1)..)
}

/// Whether the positions of the keys depend on the arguments, as in EVAL.
pub(super) fn has_movable_keys(spec: &Spec) -> bool {
    has_flag(spec.name, "movablekeys")
}
