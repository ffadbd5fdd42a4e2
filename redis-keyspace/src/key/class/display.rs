//! Short descriptions of classes.

use std::fmt;

use super::{ArgumentClass, Language, UNBOUNDED};

/// Formats a short description, for example `u64`, `text` or `phone|desktop`.
impl fmt::Display for ArgumentClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const INTEGERS: [(&str, ArgumentClass); 10] = [
            ("u8", ArgumentClass::U8),
            ("u16", ArgumentClass::U16),
            ("u32", ArgumentClass::U32),
            ("u64", ArgumentClass::U64),
            ("u128", ArgumentClass::U128),
            ("i8", ArgumentClass::I8),
            ("i16", ArgumentClass::I16),
            ("i32", ArgumentClass::I32),
            ("i64", ArgumentClass::I64),
            ("i128", ArgumentClass::I128),
        ];
        if let Some((name, _)) = INTEGERS.iter().find(|(_, class)| class == self) {
            return f.write_str(name);
        }
        if *self == Self::BOOL {
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
