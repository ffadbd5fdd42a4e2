//! A class in few words.

use std::fmt;

use super::{ArgumentClass, Language, UNBOUNDED};
use crate::key::KeyArgument;

/// In few words: `u64`, `text`, `phone|desktop`.
impl fmt::Display for ArgumentClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const INTEGERS: [(&str, ArgumentClass); 10] = [
            ("u8", u8::CLASS),
            ("u16", u16::CLASS),
            ("u32", u32::CLASS),
            ("u64", u64::CLASS),
            ("u128", u128::CLASS),
            ("i8", i8::CLASS),
            ("i16", i16::CLASS),
            ("i32", i32::CLASS),
            ("i64", i64::CLASS),
            ("i128", i128::CLASS),
        ];
        if let Some((name, _)) = INTEGERS.iter().find(|(_, class)| class == self) {
            return f.write_str(name);
        }
        if *self == bool::CLASS {
            return f.write_str("bool");
        }
        match self.0 {
            _ if *self == Self::TEXT => f.write_str("text"),
            _ if *self == Self::RAW => f.write_str("anything"),
            Language::Bytes { set, min, max } => {
                let alphabet: String =
                    (0..=u8::MAX).filter(|&byte| set.contains(byte)).map(char::from).collect();
                match max {
                    UNBOUNDED => write!(f, "{min} or more of {alphabet:?}"),
                    max if max == min => write!(f, "{min} of {alphabet:?}"),
                    max => write!(f, "{min} to {max} of {alphabet:?}"),
                }
            }
            Language::Integer { zero, min, max } => {
                if min.is_empty() {
                    write!(f, "{} to {max}", if zero { "0" } else { "1" })
                } else {
                    write!(f, "-{min} to {max}{}", if zero { "" } else { " without 0" })
                }
            }
            Language::Char => f.write_str("char"),
            Language::OneOf(texts) => f.write_str(&texts.join("|")),
            Language::Shape(shape) => f.write_str(shape),
            Language::V4 => f.write_str("Ipv4Addr"),
            Language::V6 => f.write_str("Ipv6Addr"),
            Language::Address => f.write_str("IpAddr"),
        }
    }
}
