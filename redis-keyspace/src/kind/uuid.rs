//! UUIDs.

use uuid::Uuid;

use super::error::{DecodeError, EncodeError};
use super::traits::{Kind, SingleValue};

/// Feature `uuid`.
impl Kind for Uuid {
    const WIRE_FORMAT: &'static str = "a UUID in lower case, with hyphens";
}

/// Written in lower case with hyphens, and read in either case. Feature `uuid`.
impl SingleValue for Uuid {
    type Owned = Self;
    type Borrowed = Self;

    fn encode(value: &Self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(value.hyphenated().encode_lower(&mut Self::encode_buffer()).as_bytes());
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        // Without the check, other forms would be read, too: with braces, or without hyphens.
        let text = str::from_utf8(bytes).ok().filter(|text| text.len() == uuid::fmt::Hyphenated::LENGTH);
        let uuid = text.and_then(|text| Self::try_parse(text).ok());
        uuid.ok_or_else(|| DecodeError::new("not a UUID with hyphens"))
    }

    fn borrow(owned: &Self) -> &Self {
        owned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_one_form() {
        let text = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        let uuid = Uuid::decode(text.as_bytes()).unwrap();
        let mut out = Vec::new();
        Uuid::encode(&uuid, &mut out).unwrap();
        assert_eq!(out, text.as_bytes());
        assert_eq!(Uuid::decode(text.to_uppercase().as_bytes()).unwrap(), uuid);
        for other in
            ["67e5504410b1426f9247bb680e5fe0c8", "{67e55044-10b1-426f-9247-bb680e5fe0c8}", "", "\u{e9}"]
        {
            assert!(Uuid::decode(other.as_bytes()).is_err(), "{other}");
        }
    }
}
