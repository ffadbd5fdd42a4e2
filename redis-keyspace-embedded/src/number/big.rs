//! Whole numbers of any size, for values that must be exact before they are rounded.

use std::cmp::Ordering;

/// A whole number as 64-bit digits, lowest first, without trailing zeros.
#[derive(Clone, Debug, Default)]
pub(super) struct Big(Vec<u64>);

/// The largest power of ten that fits in a digit, and its exponent.
const TEN: u64 = 10_000_000_000_000_000_000;
const TEN_DIGITS: usize = 19;

impl Big {
    /// Parses decimal digits. Any other byte counts as a digit of unspecified value.
    pub(super) fn from_decimal(digits: &[u8]) -> Self {
        let mut number = Self::default();
        for chunk in digits.chunks(TEN_DIGITS) {
            let part = chunk.iter().fold(0_u64, |part, digit| part * 10 + u64::from(digit & 15));
            let factor = chunk.iter().fold(1_u64, |factor, _| factor * 10);
            number.multiply(factor, part);
        }
        number
    }

    pub(super) fn from_u64(number: u64) -> Self {
        Self(if number == 0 { Vec::new() } else { vec![number] })
    }

    pub(super) fn times_power_of_ten(mut self, mut exponent: usize) -> Self {
        while exponent > 0 {
            let step = exponent.min(TEN_DIGITS);
            self.multiply((0..step).fold(1_u64, |factor, _| factor * 10), 0);
            exponent -= step;
        }
        self
    }

    /// Multiplies by `factor` and adds `carry`.
    fn multiply(&mut self, factor: u64, mut carry: u64) {
        for digit in &mut self.0 {
            // At most (2^64 - 1)^2 + 2^64 - 1, which fits in 128 bits.
            (*digit, carry) = halves(u128::from(*digit) * u128::from(factor) + u128::from(carry));
        }
        if carry > 0 {
            self.0.push(carry);
        }
    }

    /// Returns the number of bits without leading zeros.
    pub(super) fn bits(&self) -> usize {
        self.0.last().map_or(0, |last| self.0.len() * 64 - usize::try_from(last.leading_zeros()).unwrap_or(0))
    }

    pub(super) fn shifted_left(&self, by: usize) -> Self {
        let (whole, part) = (by / 64, by % 64);
        let mut digits = vec![0; whole];
        let mut carry = 0;
        for digit in &self.0 {
            let (low, high) = halves(u128::from(*digit) << part);
            digits.push(low | carry);
            carry = high;
        }
        if carry > 0 {
            digits.push(carry);
        }
        if self.0.is_empty() { Self::default() } else { Self(digits) }
    }

    /// Halves the number and rounds down.
    fn halve(&mut self) {
        let mut carry = 0;
        for digit in self.0.iter_mut().rev() {
            (*digit, carry) = ((*digit >> 1) | (carry << 63), *digit & 1);
        }
        self.trim();
    }

    /// Subtracts a number that is not greater.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (place, digit) in self.0.iter_mut().enumerate() {
            let (less, first) = digit.overflowing_sub(other.0.get(place).copied().unwrap_or(0));
            let (less, second) = less.overflowing_sub(u64::from(borrow));
            (*digit, borrow) = (less, first || second);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// Returns the highest bits of `self / divisor` as `bits * 2^exponent`, and whether there is a
    /// remainder. There are at least 66 bits, unless `self` is 0.
    pub(super) fn quotient(&self, divisor: &Self) -> (u128, i32, bool) {
        const BITS: i32 = 67;
        let exponent = i32::try_from(self.bits()).unwrap_or(i32::MAX)
            - BITS
            - i32::try_from(divisor.bits()).unwrap_or(i32::MAX);
        let shift = usize::try_from(exponent.unsigned_abs()).unwrap_or(0);
        // Scale the operands so that the quotient has 67 or 68 bits.
        let (mut rest, mut divisor) = if exponent < 0 {
            (self.shifted_left(shift), divisor.clone())
        } else {
            (self.clone(), divisor.shifted_left(shift))
        };
        divisor = divisor.shifted_left(usize::try_from(BITS).unwrap_or(0));
        let mut quotient = 0_u128;
        for _ in 0..=BITS {
            quotient <<= 1;
            if rest.compare(&divisor).is_ge() {
                rest.subtract(&divisor);
                quotient |= 1;
            }
            divisor.halve();
        }
        (quotient, exponent, !rest.0.is_empty())
    }

    pub(super) fn to_decimal(&self) -> String {
        let mut rest = self.clone();
        let mut parts = Vec::new();
        while !rest.0.is_empty() {
            let mut remainder = 0;
            for digit in rest.0.iter_mut().rev() {
                let value = (u128::from(remainder) << 64) | u128::from(*digit);
                (*digit, _) = halves(value / u128::from(TEN));
                (remainder, _) = halves(value % u128::from(TEN));
            }
            rest.trim();
            parts.push(remainder);
        }
        let mut parts = parts.into_iter().rev();
        let first = parts.next().map_or_else(|| "0".to_owned(), |part| part.to_string());
        parts.fold(first, |text, part| text + &format!("{part:0TEN_DIGITS$}"))
    }
}

/// Returns the low and the high half of a number.
fn halves(number: u128) -> (u64, u64) {
    let half = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    (half(number), half(number >> 64))
}

#[cfg(test)]
mod tests {
    use super::Big;

    #[test]
    fn digits_survive_a_round_trip() {
        for digits in ["0", "7", "18446744073709551616", "340282366920938463463374607431768211456000"] {
            assert_eq!(Big::from_decimal(digits.as_bytes()).to_decimal(), digits);
        }
        assert_eq!(Big::from_u64(1).shifted_left(64).to_decimal(), "18446744073709551616");
        assert_eq!(Big::from_u64(5).times_power_of_ten(21).to_decimal(), format!("5{}", "0".repeat(21)));
        assert_eq!(Big::from_decimal(b"18446744073709551616").bits(), 65);
    }

    #[test]
    fn quotients_have_enough_bits() {
        let (bits, exponent, inexact) = Big::from_u64(1).quotient(&Big::from_u64(8));
        assert_eq!((bits >> (128 - bits.leading_zeros() - 1), inexact), (1, false));
        assert_eq!(exponent + 127 - i32::try_from(bits.leading_zeros()).unwrap(), -3);
        let (bits, _, inexact) = Big::from_u64(1).quotient(&Big::from_decimal(b"3"));
        assert!(bits.leading_zeros() <= 62 && inexact);
    }
}
