//! The contents of newtypes that are stored as one value.

use std::sync::Arc;

use super::error::{DecodeError, EncodeError};
use super::scalar::{Bytes, Text};
use super::traits::{Kind, SingleValue};

/// A type that a newtype with `#[derive(SingleValue)]` can wrap: the values of a single-value kind.
///
/// Only generated code uses it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be stored as one value, so a newtype of it can't derive `SingleValue`",
    label = "not the value of a single-value kind",
    note = "integers, `bool`, `String`, `Vec<u8>`, `bytes::Bytes`, `Uuid` (feature `uuid`) and other types with `#[derive(SingleValue)]` can",
    note = "for any other type, derive serde's traits instead and write the kind `Json<YourType>`"
)]
pub trait Wrapped: Sized + Send + 'static {
    /// The kind that encodes and decodes the values.
    type Kind: SingleValue;

    /// Borrows the value as the kind encodes it.
    fn as_borrowed(&self) -> &<Self::Kind as SingleValue>::Borrowed;
    /// Creates the value from what the kind decoded.
    fn from_owned(owned: <Self::Kind as SingleValue>::Owned) -> Self;
}

impl<V: SingleValue<Owned = V, Borrowed = V> + Send> Wrapped for V {
    type Kind = V;

    fn as_borrowed(&self) -> &V {
        self
    }

    fn from_owned(owned: V) -> V {
        owned
    }
}

macro_rules! wrapped {
    ($($wrapped:ty: $kind:ty),+ $(,)?) => {$(
        impl Wrapped for $wrapped {
            type Kind = $kind;

            fn as_borrowed(&self) -> &<$kind as SingleValue>::Borrowed {
                self
            }

            fn from_owned(owned: <$kind as SingleValue>::Owned) -> Self {
                owned.into()
            }
        }
    )+};
}

wrapped!(String: Text, Box<str>: Text, Arc<str>: Text, bytes::Bytes: Bytes, Vec<u8>: Bytes);

/// Returns the stored format of the value.
#[must_use]
pub const fn wire_format_of_wrapped<W: Wrapped>() -> &'static str {
    <W::Kind as Kind>::WIRE_FORMAT
}

/// See [`SingleValue::encode`].
///
/// # Errors
///
/// Those of the kind.
pub fn encode_wrapped<W: Wrapped>(value: &W, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    W::Kind::encode(value.as_borrowed(), out)
}

/// See [`SingleValue::encode_within`].
///
/// # Errors
///
/// Those of the kind.
pub fn encode_wrapped_within<W: Wrapped>(
    value: &W,
    most: usize,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    W::Kind::encode_within(value.as_borrowed(), most, out)
}

/// See [`SingleValue::decode`].
///
/// # Errors
///
/// Those of the kind.
pub fn decode_wrapped<W: Wrapped>(bytes: &[u8]) -> Result<W, DecodeError> {
    W::Kind::decode(bytes).map(W::from_owned)
}

/// See [`SingleValue::decode_owned`].
///
/// # Errors
///
/// Those of the kind.
pub fn decode_wrapped_owned<W: Wrapped>(bytes: bytes::Bytes) -> Result<W, DecodeError> {
    W::Kind::decode_owned(bytes).map(W::from_owned)
}

/// See [`SingleValue::of_nil`].
#[must_use]
pub fn wrapped_of_nil<W: Wrapped>() -> Option<W> {
    W::Kind::of_nil().map(W::from_owned)
}

/// Appends the text of a variant.
///
/// # Errors
///
/// None: a text always has an encoding.
pub fn encode_variant(out: &mut Vec<u8>, text: &str) -> Result<(), EncodeError> {
    Text::encode(text, out)
}

/// The error for bytes that are the text of no variant.
#[must_use]
pub fn unknown_variant(of: &str) -> DecodeError {
    DecodeError::new(format!("not the text of a variant of {of}"))
}
