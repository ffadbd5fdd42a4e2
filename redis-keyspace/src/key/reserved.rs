//! Markers in the names of the library's own keys. Each starts with a `%` that is not an escape, so
//! only a verbatim argument can contain one.

use super::companion::Companion;
use super::generation;

/// The marker before the field in the name of a sweep mark.
pub(crate) const SWEPT: &str = "%swept:";

/// Returns the marker that makes a key look like one of the library's own keys, if it contains one.
pub(crate) fn reserved_text(key: &str) -> Option<&'static str> {
    if !key.contains('%') {
        return None;
    }
    let behind = |marker: &'static str| {
        key.match_indices(marker).filter_map(move |(at, marker)| key.get(at + marker.len()..))
    };
    // The name of a companion ends after its marker, or continues with a hash tag.
    let is_companion =
        |marker: &&'static str| behind(marker).any(|rest| rest.is_empty() || rest.starts_with('{'));
    let companions = Companion::ALL.iter().map(|companion| companion.marker());
    let is_member = || behind(generation::MARKER).any(generation::starts_with_generation);
    companions
        .into_iter()
        .find(is_companion)
        .or_else(|| key.contains(SWEPT).then_some(SWEPT))
        .or_else(|| is_member().then_some(generation::MARKER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_library_differ_from_other_keys() {
        for (key, text) in [
            ("a%fill", "%fill"),
            ("a%fill{a}", "%fill"),
            ("a%fill{n:a}:x", "%fill"),
            ("a%fillet%fill", "%fill"),
            ("a%fence{a}", "%fence"),
            ("a%payload{a}", "%payload"),
            ("a%swept:b", "%swept:"),
            ("%swept:", "%swept:"),
            ("a%g0123456789abcdef", "%g"),
            ("a%g0123456789abcdef%g0123456789abcdef", "%g"),
            ("a%g0%g0123456789abcdef", "%g"),
            ("a%g0123456789abcdef%fill{a%g0123456789abcdef}", "%fill"),
        ] {
            assert_eq!(reserved_text(key), Some(text), "{key}");
        }
        for key in [
            "",
            "%",
            "a%3Afill",
            "a%fillet",
            "a%FILL",
            "a%fencepost",
            "a%swept",
            "a%g",
            "a%g0123456789ABCDEF",
            "a%g0123456789abcdef0",
            "a%g0123456789abcde",
            "100%",
            "a%c3%a9",
            "a%payload:x",
        ] {
            assert_eq!(reserved_text(key), None, "{key}");
        }
    }
}
