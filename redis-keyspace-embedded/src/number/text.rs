//! The text of a number, parsed as in C.

use super::big::Big;

/// No number of any format has more digits than this before or after the decimal point.
const MAX_DIGITS: i64 = 5_000;

/// A number as text, without its sign.
pub(super) struct Written {
    pub(super) base: Base,
    /// The digits before and after the point.
    pub(super) digits: Vec<u8>,
    /// The number of digits after the point.
    fraction: i64,
    /// The exponent. Its base is ten, or two if the digits are hexadecimal.
    pub(super) exponent: i64,
}

#[derive(Clone, Copy)]
pub(super) enum Base {
    Ten,
    Sixteen,
}

impl Written {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
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

    /// Returns the value as `bits * 2^exponent`, and whether part of it lies below `bits`. In that
    /// case, there are at least 66 bits. Returns `None` for a number that neither format can
    /// represent.
    pub(super) fn exact(&self) -> Option<(u128, i32, bool)> {
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

/// Parses an exponent. An exponent that is too large is clamped; no number is long enough for the
/// difference to matter.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    const MOST: i64 = i64::MAX / 4;
    let (negative, digits) = sign(text);
    (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then_some(())?;
    let exponent = std::str::from_utf8(digits).ok()?.parse().unwrap_or(MOST).min(MOST);
    Some(if negative { -exponent } else { exponent })
}

/// Splits off the sign. Returns whether it is negative.
pub(super) fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

pub(super) fn is_infinity(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity")
}

/// Whether the text is NaN, with an optional payload as in `nan(1)`.
pub(super) fn is_nan(text: &[u8]) -> bool {
    let Some((name, payload)) = text.split_at_checked(3) else { return false };
    let is_payload = |payload: &[u8]| match payload {
        [] => true,
        [b'(', word @ .., b')'] => word.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_'),
        _ => false,
    };
    name.eq_ignore_ascii_case(b"nan") && is_payload(payload)
}
