//! The value of a field.

use bytes::Bytes;

use crate::kind::error::{DecodeError, EncodeError};
use crate::kind::traits::SingleValue;

/// A kind of the values that a field of a [record](struct@crate::Record) can have: every
/// single-value kind, and `f64`.
///
/// Implemented for every [`SingleValue`]. Implement that trait for a kind of your own.
#[diagnostic::on_unimplemented(
    message = "a field of a record can't hold a value of kind `{Self}`",
    label = "expected a single-value kind or `f64`",
    note = "a field holds one value: a `String`, `bytes::Bytes`, an integer, `bool`, `f64`, or an `Option` of one of these; for any other type, write `#[record(json)]`"
)]
pub trait FieldValue: 'static {
    /// The type of values read.
    type Owned: Send + 'static;
    /// The type of values written, by reference.
    type Borrowed: ?Sized;

    /// Appends the encoded value to `out`, unless it is longer than `most` bytes.
    ///
    /// # Errors
    ///
    /// Fails if the value has no encoding or is too long. In that case, nothing is sent.
    fn encode_field(value: &Self::Borrowed, most: usize, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Decodes a value.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a value of this kind.
    fn decode_field(bytes: Bytes) -> Result<Self::Owned, DecodeError>;

    /// Borrows an owned value.
    fn borrow_field(owned: &Self::Owned) -> &Self::Borrowed;
}

impl<V: SingleValue> FieldValue for V {
    type Owned = <V as SingleValue>::Owned;
    type Borrowed = <V as SingleValue>::Borrowed;

    fn encode_field(value: &Self::Borrowed, most: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        V::encode_within(value, most, out)
    }

    fn decode_field(bytes: Bytes) -> Result<Self::Owned, DecodeError> {
        V::decode_owned(bytes)
    }

    fn borrow_field(owned: &Self::Owned) -> &Self::Borrowed {
        V::borrow(owned)
    }
}

/// A decimal number, written with as many digits as reading it back exactly needs.
impl FieldValue for f64 {
    type Owned = Self;
    type Borrowed = Self;

    fn encode_field(value: &Self, most: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if value.is_nan() {
            return Err(EncodeError::new("NaN is not a number that could be compared or added to"));
        }
        let text = value.to_string();
        EncodeError::check(text.len(), most)?;
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn decode_field(bytes: Bytes) -> Result<Self, DecodeError> {
        let number = str::from_utf8(&bytes).ok().and_then(|text| text.parse::<Self>().ok());
        number.filter(|number| !number.is_nan()).ok_or_else(|| DecodeError::new("not a decimal number"))
    }

    fn borrow_field(owned: &Self) -> &Self {
        owned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_back_exactly() {
        let numbers = [
            0.1,
            -0.0,
            1e300,
            -1.5e-300,
            f64::MIN_POSITIVE,
            5e-324,
            f64::MAX,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1.0 / 3.0,
            9_007_199_254_740_993.0,
        ];
        for number in numbers {
            let mut text = Vec::new();
            f64::encode_field(&number, usize::MAX, &mut text).unwrap();
            assert_eq!(f64::decode_field(text.into()).unwrap().to_bits(), number.to_bits());
        }
        f64::encode_field(&f64::NAN, usize::MAX, &mut Vec::new()).unwrap_err();
        for text in ["", "nan", "-NaN", "1,5", " 1", "0x10"] {
            f64::decode_field(Bytes::from_static(text.as_bytes())).unwrap_err();
        }
        // As the server writes the result of an increment.
        for (text, number) in [("10.6", 10.6), ("0.10000000000000001", 0.1), ("1e+17", 1e17)] {
            assert_eq!(f64::decode_field(Bytes::from_static(text.as_bytes())).unwrap(), number);
        }
    }

    #[test]
    fn long_numbers_are_limited() {
        assert!(f64::encode_field(&1e300, 300, &mut Vec::new()).is_err());
    }
}
