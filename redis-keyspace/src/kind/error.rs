//! Why a value could not be encoded or decoded.

use std::fmt;

/// Why a value could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError(String);

/// Why bytes could not be decoded: the place and the kind of error, never the bytes themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError(String);

macro_rules! message_error {
    ($($name:ident),+) => {$(
        impl $name {
            /// Creates an error with this message, which must not contain the value.
            pub fn new(message: impl Into<String>) -> Self {
                Self(message.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::error::Error for $name {}
    )+};
}

message_error!(EncodeError, DecodeError);
