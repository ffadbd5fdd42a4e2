//! The errors of encoding and decoding values.

use std::fmt;

use crate::error::Error;

/// The reason why a value could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError {
    message: String,
    /// If the value is too large: the maximum length, and the actual length if it is known.
    limits: Option<(usize, Option<usize>)>,
}

/// The reason why bytes could not be decoded. It names the position and the kind of problem, and
/// never contains the bytes themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    message: String,
}

impl EncodeError {
    /// Creates an error with this message. The message must not contain the value.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), limits: None }
    }

    /// Creates the error for a value longer than `most` bytes, for
    /// [`SingleValue::encode_within`](super::SingleValue::encode_within).
    #[must_use]
    pub fn too_large(most: usize) -> Self {
        Self { message: format!("the value is longer than {most} bytes"), limits: Some((most, None)) }
    }

    /// Fails if a value of this length is too large.
    pub(super) fn check(length: usize, most: usize) -> Result<(), Self> {
        if length <= most {
            return Ok(());
        }
        Err(Self { limits: Some((most, Some(length))), ..Self::too_large(most) })
    }

    /// Names the field of a record that has the value.
    pub(super) fn of_field(self, name: &str) -> Self {
        Self { message: format!("the field `{name}`: {}", self.message), ..self }
    }

    pub(crate) fn into_error(self) -> Error {
        match self.limits {
            Some((most, Some(length))) => Error::too_large_to_send(length, most),
            Some((most, None)) => Error::too_large_to_encode(most),
            None => Error::encode(self),
        }
    }
}

impl DecodeError {
    /// Creates an error with this message. The message must not contain the value.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// Names the field of a record that has the value.
    pub(crate) fn of_field(self, name: &str) -> Self {
        Self { message: format!("the field `{name}`: {}", self.message) }
    }
}

macro_rules! message_error {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.message)
            }
        }

        impl std::error::Error for $name {}
    )+};
}

message_error!(EncodeError, DecodeError);
