//! UUIDs, in the format of their `Display`.

use uuid::Uuid;

use super::error::{DecodeError, EncodeError};
use super::traits::{Kind, SingleValue};

/// Feature `uuid`.
impl Kind for Uuid {
    const WIRE_FORMAT: &'static str = "a UUID in lower case, with hyphens";
}

impl SingleValue for Uuid {
    type Owned = Self;
    type Borrowed = Self;

    fn encode(value: &Self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(value.hyphenated().encode_lower(&mut Self::encode_buffer()).as_bytes());
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        // Members of sets are compared as bytes, so only one of the formats is accepted.
        let uuid = Self::try_parse_ascii(bytes).ok();
        uuid.filter(|uuid| uuid.hyphenated().encode_lower(&mut Self::encode_buffer()).as_bytes() == bytes)
            .ok_or_else(|| DecodeError::new("not a hyphenated UUID in lower case"))
    }

    fn borrow(owned: &Self) -> &Self {
        owned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_written_format_is_read() {
        let uuid = Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0);
        let mut text = Vec::new();
        Uuid::encode(&uuid, &mut text).unwrap();
        assert_eq!(text, b"12345678-9abc-def0-1234-56789abcdef0");
        assert_eq!(Uuid::decode(&text), Ok(uuid));
        assert!(Uuid::decode(&text.to_ascii_uppercase()).is_err());
        assert!(Uuid::decode(b"123456789abcdef0123456789abcdef0").is_err());
    }
}
