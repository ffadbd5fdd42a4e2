//! Floating-point numbers as C reads, adds and prints them on x86-64.
//!
//! A real server reads scores and timeouts as `double`, and adds in INCRBYFLOAT with `long double`,
//! which has 64 significant bits. An `f64` would differ in the last digits (0.1 + 0.2).

use super::big::Big;

/// What a type of C can hold.
#[derive(Clone, Copy)]
struct Format {
    significant_bits: i32,
    /// The lowest exponent of the lowest bit.
    min_exponent: i32,
    /// All numbers are below 2 to this power.
    max_bits: i32,
}

const LONG_DOUBLE: Format = Format { significant_bits: 64, min_exponent: -16_445, max_bits: 16_384 };
const DOUBLE: Format = Format { significant_bits: 53, min_exponent: -1074, max_bits: 1024 };

/// The longest text that INCRBYFLOAT reads, plus one.
const MAX_LONG_DOUBLE_TEXT: usize = 5 * 1024;
/// No number of either format has more digits before or after the decimal point.
const MAX_DIGITS: i64 = 5_000;

/// Parses a number as `strtod` does, in full. Accepts infinities, but not NaN, nor numbers that are
/// too large, or so small that they would become 0.
pub(crate) fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, unsigned) = sign(text);
    let magnitude = if is_infinity(unsigned) {
        f64::INFINITY
    } else {
        match Written::parse(unsigned)? {
            Written { base: Base::Ten, digits, .. } => {
                let value: f64 = std::str::from_utf8(unsigned).ok()?.parse().ok()?;
                let is_zero = digits.iter().all(|&digit| digit == b'0');
                Some(value).filter(|value| value.is_finite() && (*value != 0.0 || is_zero))?
            }
            Written { base: Base::Sixteen, .. } => Binary::parse(unsigned, DOUBLE)?.to_f64(),
        }
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// Whether INCRBYFLOAT accepts this text as a number.
pub(crate) fn is_long_double(text: &[u8]) -> bool {
    text.len() < MAX_LONG_DOUBLE_TEXT
        && (is_infinity(sign(text).1) || Binary::parse(text, LONG_DOUBLE).is_some())
}

/// Returns `left + right` as INCRBYFLOAT computes and prints it; `None` if the sum is not finite.
pub(crate) fn add_long_doubles(left: &[u8], right: &[u8]) -> Option<String> {
    let sum = Binary::parse(left, LONG_DOUBLE)?.add(Binary::parse(right, LONG_DOUBLE)?)?;
    Some(sum.print())
}

/// The number `mantissa * 2^exponent`.
#[derive(Clone, Copy, Debug)]
struct Binary {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl Binary {
    /// Parses a finite number. `None` also for numbers that are too large, or so small that they
    /// would become 0.
    fn parse(text: &[u8], format: Format) -> Option<Self> {
        let (negative, text) = sign(text);
        let (bits, exponent, inexact) = Written::parse(text)?.exact()?;
        let number = Self::round(negative, bits, inexact, exponent, format)?;
        (number.mantissa > 0 || bits == 0).then_some(number)
    }

    /// Rounds `bits * 2^exponent`, halves to even. `inexact`: part of the value lies below `bits`.
    /// `None` if the result is too large.
    fn round(negative: bool, bits: u128, inexact: bool, exponent: i32, format: Format) -> Option<Self> {
        if bits == 0 {
            return Some(Self { negative, mantissa: 0, exponent: 0 });
        }
        let length = bit_length(bits);
        let surplus =
            (length - format.significant_bits).max(format.min_exponent.saturating_sub(exponent)).max(0);
        let rounded = shift_rounding(bits, surplus.unsigned_abs(), inexact);
        let mut exponent = exponent.saturating_add(surplus);
        let mantissa = u64::try_from(rounded).unwrap_or_else(|_| {
            // The rounding carried into a 65th bit.
            exponent += 1;
            1 << 63
        });
        let fits = mantissa == 0 || bit_length(mantissa.into()).saturating_add(exponent) <= format.max_bits;
        fits.then_some(Self { negative, mantissa, exponent })
    }

    fn add(self, other: Self) -> Option<Self> {
        if self.mantissa == 0 {
            return Some(other);
        }
        if other.mantissa == 0 {
            return Some(self);
        }
        let (a, b) = (self.normalised(), other.normalised());
        let (high, low) = if a.exponent >= b.exponent { (a, b) } else { (b, a) };
        let distance = high.exponent.saturating_sub(low.exponent).unsigned_abs();
        // 64 bits and a shift of 62 leave room for the carry. What does not fit below only decides
        // how to round.
        let shift = distance.min(62);
        let left = u128::from(high.mantissa) << shift;
        let lost = distance - shift;
        let right = u128::from(low.mantissa).checked_shr(lost).unwrap_or(0);
        let inexact = lost > low.mantissa.trailing_zeros();
        let exponent = high.exponent - i32::try_from(shift).unwrap_or(0);
        let (negative, bits) = if high.negative == low.negative {
            (high.negative, left + right)
        } else if left >= right {
            (high.negative && left != right, left - right - u128::from(inexact))
        } else {
            (low.negative, right - left)
        };
        Self::round(negative, bits, inexact, exponent, LONG_DOUBLE)
    }

    /// Exact for a number that was rounded to `DOUBLE`.
    fn to_f64(self) -> f64 {
        // In two steps, because the power alone could be too small for an `f64`.
        let half = self.exponent / 2;
        let power = |exponent: i32| 2_f64.powi(exponent);
        self.mantissa as f64 * power(half) * power(self.exponent - half)
    }

    /// Sets the highest bit of the mantissa.
    fn normalised(self) -> Self {
        let zeros = self.mantissa.leading_zeros();
        let exponent = self.exponent - i32::try_from(zeros).unwrap_or(0);
        Self { mantissa: self.mantissa << zeros, exponent, ..self }
    }

    /// Prints 17 decimals without trailing zeros.
    fn print(self) -> String {
        const SCALE: u128 = 100_000_000_000_000_000;
        let text = if self.exponent > 0 {
            let shift = usize::try_from(self.exponent).unwrap_or(0);
            Big::from_u64(self.mantissa).shifted_left(shift).to_decimal()
        } else {
            let scaled =
                shift_rounding(u128::from(self.mantissa) * SCALE, self.exponent.unsigned_abs(), false);
            super::trim_zeros(&format!("{}.{:017}", scaled / SCALE, scaled % SCALE)).to_owned()
        };
        if self.negative && text != "0" { format!("-{text}") } else { text }
    }
}

/// A number as text, without its sign.
struct Written {
    base: Base,
    /// The digits before and after the point.
    digits: Vec<u8>,
    /// How many of them come after the point.
    fraction: i64,
    /// The exponent: of ten, or of two for hexadecimal digits.
    exponent: i64,
}

#[derive(Clone, Copy)]
enum Base {
    Ten,
    Sixteen,
}

impl Written {
    fn parse(text: &[u8]) -> Option<Self> {
        let (base, text) = match text {
            [b'0', b'x' | b'X', rest @ ..] => (Base::Sixteen, rest),
            _ => (Base::Ten, text),
        };
        let (letter, is_digit): (u8, fn(&u8) -> bool) = match base {
            Base::Ten => (b'e', u8::is_ascii_digit),
            Base::Sixteen => (b'p', u8::is_ascii_hexdigit),
        };
        let (number, exponent) = match text.iter().position(|byte| byte.eq_ignore_ascii_case(&letter)) {
            Some(at) => (text.get(..at)?, parse_exponent(text.get(at + 1..)?)?),
            None => (text, 0),
        };
        let point = number.iter().position(|&byte| byte == b'.').unwrap_or(number.len());
        let (whole, fraction) = number.split_at_checked(point)?;
        let fraction = fraction.strip_prefix(b".").unwrap_or(fraction);
        let digits = [whole, fraction].concat();
        let is_number = !digits.is_empty() && digits.iter().all(is_digit);
        let fraction = i64::try_from(fraction.len()).ok()?;
        is_number.then_some(Self { base, digits, fraction, exponent })
    }

    /// Returns the value as `bits * 2^exponent`, and whether more of it lies below `bits`. There are
    /// at least 66 bits if it does. `None` for a number that neither format can hold.
    fn exact(&self) -> Option<(u128, i32, bool)> {
        let is_zero = |&&digit: &&u8| digit == b'0';
        let leading = self.digits.iter().take_while(is_zero).count();
        let Some(digits) = self.digits.get(leading..).filter(|digits| !digits.is_empty()) else {
            return Some((0, 0, false));
        };
        let trailing = digits.iter().rev().take_while(is_zero).count();
        let digits = digits.get(..digits.len() - trailing)?;
        let count = i64::try_from(digits.len()).ok()?;
        let places = i64::try_from(trailing).ok()? - self.fraction;
        match self.base {
            Base::Ten => {
                let exponent = self.exponent.checked_add(places)?;
                (-MAX_DIGITS..=MAX_DIGITS).contains(&exponent.checked_add(count)?).then_some(())?;
                let power = usize::try_from(exponent.unsigned_abs()).ok()?;
                let (number, one) = (Big::from_decimal(digits), Big::from_u64(1));
                Some(if exponent < 0 {
                    number.quotient(&one.times_power_of_ten(power))
                } else {
                    number.times_power_of_ten(power).quotient(&one)
                })
            }
            Base::Sixteen => {
                const KEPT: usize = 24;
                let (kept, lost) = digits.split_at(digits.len().min(KEPT));
                let bits = u128::from_str_radix(std::str::from_utf8(kept).ok()?, 16).ok()?;
                let places = places.checked_add(i64::try_from(lost.len()).ok()?)?.checked_mul(4)?;
                let exponent = i32::try_from(self.exponent.checked_add(places)?).ok()?;
                Some((bits, exponent, !lost.is_empty()))
            }
        }
    }
}

/// Parses an exponent. One that is too long for an `i64` is cut: no number can be so long that the
/// difference matters.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    const MOST: i64 = i64::MAX / 4;
    let (negative, digits) = sign(text);
    (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then_some(())?;
    let exponent = std::str::from_utf8(digits).ok()?.parse().unwrap_or(MOST).min(MOST);
    Some(if negative { -exponent } else { exponent })
}

/// Splits off the sign. Returns whether it is negative.
fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn is_infinity(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity")
}

fn bit_length(bits: u128) -> i32 {
    128 - i32::try_from(bits.leading_zeros()).unwrap_or(128)
}

/// Returns `bits / 2^by`, halves to even. `inexact`: part of the value lies below `bits`.
fn shift_rounding(bits: u128, by: u32, inexact: bool) -> u128 {
    if by == 0 {
        return bits;
    }
    if by >= 128 {
        return 0; // less than half of one, for the at most 121 bits of this module
    }
    let kept = bits >> by;
    let lost = bits & ((1 << by) - 1);
    let half = 1 << (by - 1);
    let up = lost > half || (lost == half && (inexact || kept & 1 == 1));
    kept + u128::from(up)
}

#[cfg(test)]
mod tests {
    use super::{add_long_doubles, is_long_double, parse_f64};

    #[test]
    fn sums_of_decimals() {
        for (left, right, expected) in [
            ("0.1", "0.2", "0.3"),
            ("10.5", "0.1", "10.6"),
            ("1", "-1", "0"),
            ("5.0e3", "2.0e2", "5200"),
            ("3", "-4.25", "-1.25"),
            ("0x1p3", "-0x.8", "7.5"),
            ("1e30", "1", "1000000000000000000024696061952"),
            ("1e-30", "-1e-30", "0"),
            ("-1e-30", "0", "0"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("12345678901234567890.5", "0", "12345678901234567890"),
        ] {
            let sum = add_long_doubles(left.as_bytes(), right.as_bytes());
            assert_eq!(sum.as_deref(), Some(expected), "{left} {right}");
        }
        let most = "1.18973149535723176502e4932";
        assert_eq!(add_long_doubles(most.as_bytes(), b"0").map(|text| text.len()), Some(4933));
        for (left, right) in [(most, most), ("1e308", "inf"), ("x", "1")] {
            assert_eq!(add_long_doubles(left.as_bytes(), right.as_bytes()), None, "{left} {right}");
        }
    }

    #[test]
    fn the_limits_of_the_formats() {
        for (text, is_double, is_long) in [
            ("1e308", true, true),
            ("1e309", false, true),
            ("1e4932", false, true),
            ("1e4933", false, false),
            ("5e-324", true, true),
            ("2e-324", false, true),
            ("4e-4951", false, true),
            ("1e-4951", false, false),
            ("1e-99999999999999999999", false, false),
            ("0e99999999999999999999", true, true),
            ("0x1p-1074", true, true),
            ("0x1p-1076", false, true),
            ("0x1.fffffffffffff8p1023", false, true),
            ("-Infinity", true, true),
            ("nan", false, false),
            ("0x", false, false),
            ("0x1p", false, false),
            ("1e", false, false),
            ("1e+", false, false),
            (".", false, false),
            ("1.", true, true),
            ("+.5", true, true),
            ("+-1", false, false),
            ("--1", false, false),
            (" 1", false, false),
            ("", false, false),
        ] {
            let read = (parse_f64(text.as_bytes()).is_some(), is_long_double(text.as_bytes()));
            assert_eq!(read, (is_double, is_long), "{text}");
        }
        assert_eq!(parse_f64(b"0x1.8p1"), Some(3.0));
        assert_eq!(parse_f64(b"-0x10"), Some(-16.0));
        assert_eq!(parse_f64(b"0x1p-1074"), Some(5e-324));
    }
}
