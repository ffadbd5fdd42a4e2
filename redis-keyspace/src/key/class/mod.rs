//! Classes: which strings the encoding of an argument type can produce.
//!
//! Each class is a regular language with a small deterministic automaton, which runs at compile
//! time and at run time. The checks of templates, their overlap and the parsing of keys all step
//! through it.

mod address;
mod bytes;
mod character;
mod display;
mod index;
mod integer;
mod state;
mod words;

use bytes::{ByteSet, is_plain};
pub(crate) use index::nth_byte;
use index::{are_equal, byte_at};
pub(crate) use state::{ClassState, START};

/// The set of strings that the encoding of a type can produce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArgumentClass(Language);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    /// Bytes of a set, with a minimum and a maximum length.
    Bytes { set: ByteSet, min: u16, max: u16 },
    /// A canonical decimal from 0 to `max`, or from minus `min` to `max` if it is signed.
    Integer { zero: bool, min: &'static str, max: &'static str },
    /// One character, escaped if it is reserved.
    Char,
    /// One of these strings, in any order.
    OneOf(&'static [&'static str]),
    /// A string as long as the shape. `x` stands for a lower-case hexadecimal digit, and every
    /// other byte for itself.
    Shape(&'static str),
    /// Four numbers up to 255, separated by dots.
    V4,
    /// Hexadecimal digits, dots and escaped colons, with at least two colons.
    V6,
    /// An IPv4 or IPv6 address.
    Address,
}

/// No upper bound on the length.
const UNBOUNDED: u16 = u16::MAX;

impl ArgumentClass {
    /// Escaped text of any length: all bytes except those that [escaping](crate::format) replaces.
    /// This is the default of [`KeyArgument`](crate::KeyArgument), and correct for every type that
    /// writes through [`KeyWriter`](crate::key::KeyWriter).
    pub const TEXT: Self = Self(Language::Bytes { set: ByteSet::TEXT, min: 1, max: UNBOUNDED });

    /// Verbatim text: any bytes, of any length, including none.
    pub const RAW: Self = Self(Language::Bytes { set: ByteSet::ALL, min: 0, max: UNBOUNDED });

    /// One character.
    pub const CHAR: Self = Self(Language::Char);

    /// Decimals without leading zeros from 0 to `max`. `max` itself is in the same format.
    #[must_use]
    pub const fn unsigned(max: &'static str) -> Self {
        Self(Language::Integer { zero: true, min: "", max })
    }

    /// Decimals without leading zeros from `-min` to `max`. `min` and `max` are given without a
    /// sign.
    #[must_use]
    pub const fn signed(min: &'static str, max: &'static str) -> Self {
        Self(Language::Integer { zero: true, min, max })
    }

    /// The same class without zero.
    #[must_use]
    pub const fn without_zero(self) -> Self {
        match self.0 {
            Language::Integer { min, max, .. } => Self(Language::Integer { zero: false, min, max }),
            _ => self,
        }
    }

    /// Strings of `min` to `max` bytes from `alphabet`, which must not need escaping. A `max` of
    /// 65,535 means no limit.
    ///
    /// # Panics
    ///
    /// Panics if `alphabet` contains a byte that is [escaped](crate::format), `min` is 0, or `max`
    /// is less than `min`. In a constant, this is a compile error.
    #[must_use]
    pub const fn alphabet(alphabet: &str, min: u16, max: u16) -> Self {
        assert!(is_plain(alphabet), "an alphabet must not contain a byte that is escaped in keys");
        assert!(min > 0 && max >= min, "the minimum length must be at least 1 and not exceed the maximum");
        Self(Language::Bytes { set: ByteSet::of(alphabet.as_bytes()), min, max })
    }

    /// One of a fixed list of strings, none of which may need escaping.
    ///
    /// # Panics
    ///
    /// Panics if one of them is empty or contains a byte that is [escaped](crate::format). In a
    /// constant, this is a compile error.
    #[must_use]
    pub const fn one_of(texts: &'static [&'static str]) -> Self {
        let mut rest = texts;
        while let Some((text, others)) = rest.split_first() {
            assert!(
                !text.is_empty() && is_plain(text),
                "a possible string of an argument must not be empty or contain a byte that is escaped in keys"
            );
            rest = others;
        }
        Self(Language::OneOf(texts))
    }

    /// Strings as long as `shape`, for example `"xxxx-xxxx"`. `x` stands for a lower-case
    /// hexadecimal digit, and every other byte for itself.
    ///
    /// # Panics
    ///
    /// Panics if `shape` is empty or contains a byte that is [escaped](crate::format). In a
    /// constant, this is a compile error.
    #[must_use]
    pub const fn shape(shape: &'static str) -> Self {
        assert!(
            !shape.is_empty() && is_plain(shape),
            "a shape must not be empty or contain a byte that is escaped in keys"
        );
        Self(Language::Shape(shape))
    }

    pub(crate) const U8: Self = Self::unsigned("255");
    pub(crate) const U16: Self = Self::unsigned("65535");
    pub(crate) const U32: Self = Self::unsigned("4294967295");
    pub(crate) const U64: Self = Self::unsigned("18446744073709551615");
    pub(crate) const U128: Self = Self::unsigned("340282366920938463463374607431768211455");
    pub(crate) const I8: Self = Self::signed("128", "127");
    pub(crate) const I16: Self = Self::signed("32768", "32767");
    pub(crate) const I32: Self = Self::signed("2147483648", "2147483647");
    pub(crate) const I64: Self = Self::signed("9223372036854775808", "9223372036854775807");
    pub(crate) const I128: Self =
        Self::signed("170141183460469231731687303715884105728", "170141183460469231731687303715884105727");

    /// `true` and `false`.
    pub(crate) const BOOL: Self = Self::one_of(&["true", "false"]);

    /// IPv4 addresses.
    pub(crate) const V4: Self = Self(Language::V4);
    /// IPv6 addresses with escaped colons, and some strings that only look like addresses.
    pub(crate) const V6: Self = Self(Language::V6);
    /// Both kinds of addresses.
    pub(crate) const ADDRESS: Self = Self(Language::Address);

    /// Returns whether the argument certainly ends before the byte `next`: no string of the class
    /// continues with it.
    #[must_use]
    pub const fn ends_before(self, next: u8) -> bool {
        match self.0 {
            Language::Bytes { set, min, max } => (max <= min && max != UNBOUNDED) || !set.contains(next),
            // Another digit would be part of the number. A sign can only start one.
            Language::Integer { .. } => !next.is_ascii_digit(),
            Language::Char | Language::Shape(_) => true,
            Language::V4 => !matches!(next, b'0'..=b'9' | b'.'),
            Language::V6 | Language::Address => !matches!(next, b'0'..=b'9' | b'a'..=b'f' | b'.' | b'%'),
            Language::OneOf(texts) => words::end_before(texts, next),
        }
    }

    /// Advances by one byte. Returns `None` if no string of the class continues like that.
    pub(crate) const fn step(self, state: ClassState, byte: u8) -> Option<ClassState> {
        match self.0 {
            Language::Bytes { set, min, max } => {
                let length = state;
                if !set.contains(byte) || (max != UNBOUNDED && length >= max as u32) {
                    None
                } else if max == UNBOUNDED && length >= min as u32 {
                    Some(length) // beyond the minimum, the length does not matter
                } else {
                    Some(length + 1)
                }
            }
            Language::Integer { zero, min, max } => integer::step(zero, min, max, state, byte),
            Language::Char => character::step(state, byte),
            Language::OneOf(texts) => words::step(texts, state, byte),
            Language::Shape(shape) => match nth_byte(shape, state) {
                Some(b'x') if matches!(byte, b'0'..=b'9' | b'a'..=b'f') => Some(state + 1),
                Some(expected) if expected != b'x' && expected == byte => Some(state + 1),
                _ => None,
            },
            Language::V4 => address::step_v4(state, byte),
            Language::V6 => address::step_v6(state, byte),
            Language::Address => address::step(state, byte),
        }
    }

    /// Whether the bytes read so far are a string of the class.
    pub(crate) const fn accepts(self, state: ClassState) -> bool {
        match self.0 {
            Language::Bytes { min, .. } => state >= min as u32,
            Language::Integer { .. } => integer::accepts(state),
            Language::Char => character::accepts(state),
            Language::Shape(shape) => state as usize == shape.len(),
            Language::V4 => address::accepts_v4(state),
            Language::V6 => address::accepts_v6(state),
            Language::Address => address::accepts(state),
            Language::OneOf(texts) => words::accepts(texts, state),
        }
    }

    /// Returns whether a string belongs to the class. The string must be encoded as in a key.
    ///
    /// ```
    /// use redis_keyspace::KeyArgument;
    ///
    /// #[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
    /// #[key(alphabet = "a-z0-9", len = 4..=20)]
    /// struct OrgId(String);
    ///
    /// impl OrgId {
    ///     fn new(text: &str) -> Option<Self> {
    ///         Self::CLASS.contains(text).then(|| Self(text.to_owned()))
    ///     }
    /// }
    ///
    /// assert!(OrgId::new("acme").is_some() && OrgId::new("a_b").is_none());
    /// ```
    #[must_use]
    pub fn contains(self, text: &str) -> bool {
        self.run(text.as_bytes()) == Some(text.len())
    }

    /// Whether the classes are the same. `==` is not const.
    pub(crate) const fn is_same(self, other: Self) -> bool {
        match (self.0, other.0) {
            (Language::Bytes { set, min, max }, Language::Bytes { set: other, min: least, max: most }) => {
                set.is_same(other) && min == least && max == most
            }
            (
                Language::Integer { zero, min, max },
                Language::Integer { zero: other, min: least, max: most },
            ) => zero == other && are_equal(min, least) && are_equal(max, most),
            (Language::Char, Language::Char)
            | (Language::V4, Language::V4)
            | (Language::V6, Language::V6)
            | (Language::Address, Language::Address) => true,
            (Language::Shape(shape), Language::Shape(other)) => are_equal(shape, other),
            (Language::OneOf(texts), Language::OneOf(others)) => {
                let (mut texts, mut others) = (texts, others);
                while let (Some((text, rest)), Some((other, more))) =
                    (texts.split_first(), others.split_first())
                {
                    if !are_equal(text, other) {
                        return false;
                    }
                    (texts, others) = (rest, more);
                }
                texts.is_empty() && others.is_empty()
            }
            _ => false,
        }
    }

    /// Whether only the number of bytes matters: all accepted bytes lead to the same state.
    pub(crate) const fn counts_only(self) -> bool {
        matches!(self.0, Language::Bytes { .. })
    }

    /// Whether the class accepts any text. Then the state after the first byte is always the same.
    pub(crate) const fn is_free(self) -> bool {
        self.is_same(Self::TEXT) || self.is_same(Self::RAW)
    }

    /// Whether every byte brings a string closer to its end, so all paths are equally good. In an
    /// IPv6 address, digits alone never reach the end.
    pub(crate) const fn leads_to_an_end(self) -> bool {
        !matches!(self.0, Language::V6 | Language::Address)
    }

    /// Returns bytes that include all those that can follow in this state, if there are few.
    pub(crate) const fn few_bytes(self, state: ClassState) -> Option<&'static [u8]> {
        match self.0 {
            Language::Integer { .. } => Some(b"0123456789-"),
            Language::Shape(shape) => Some(match nth_byte(shape, state) {
                Some(b'x') => b"0123456789abcdef",
                _ => byte_at(shape, state),
            }),
            Language::V4 | Language::V6 | Language::Address => Some(b"0123456789abcdef.%A"),
            _ => None,
        }
    }

    /// Whether some string of the class may contain the byte. Faster than a step for bytes that
    /// none contains.
    pub(crate) const fn may_step(self, byte: u8) -> bool {
        match self.0 {
            Language::Bytes { set, .. } => set.contains(byte),
            Language::Integer { .. } => byte.is_ascii_digit() || byte == b'-',
            _ => true,
        }
    }

    /// Returns the length of the longest string of the class at the start of `text`.
    #[must_use]
    pub(crate) fn run(self, text: &[u8]) -> Option<usize> {
        let mut state = START;
        let mut longest = self.accepts(state).then_some(0);
        for (index, &byte) in text.iter().enumerate() {
            let Some(next) = self.step(state, byte) else { break };
            state = next;
            if self.accepts(state) {
                longest = Some(index + 1);
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyArgument;

    #[test]
    fn a_class_ends_before_bytes_that_do_not_continue_it() {
        for (class, ends, goes_on) in [
            (ArgumentClass::TEXT, &b":*{}"[..], &b"-a0_%."[..]),
            (u64::CLASS, b":-a", b"09"),
            (i64::CLASS, b":-a", b"09"),
            (bool::CLASS, b":-ftrueals", b""),
            (ArgumentClass::one_of(&["me", "men"]), b":aem", b"n"),
            (ArgumentClass::one_of(&["mentor", "a-b", "men"]), b":-abem", b"t"),
            (ArgumentClass::alphabet("ab", 2, 2), b":ab", b""),
            (ArgumentClass::alphabet("ab", 2, 3), b":", b"ab"),
            (ArgumentClass::CHAR, b":a0%", b""),
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
    fn a_run_is_the_longest_string_of_the_class() {
        for (class, text, run) in [
            (u64::CLASS, &b"123:4"[..], Some(3)),
            (u8::CLASS, b"256", Some(2)),
            (u8::CLASS, b"2551", Some(3)),
            (u8::CLASS, b"01", Some(1)),
            (i8::CLASS, b"-12-3", Some(3)),
            (i8::CLASS, b"-", None),
            (u64::CLASS, b"x", None),
            (bool::CLASS, b"trues", Some(4)),
            (bool::CLASS, b"tru", None),
            (ArgumentClass::RAW, b"", Some(0)),
            (ArgumentClass::CHAR, "éa".as_bytes(), Some(2)),
            (ArgumentClass::CHAR, b"%2A*", Some(3)),
            (ArgumentClass::one_of(&["men", "me", "mentor"]), b"mento", Some(3)),
        ] {
            assert_eq!(class.run(text), run, "{class:?} of {:?}", String::from_utf8_lossy(text));
        }
        assert_eq!(ArgumentClass::TEXT.run(&vec![b'a'; 200_000]), Some(200_000));
    }

    #[test]
    fn a_class_of_integers_contains_exactly_the_values_of_its_type() {
        for number in 0..=999_u32 {
            let text = number.to_string();
            let whole = u8::CLASS.run(text.as_bytes()) == Some(text.len());
            assert_eq!(whole, u8::try_from(number).is_ok(), "{number}");
        }
        for number in -999..=999_i32 {
            let text = number.to_string();
            let whole = i8::CLASS.run(text.as_bytes()) == Some(text.len());
            assert_eq!(whole, i8::try_from(number).is_ok(), "{number}");
        }
        for text in [u64::MAX.to_string(), i64::MIN.to_string(), i128::MIN.to_string(), u128::MAX.to_string()]
        {
            let fits = |class: ArgumentClass| class.run(text.as_bytes()) == Some(text.len());
            assert!([u64::CLASS, i64::CLASS, i128::CLASS, u128::CLASS].into_iter().any(fits), "{text}");
        }
    }
}
