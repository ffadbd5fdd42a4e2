//! Numbers as Lua reads and prints them. Other programs may have written anything into the keys of a script.

/// Reads a number as `tonumber` does in Lua 5.1: also with spaces around it, and in hexadecimal.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    // Lua passes a C string, which ends at a zero byte.
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = str::from_utf8(text).ok()?.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned.strip_prefix("0x").or(unsigned.strip_prefix("0X")) {
        Some(digits) => {
            Some(if text.starts_with('-') { -hexadecimal(digits)? } else { hexadecimal(digits)? })
        }
        None => text.parse().ok(),
    }
}

fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = match text.split_once(['p', 'P']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let value = |text: &str| {
        text.chars().try_fold(0.0, |value, digit| Some(value * 16.0 + f64::from(digit.to_digit(16)?)))
    };
    let places = i32::try_from(fraction.len()).ok()?;
    let mantissa: f64 = value(whole)? + value(fraction)? * 16_f64.powi(-places);
    Some(mantissa * 2_f64.powi(exponent))
}

/// Prints a number as `string.format('%.0f', number)` does.
pub(super) fn whole(number: f64) -> String {
    match number.is_nan() {
        true if number.is_sign_negative() => "-nan".to_owned(),
        true => "nan".to_owned(),
        false => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{number, whole};

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("7", Some(7.0)),
            (" -1.5\n", Some(-1.5)),
            ("0x10", Some(16.0)),
            ("-0x.8p1", Some(-1.0)),
            ("1e3", Some(1000.0)),
            ("5\0x", Some(5.0)),
            ("INF", Some(f64::INFINITY)),
            ("", None),
            (" ", None),
            ("0x", None),
            ("1 2", None),
            ("abc", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
        assert!(number(b"nan").is_some_and(f64::is_nan));
        assert_eq!(
            [1e20, 0.5, 1.5, f64::INFINITY, f64::NAN].map(whole),
            ["100000000000000000000", "0", "2", "inf", "nan"]
        );
    }
}
