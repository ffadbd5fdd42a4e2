//! Which texts the encoding of an argument type can consist of.
//!
//! Templates are regular: literals, and for each argument a first byte from one set followed by bytes from
//! another. That is all the checks need to know of a type, and all of it is known at compile time.

/// The set of texts that a type's encoding is drawn from: a first byte, then more bytes, within a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArgumentClass {
    first: ByteSet,
    rest: ByteSet,
    min: u16,
    max: u16,
}

/// No upper bound on the length.
const UNBOUNDED: u16 = u16::MAX;

impl ArgumentClass {
    /// Escaped text of any length: everything but the bytes that [escaping](crate::format) takes out. The
    /// default of [`KeyArgument`](crate::KeyArgument), and right for every type that writes through
    /// [`KeyWriter`](crate::KeyWriter).
    pub const TEXT: Self = Self { first: ByteSet::TEXT, rest: ByteSet::TEXT, min: 1, max: UNBOUNDED };

    /// Verbatim text: anything at all, nothing included.
    pub const RAW: Self = Self { first: ByteSet::ALL, rest: ByteSet::ALL, min: 0, max: UNBOUNDED };

    /// An unsigned decimal of at most `max` digits.
    #[must_use]
    pub const fn unsigned(max: u16) -> Self {
        Self { first: ByteSet::DIGITS, rest: ByteSet::DIGITS, min: 1, max }
    }

    /// A signed decimal of at most `max` characters, the sign included.
    #[must_use]
    pub const fn signed(max: u16) -> Self {
        Self { first: ByteSet::DIGITS.with(b'-'), rest: ByteSet::DIGITS, min: 1, max }
    }

    /// Texts of `min` to `max` bytes out of `alphabet`, which must need no escaping.
    #[must_use]
    pub const fn alphabet(alphabet: &str, min: u16, max: u16) -> Self {
        let set = ByteSet::of(alphabet.as_bytes());
        Self { first: set, rest: set, min, max }
    }

    /// One of a fixed list of texts, none of which may need escaping.
    #[must_use]
    pub const fn one_of(texts: &[&str]) -> Self {
        let (mut first, mut rest) = (ByteSet::EMPTY, ByteSet::EMPTY);
        let (mut min, mut max) = (UNBOUNDED, 0);
        let mut texts = texts;
        while let Some((text, others)) = texts.split_first() {
            if let Some((head, tail)) = text.as_bytes().split_first() {
                first = first.with(*head);
                rest = rest.union(ByteSet::of(tail));
            }
            let length = short_length(text);
            if length < min {
                min = length;
            }
            if length > max {
                max = length;
            }
            texts = others;
        }
        Self { first, rest, min, max }
    }

    /// Whether a reader can tell that the argument is over when it meets `next`.
    #[must_use]
    pub const fn ends_before(self, next: u8) -> bool {
        !self.rest.contains(next) && (self.min > 0 || !self.first.contains(next))
    }

    /// How many bytes at the start of `text` the argument takes: the longest run that fits.
    #[must_use]
    pub(crate) fn run(self, text: &[u8]) -> Option<usize> {
        let fits = text
            .iter()
            .take(usize::from(self.max))
            .enumerate()
            .take_while(|&(index, &byte)| if index == 0 { self.first } else { self.rest }.contains(byte))
            .count();
        // An unbounded class takes more than the bound's own value.
        let run = if self.max == UNBOUNDED && fits == usize::from(UNBOUNDED) {
            fits + text.iter().skip(fits).take_while(|&&byte| self.rest.contains(byte)).count()
        } else {
            fits
        };
        (run >= usize::from(self.min)).then_some(run)
    }
}

/// A length, or 'unbounded' for one that does not fit.
#[expect(clippy::cast_possible_truncation, reason = "checked right before; `try_from` is not const")]
const fn short_length(text: &str) -> u16 {
    if text.len() < UNBOUNDED as usize { text.len() as u16 } else { UNBOUNDED }
}

/// A set of byte values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ByteSet {
    ascii: u128,
    beyond: u128,
}

impl ByteSet {
    const EMPTY: Self = Self { ascii: 0, beyond: 0 };
    const ALL: Self = Self { ascii: u128::MAX, beyond: u128::MAX };
    const DIGITS: Self = Self::of(b"0123456789");
    const TEXT: Self = {
        let mut set = Self::ALL;
        let mut byte = 0_u8;
        while byte < 128 {
            // `%` stays in: it introduces the escapes.
            if super::escape::is_reserved(byte) && byte != b'%' {
                set.ascii &= !(1 << byte);
            }
            byte += 1;
        }
        set
    };

    const fn of(bytes: &[u8]) -> Self {
        let (mut set, mut rest) = (Self::EMPTY, bytes);
        while let Some((byte, others)) = rest.split_first() {
            set = set.with(*byte);
            rest = others;
        }
        set
    }

    const fn with(mut self, byte: u8) -> Self {
        let bit = 1 << (byte & 127);
        if byte < 128 {
            self.ascii |= bit;
        } else {
            self.beyond |= bit;
        }
        self
    }

    const fn union(self, other: Self) -> Self {
        Self { ascii: self.ascii | other.ascii, beyond: self.beyond | other.beyond }
    }

    const fn contains(self, byte: u8) -> bool {
        let half = if byte < 128 { self.ascii } else { self.beyond };
        half & (1 << (byte & 127)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_ends_where_none_of_its_bytes_go_on() {
        for (class, ends, goes_on) in [
            (ArgumentClass::TEXT, &b":*{}"[..], &b"-a0_%."[..]),
            (ArgumentClass::unsigned(20), b":-a", b"09"),
            (ArgumentClass::signed(20), b":-a", b"09"),
            (ArgumentClass::one_of(&["true", "false"]), b":-ft", b"rueals"),
            (ArgumentClass::RAW, b"", b":-a%"),
        ] {
            for &byte in ends {
                assert!(class.ends_before(byte), "{:?} before {:?}", class, char::from(byte));
            }
            for &byte in goes_on {
                assert!(!class.ends_before(byte), "{:?} before {:?}", class, char::from(byte));
            }
        }
    }

    #[test]
    fn a_run_is_the_longest_that_fits() {
        assert_eq!(ArgumentClass::unsigned(20).run(b"123:4"), Some(3));
        assert_eq!(ArgumentClass::unsigned(2).run(b"123"), Some(2));
        assert_eq!(ArgumentClass::signed(20).run(b"-12-3"), Some(3));
        assert_eq!(ArgumentClass::unsigned(20).run(b"x"), None);
        assert_eq!(ArgumentClass::RAW.run(b""), Some(0));
        assert_eq!(ArgumentClass::TEXT.run(&vec![b'a'; 200_000]), Some(200_000));
    }
}
