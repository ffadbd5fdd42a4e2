//! Floating-point numbers, read, added and printed as in C on x86-64.
//!
//! A real server parses scores as `double`. It parses timeouts and adds in INCRBYFLOAT with
//! `long double`, which has 64 significant bits. An `f64` would differ in the last digits (0.1 +
//! 0.2).

use super::big::Big;
use super::integer::is_space;
use super::text::{Base, Written, is_infinity, is_nan, sign};

/// The range of a floating-point type of C.
#[derive(Clone, Copy)]
struct Format {
    significant_bits: i32,
    /// The lowest exponent of the lowest bit.
    min_exponent: i32,
    /// All numbers are less than 2 to the power of this.
    max_bits: i32,
}

const LONG_DOUBLE: Format = Format { significant_bits: 64, min_exponent: -16_445, max_bits: 16_384 };
const DOUBLE: Format = Format { significant_bits: 53, min_exponent: -1074, max_bits: 1024 };

/// One more than the length of the longest text that INCRBYFLOAT accepts.
const MAX_LONG_DOUBLE_TEXT: usize = 5 * 1024;

/// Parses a whole text like `strtod`. Accepts infinities, but not NaN, numbers that are too large,
/// or numbers so small that they would become 0.
pub(crate) fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, unsigned) = sign(text);
    let magnitude = if is_infinity(unsigned) {
        f64::INFINITY
    } else {
        let written = Written::parse(unsigned)?;
        let is_zero = written.digits.iter().all(|&digit| digit == b'0');
        let value = nearest(&written, unsigned)?;
        Some(value).filter(|value| value.is_finite() && (*value != 0.0 || is_zero))?
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// Parses a number like `tonumber` in Lua 5.1: like `strtod`, with optional spaces around it. A
/// number that is too large becomes infinite, and one that is too small becomes 0.
pub(crate) fn parse_lua(text: &[u8]) -> Option<f64> {
    // Lua passes a C string, which ends at a zero byte.
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let start = text.iter().position(|&byte| !is_space(byte))?;
    let end = text.iter().rposition(|&byte| !is_space(byte))?;
    let (negative, unsigned) = sign(text.get(start..=end)?);
    let magnitude = if is_infinity(unsigned) {
        f64::INFINITY
    } else if is_nan(unsigned) {
        f64::NAN
    } else {
        nearest(&Written::parse(unsigned)?, unsigned)?
    };
    Some(magnitude.copysign(if negative { -1.0 } else { 1.0 }))
}

/// A number of the type `long double`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LongDouble {
    /// `None` if it is infinite.
    finite: Option<Binary>,
}

impl LongDouble {
    /// Parses a number like a real server. Rejects NaN, numbers that are too large, and numbers so
    /// small that they would become 0.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= MAX_LONG_DOUBLE_TEXT {
            return None;
        }
        if is_infinity(sign(text).1) {
            return Some(Self { finite: None });
        }
        Binary::parse(text, LONG_DOUBLE).map(|number| Self { finite: Some(number) })
    }

    pub(crate) fn is_infinite(self) -> bool {
        self.finite.is_none()
    }

    /// Returns the sum as INCRBYFLOAT prints it, or `None` if it is not finite.
    pub(crate) fn plus(self, other: Self) -> Option<String> {
        Some(self.finite?.add(other.finite?)?.print())
    }

    /// Returns 1000 times the number, rounded up to an integer. As in C, a value that is too large
    /// for the type becomes the lowest integer.
    pub(crate) fn thousandfold(self) -> i64 {
        self.finite.and_then(Binary::thousandfold).unwrap_or(i64::MIN)
    }
}

/// The number `mantissa * 2^exponent`.
#[derive(Clone, Copy, Debug)]
struct Binary {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl Binary {
    /// Parses a finite number. Returns `None` for anything else, for numbers that are too large,
    /// and for numbers so small that they would become 0.
    fn parse(text: &[u8], format: Format) -> Option<Self> {
        let (negative, text) = sign(text);
        let (bits, exponent, inexact) = Written::parse(text)?.exact()?;
        let number = Self::round(negative, bits, inexact, exponent, format)?;
        (number.mantissa > 0 || bits == 0).then_some(number)
    }

    /// Rounds `bits * 2^exponent`, with halves to even. `inexact` means that part of the value lies
    /// below `bits`. Returns `None` if the result is too large.
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

    fn thousandfold(self) -> Option<i64> {
        let bits = u128::from(self.mantissa) * 1000;
        let product = Self::round(self.negative, bits, false, self.exponent, LONG_DOUBLE)?;
        let magnitude = i128::from(product.mantissa);
        let value = if product.negative { -magnitude } else { magnitude };
        let shift = product.exponent.unsigned_abs();
        let whole = if product.exponent < 0 {
            -(-value >> shift.min(127)) // a shift rounds down
        } else {
            (shift < 63).then(|| value << shift)?
        };
        i64::try_from(whole).ok()
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
        // 64 bits and a shift of 62 leave room for the carry. Bits below that only affect the
        // rounding.
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

    /// Converts to `f64`. This is exact for a number that was rounded to `DOUBLE`.
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

    /// Prints up to 17 decimals without trailing zeros.
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

/// Returns the nearest `f64`, which may be infinite or 0. `text` is the text that was parsed.
fn nearest(written: &Written, text: &[u8]) -> Option<f64> {
    match written.base {
        Base::Ten => std::str::from_utf8(text).ok()?.parse().ok(),
        Base::Sixteen => Some(match written.exact() {
            Some((bits, exponent, inexact)) => {
                let number = Binary::round(false, bits, inexact, exponent, DOUBLE);
                number.map_or(f64::INFINITY, Binary::to_f64)
            }
            None if written.exponent < 0 => 0.0,
            None => f64::INFINITY,
        }),
    }
}

fn bit_length(bits: u128) -> i32 {
    128 - i32::try_from(bits.leading_zeros()).unwrap_or(128)
}

/// Returns `bits / 2^by`, with halves rounded to even. `inexact` means that part of the value lies
/// below `bits`.
fn shift_rounding(bits: u128, by: u32, inexact: bool) -> u128 {
    if by == 0 {
        return bits;
    }
    if by >= 128 {
        return 0; // less than one half, because `bits` has at most 121 bits in this module
    }
    let kept = bits >> by;
    let lost = bits & ((1 << by) - 1);
    let half = 1 << (by - 1);
    let up = lost > half || (lost == half && (inexact || kept & 1 == 1));
    kept + u128::from(up)
}

#[cfg(test)]
mod tests {
    use super::{LongDouble, parse_f64, parse_lua};

    fn sum(left: &str, right: &str) -> Option<String> {
        LongDouble::parse(left.as_bytes())?.plus(LongDouble::parse(right.as_bytes())?)
    }

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
            assert_eq!(sum(left, right).as_deref(), Some(expected), "{left} {right}");
        }
        let most = "1.18973149535723176502e4932";
        assert_eq!(sum(most, "0").map(|text| text.len()), Some(4933));
        for (left, right) in [(most, most), ("1e308", "inf"), ("x", "1")] {
            assert_eq!(sum(left, right), None, "{left} {right}");
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
            let read = (parse_f64(text.as_bytes()).is_some(), LongDouble::parse(text.as_bytes()).is_some());
            assert_eq!(read, (is_double, is_long), "{text}");
        }
        assert_eq!(parse_f64(b"0x1.8p1"), Some(3.0));
        assert_eq!(parse_f64(b"-0x10"), Some(-16.0));
        assert_eq!(parse_f64(b"0x1p-1074"), Some(5e-324));
    }
    #[test]
    fn milliseconds_round_up() {
        for (text, expected) in [
            ("0", 0),
            ("1.5", 1500),
            ("0.0001", 1),
            ("1e-400", 1),
            ("4e-4951", 1),
            ("-0.0001", 0),
            ("-0.001", 0), // the nearest number is a little higher
            ("-0.0010000000000000001", -1),
            ("-0.0015", -1),
            ("9223372036854775.807", i64::MAX),
            ("9223372036854775.808", i64::MIN),
            ("1e309", i64::MIN),
            ("1e4932", i64::MIN),
            ("-inf", i64::MIN),
            ("inf", i64::MIN),
        ] {
            let number = LongDouble::parse(text.as_bytes()).map(LongDouble::thousandfold);
            assert_eq!(number, Some(expected), "{text}");
        }
    }

    #[test]
    fn numbers_of_lua() {
        let ones = format!("0x.{}", "1".repeat(300));
        for (text, expected) in [
            ("7", Some(7.0)),
            (" -1.5\n", Some(-1.5)),
            ("0x10", Some(16.0)),
            ("-0x.8p1", Some(-1.0)),
            ("1e3", Some(1000.0)),
            ("5\0x", Some(5.0)),
            ("INF", Some(f64::INFINITY)),
            ("1e999", Some(f64::INFINITY)),
            ("-1e-999", Some(-0.0)),
            ("0x1p99999999999", Some(f64::INFINITY)),
            ("-0x1p99999999999", Some(f64::NEG_INFINITY)),
            ("0x1p-99999999999", Some(0.0)),
            ("0x0p99999999999", Some(0.0)),
            ("0x1p1024", Some(f64::INFINITY)),
            (&ones, Some(1.0 / 15.0)),
            ("", None),
            (" ", None),
            ("0x", None),
            ("0x.p1", None),
            ("0x1p", None),
            ("1 2", None),
            ("nan(", None),
            ("nan(-)", None),
            ("abc", None),
        ] {
            assert_eq!(parse_lua(text.as_bytes()), expected, "{text:?}");
        }
        for (text, negative) in [("nan", false), ("-NaN", true), ("nan()", false), ("+nan(a_1)", false)] {
            let number = parse_lua(text.as_bytes()).unwrap();
            assert!(number.is_nan() && number.is_sign_negative() == negative, "{text}");
        }
    }
}
