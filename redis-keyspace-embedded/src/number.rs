//! Numbers in the protocol: parsed more strictly than in Rust, printed as in C.

/// Parses an integer in canonical form: no plus sign, spaces, leading zeros or `-0`.
pub(crate) fn parse_i64(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] if digits.len() == text.len() => Some(0),
        [b'1'..=b'9', ..] if text.len() <= 20 => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}

/// Parses a floating-point number. Accepts infinities, but not NaN.
pub(crate) fn parse_f64(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let value: f64 = text.parse().ok()?;
    let overflowed = value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit());
    (!value.is_nan() && !overflowed).then_some(value)
}

/// Prints a number like `%.17g` in C, as a real server prints scores.
pub(crate) fn format_double(value: f64) -> String {
    const DIGITS: i32 = 17;
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    let scientific = format!("{value:.16e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..DIGITS).contains(&exponent) {
        let decimals = usize::try_from(DIGITS - 1 - exponent).unwrap_or_default();
        return trim_zeros(&format!("{value:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim_zeros(mantissa), exponent.unsigned_abs())
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Returns `left + right` as INCRBYFLOAT computes and prints it; `None` if the sum is not finite.
///
/// A real server adds numbers with 64 significant bits and prints 17 decimals. An `f64` differs in
/// the last digits (0.1 + 0.2), so this code uses integers. Numbers that are too long for them use
/// `f64`.
pub(crate) fn add_floats(left: &[u8], right: &[u8]) -> Option<String> {
    if let (Some(left), Some(right)) = (Extended::parse(left), Extended::parse(right))
        && let Some(sum) = left.add(right).and_then(Extended::print)
    {
        return Some(sum);
    }
    let sum = parse_f64(left)? + parse_f64(right)?;
    sum.is_finite().then(|| trim_zeros(&format!("{sum:.17}")).to_owned())
}

/// The number `mantissa * 2^exponent`. The highest bit of the mantissa is set, unless the number is
/// 0.
#[derive(Clone, Copy, Debug)]
struct Extended {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl Extended {
    /// Parses at most 38 decimal digits, at most 19 of them after the point, with the exponent
    /// applied.
    fn parse(text: &[u8]) -> Option<Self> {
        let negative = text.first() == Some(&b'-');
        let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
        let text = std::str::from_utf8(text).ok()?;
        let (text, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let mut digits = [whole, decimals].concat();
        if digits.is_empty() || digits.len() > 38 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let decimals = i32::try_from(decimals.len()).ok()?.checked_sub(exponent)?;
        let zeros = usize::try_from(decimals.saturating_neg()).unwrap_or(0);
        if zeros + digits.len() > 38 {
            return None;
        }
        digits.extend(std::iter::repeat_n('0', zeros));
        let divisor = 10_u64.checked_pow(u32::try_from(decimals.max(0)).ok()?)?;
        let number: u128 = digits.parse().ok()?;
        if number == 0 {
            return Some(Self { negative, mantissa: 0, exponent: 0 });
        }
        let shift = number.leading_zeros();
        let shifted = number << shift;
        let (quotient, remainder) = (shifted / u128::from(divisor), shifted % u128::from(divisor));
        Self::round(negative, quotient, remainder != 0, -i32::try_from(shift).ok()?)
    }

    /// Rounds to 64 bits, halves to even. `inexact`: part of the value lies below `bits`.
    fn round(negative: bool, bits: u128, inexact: bool, exponent: i32) -> Option<Self> {
        if bits == 0 {
            return Some(Self { negative, mantissa: 0, exponent: 0 });
        }
        let surplus = 64_i32 - i32::try_from(bits.leading_zeros()).ok()?;
        let Ok(surplus_bits) = u32::try_from(surplus) else {
            let up = bits << surplus.unsigned_abs();
            return Some(Self { negative, mantissa: u64::try_from(up).ok()?, exponent: exponent + surplus });
        };
        let rounded = shift_rounding(bits, surplus_bits, inexact);
        match u64::try_from(rounded) {
            Ok(mantissa) => Some(Self { negative, mantissa, exponent: exponent + surplus }),
            // The rounding carried into a 65th bit.
            Err(_) => Some(Self { negative, mantissa: 1 << 63, exponent: exponent + surplus + 1 }),
        }
    }

    fn add(self, other: Self) -> Option<Self> {
        if self.mantissa == 0 {
            return Some(other);
        }
        if other.mantissa == 0 {
            return Some(self);
        }
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let distance = high.exponent.checked_sub(low.exponent)?.unsigned_abs();
        if distance > 62 {
            return None;
        }
        // 64 bits and a shift of at most 62 leave room for the carry, so the sum is exact before
        // rounding.
        let (a, b) = (u128::from(high.mantissa) << distance, u128::from(low.mantissa));
        let (negative, bits) = if high.negative == low.negative {
            (high.negative, a + b)
        } else if a >= b {
            (high.negative && a != b, a - b)
        } else {
            (low.negative, b - a)
        };
        Self::round(negative, bits, false, low.exponent)
    }

    /// Prints 17 decimals without trailing zeros.
    fn print(self) -> Option<String> {
        const SCALE: u128 = 100_000_000_000_000_000;
        if self.exponent > 0 {
            return None;
        }
        let scaled = u128::from(self.mantissa) * SCALE;
        let scaled = shift_rounding(scaled, self.exponent.unsigned_abs(), false);
        let text = format!("{}.{:017}", scaled / SCALE, scaled % SCALE);
        let text = trim_zeros(&text);
        Some(if self.negative && text != "0" { format!("-{text}") } else { text.to_owned() })
    }
}

/// Returns `bits / 2^by`, halves to even.
fn shift_rounding(bits: u128, by: u32, inexact: bool) -> u128 {
    if by == 0 {
        return bits;
    }
    if by >= 128 {
        return 0;
    }
    let kept = bits >> by;
    let lost = bits & ((1 << by) - 1);
    let half = 1 << (by - 1);
    let up = lost > half || (lost == half && (inexact || kept & 1 == 1));
    kept + u128::from(up)
}

#[cfg(test)]
mod tests {
    use super::{add_floats, format_double, parse_i64};

    #[test]
    fn whole_numbers_have_one_spelling() {
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
    fn doubles_print_as_in_c() {
        for (value, expected) in [
            (3.0, "3"),
            (3.3, "3.2999999999999998"),
            (1e21, "1e+21"),
            (1e-7, "9.9999999999999995e-08"),
            (0.0001, "0.0001"),
            (-1.5, "-1.5"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(format_double(value), expected);
        }
    }

    #[test]
    fn sums_of_decimals() {
        for (left, right, expected) in [
            ("0.1", "0.2", "0.3"),
            ("10.5", "0.1", "10.6"),
            ("1", "-1", "0"),
            ("5.0e3", "2.0e2", "5200"),
            ("3", "-4.25", "-1.25"),
        ] {
            assert_eq!(add_floats(left.as_bytes(), right.as_bytes()).as_deref(), Some(expected));
        }
        assert_eq!(add_floats(b"1e308", b"inf"), None);
        assert_eq!(add_floats(b"x", b"1"), None);
    }
}
