//! The names of keys that belong to a group: the key followed by a generation.
//!
//! The `%` of the marker is not an escape, so no argument of a template can produce it.

/// Separates the key from the generation.
pub(crate) const MARKER: &str = "%g";
/// The number of digits of a generation, in lower-case hex.
const DIGITS: usize = 16;

/// Returns the name of a key in a generation of a group.
pub(crate) fn name(key: &str, generation: u64) -> String {
    format!("{key}{MARKER}{}", text(generation))
}

/// Formats a generation.
pub(crate) fn text(generation: u64) -> String {
    format!("{generation:016x}")
}

/// Parses a generation. Returns `None` for anything but the canonical form.
pub(crate) fn parse(text: &str) -> Option<u64> {
    is_canonical(text).then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

fn is_canonical(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
}

/// Whether a string is a generation, or starts with one that another marker follows.
pub(crate) fn starts_with_generation(text: &str) -> bool {
    let Some((generation, rest)) = text.split_at_checked(DIGITS) else { return false };
    is_canonical(generation) && (rest.is_empty() || rest.starts_with('%'))
}

/// Whether this is the name of a key in a generation of a group.
pub(crate) fn is_member(name: &str) -> bool {
    name.rsplit_once(MARKER).is_some_and(|(_, generation)| is_canonical(generation))
}

/// Returns the key of which this is the name in a generation of a group, or else the name itself.
pub(crate) fn without_generation(mut name: &str) -> &str {
    while let Some((key, generation)) = name.rsplit_once(MARKER)
        && is_canonical(generation)
    {
        name = key;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_parse_back_and_differ_from_arguments() {
        for generation in [0, 1, 0xdead_beef, u64::MAX] {
            assert_eq!(parse(&text(generation)), Some(generation));
            let member = name("cart:user:7", generation);
            assert!(is_member(&member) && is_member(&name(&member, 3)), "{member}");
            assert_eq!(without_generation(&member), "cart:user:7");
            assert_eq!(without_generation(&name(&member, 3)), "cart:user:7");
        }
        for text in ["", "1", "000000000000000G", "ABCDEF0123456789", "00000000000000001", "+00000000000000a"]
        {
            assert_eq!(parse(text), None);
            let other = format!("cart:user:7%g{text}");
            assert!(!is_member(&other) && without_generation(&other) == other, "{text}");
        }
        assert!(!is_member("cart:user:7") && !is_member("cart:user:%2A"));
    }
}
