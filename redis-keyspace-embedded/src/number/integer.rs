//! Integers.

/// Parses an integer in canonical form: no plus sign, spaces, leading zeros or `-0`.
pub(crate) fn parse_i64(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] if digits.len() == text.len() => Some(0),
        [b'1'..=b'9', ..] if text.len() <= 20 => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}

/// Checks a byte like `isspace` in C. Unlike Rust's function, it accepts the vertical tab.
pub(crate) fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0B
}

/// Parses a decimal integer like `strtoll`: optional spaces and sign first, and the nearest integer
/// if the number is too large. Returns `None` if text remains. Empty text is 0, as in C code that
/// checks only the end pointer.
pub(crate) fn strtoll(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let start = text.iter().position(|&byte| !is_space(byte))?;
    let (negative, digits) = match text.get(start..)? {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then_some(())?;
    let limit = if negative { i64::MIN } else { i64::MAX };
    let sign = if negative { "-" } else { "" };
    Some(format!("{sign}{}", std::str::from_utf8(digits).ok()?).parse().unwrap_or(limit))
}

#[cfg(test)]
mod tests {
    use super::{parse_i64, strtoll};

    #[test]
    fn integers_have_one_spelling() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", None),
            ("01", None),
            ("+1", None),
            (" 1", None),
            ("", None),
            ("-", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn integers_as_in_c() {
        for (text, expected) in [
            ("", Some(0)),
            (" \t\x0b7", Some(7)),
            ("+07", Some(7)),
            ("-7", Some(-7)),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(i64::MIN)),
            (" ", None),
            ("+", None),
            ("+-1", None),
            ("7 ", None),
            ("0x7", None),
        ] {
            assert_eq!(strtoll(text.as_bytes()), expected, "{text:?}");
        }
    }
}
