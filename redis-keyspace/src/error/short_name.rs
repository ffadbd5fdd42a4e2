//! Shortens long names in messages.

use std::borrow::Cow;

/// Names up to this length are printed whole.
const LONGEST: usize = 256;
/// How many bytes of a longer name are printed.
const SHOWN: usize = 128;

/// Returns a name as errors, `Debug` output and logs print it. Names can be of any length, because
/// ids may come from untrusted input.
pub(crate) fn short_name(name: &str) -> Cow<'_, str> {
    if name.len() <= LONGEST {
        return Cow::Borrowed(name);
    }
    let end = (0..=SHOWN).rev().find(|&end| name.is_char_boundary(end)).unwrap_or_default();
    Cow::Owned(format!("{}.. ({} bytes)", name.get(..end).unwrap_or_default(), name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_between_characters() {
        for whole in ["", "cart:user:7", &"x".repeat(LONGEST)] {
            assert_eq!(short_name(whole), whole);
        }
        assert_eq!(short_name(&"x".repeat(300)), format!("{}.. (300 bytes)", "x".repeat(128)));
        let cut = short_name(&format!("x{}", "\u{e4}".repeat(300))).into_owned();
        assert_eq!(cut, format!("x{}.. (601 bytes)", "\u{e4}".repeat(63)));
    }
}
