//! Arguments of scripts.

use std::borrow::Cow;

use crate::kind::{self, EncodeError, SingleValue};

/// An argument of a script: an integer, `f64`, `bool`, a string or bytes. A script receives it as a
/// string, in the same format as a value of the kind. For other types, declare a kind:
/// `#[script(arg = Json<Order>)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an argument of a script",
    label = "expected an integer, `f64`, `bool`, a string or bytes",
    note = "for any other type, declare how it is encoded: `#[script(arg = Json<{Self}>)]`"
)]
pub trait ScriptArgument {
    /// Appends the argument to `out`, unless it is longer than `most` bytes.
    ///
    /// # Errors
    ///
    /// Fails if the value has no encoding, or is too long.
    fn encode(&self, most: usize, out: &mut Vec<u8>) -> Result<(), EncodeError>;
}

macro_rules! as_kind {
    ($($argument:ty => $kind:ty),+) => {$(
        impl ScriptArgument for $argument {
            fn encode(&self, most: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
                <$kind as SingleValue>::encode_within(self, most, out)
            }
        }
    )+};
}

as_kind! {
    u8 => u8, u16 => u16, u32 => u32, u64 => u64, u128 => u128, usize => usize,
    i8 => i8, i16 => i16, i32 => i32, i64 => i64, i128 => i128, isize => isize,
    bool => bool, str => kind::Text, String => kind::Text,
    [u8] => kind::Bytes, Vec<u8> => kind::Bytes, bytes::Bytes => kind::Bytes
}

/// As the shortest text that reads back as the same number. NaN is an error.
impl ScriptArgument for f64 {
    fn encode(&self, _: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.is_nan() {
            return Err(EncodeError::new("NaN is not a number that a script can use"));
        }
        out.extend_from_slice(self.to_string().as_bytes());
        Ok(())
    }
}

impl<A: ScriptArgument + ?Sized> ScriptArgument for &A {
    fn encode(&self, most: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        A::encode(self, most, out)
    }
}

impl<A: ScriptArgument + ToOwned + ?Sized> ScriptArgument for Cow<'_, A> {
    fn encode(&self, most: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        A::encode(self, most, out)
    }
}
