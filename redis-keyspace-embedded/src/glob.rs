//! The glob patterns of KEYS and SCAN.

/// Whether all of `text` matches `pattern`: `*`, `?`, `[a-z]`, `[^a]` and `\` as an escape.
///
/// Only the last `*` is retried, so the time is at most proportional to the product of both
/// lengths.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                retry = Some((rest, text));
                pattern = rest;
                continue;
            }
            (Some(_), Some((&byte, text_rest))) => {
                if let Some(pattern_rest) = one(pattern, byte) {
                    (pattern, text) = (pattern_rest, text_rest);
                    continue;
                }
            }
            (None, None) => return true,
            (None, Some(_)) | (Some(_), None) => {}
        }
        match retry {
            // Let the last star match one more byte.
            Some((after_star, [_, swallowed @ ..])) => {
                retry = Some((after_star, swallowed));
                (pattern, text) = (after_star, swallowed);
            }
            _ => return false,
        }
    }
}

/// Matches one byte against the first element of `pattern`. Returns the pattern after that element.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'[', b'^', rest @ ..] => class(rest, byte, true),
        [b'[', rest @ ..] => class(rest, byte, false),
        [b'\\', escaped, rest @ ..] => (*escaped == byte).then_some(rest),
        [literal, rest @ ..] => (*literal == byte).then_some(rest),
        [] => None,
    }
}

/// Matches a character class after its `[` or `[^`. An unclosed class ends with the pattern.
fn class(mut pattern: &[u8], byte: u8, negated: bool) -> Option<&[u8]> {
    let mut found = false;
    let rest = loop {
        match pattern {
            [b'\\', escaped, rest @ ..] => {
                found |= *escaped == byte;
                pattern = rest;
            }
            [b']', rest @ ..] => break rest,
            [from, b'-', to, rest @ ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                pattern = rest;
            }
            [literal, rest @ ..] => {
                found |= *literal == byte;
                pattern = rest;
            }
            [] => break pattern,
        }
    };
    (found != negated).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("**a", "ba", true),
            ("h?llo", "hallo", true),
            ("h?llo", "hllo", false),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hbllo", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[\\]]", "]", true),
            ("[ab", "b", true),
            ("user:*:x", "user:1:2:x", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(5_000).as_bytes()));
    }
}
