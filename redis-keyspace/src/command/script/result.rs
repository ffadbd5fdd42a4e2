//! Results of scripts.

use bytes::Bytes;

use crate::kind::{DecodeError, SingleValue};
use crate::protocol::Reply;

/// The type of a script's result.
///
/// | type | the script returns | value |
/// | --- | --- | --- |
/// | a single-value kind: integers, `bool`, [`Text`](crate::Text), [`Bytes`](crate::Bytes), [`Json<T>`](crate::Json) | a string or a number | the decoded value |
/// | `String` | a string, a number or a status | `String` |
/// | `f64` | a string, because Lua cuts numbers to integers | `f64` |
/// | `Option<R>` | nil or false, or what `R` takes | `None`, or `Some` |
/// | `Vec<R>` | a table | each element |
/// | `(A, B, ..)`, up to 8 | a table of exactly so many elements | each element |
/// | `()` | anything but an error | nothing |
///
/// Lua has no integers above 2^53: return larger ones as strings. A table ends at its first nil, so
/// return `false` for a missing element. `true` is 1, and `false` is nil.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the result of a script",
    label = "expected a single-value kind, `String`, `f64`, `()`, or an `Option`, a `Vec` or a tuple of such",
    note = "for any other type, return it as JSON: `returns = Json<{Self}>`"
)]
pub trait ScriptResult: 'static {
    /// The type of the decoded result.
    type Value: Send + 'static;

    #[doc(hidden)]
    fn decode(reply: ScriptReply) -> Result<Self::Value, DecodeError>;
}

/// A reply, or a part of one.
#[doc(hidden)]
#[derive(Debug)]
pub struct ScriptReply(pub(super) Reply);

impl ScriptReply {
    /// Returns a string, a number or a status as bytes. `None` for nil.
    fn bytes(self) -> Result<Option<Bytes>, DecodeError> {
        Ok(Some(match self.0 {
            Reply::Nil => return Ok(None),
            Reply::Bulk(bytes) => bytes,
            Reply::Int(number) => number.to_string().into(),
            Reply::Bool(truth) => Bytes::from_static(if truth { b"1" } else { b"0" }),
            Reply::Double(number) => number.to_string().into(),
            Reply::Ok => Bytes::from_static(b"OK"),
            Reply::Status(text) => text.into(),
            other => return Err(unexpected("a string or a number", &other)),
        }))
    }

    fn list(self) -> Result<Vec<Reply>, DecodeError> {
        match self.0 {
            Reply::Array(parts) | Reply::Map(parts) => Ok(parts),
            other => Err(unexpected("a table", &other)),
        }
    }
}

fn unexpected(expected: &str, reply: &Reply) -> DecodeError {
    let found = match reply {
        Reply::Error(_) => "an error, which was caught".to_owned(),
        Reply::TooLong(length) => {
            format!("a string of {length} bytes, which is longer than `max_value_bytes`")
        }
        reply => reply.shape().to_owned(),
    };
    DecodeError::new(format!("the script returned {found}, but {expected} was expected"))
}

fn missing() -> DecodeError {
    DecodeError::new("the script returned nil: declare `returns = Option<..>` if it may")
}

impl<V: SingleValue> ScriptResult for V {
    type Value = V::Owned;

    fn decode(reply: ScriptReply) -> Result<V::Owned, DecodeError> {
        match reply.bytes()? {
            Some(bytes) => V::decode_owned(bytes),
            None => V::of_nil().ok_or_else(missing),
        }
    }
}

impl ScriptResult for String {
    type Value = Self;

    fn decode(reply: ScriptReply) -> Result<Self, DecodeError> {
        crate::kind::Text::decode_owned(reply.bytes()?.ok_or_else(missing)?)
    }
}

impl ScriptResult for f64 {
    type Value = Self;

    fn decode(reply: ScriptReply) -> Result<Self, DecodeError> {
        if let Reply::Double(number) = reply.0 {
            return Ok(number);
        }
        let bytes = reply.bytes()?.ok_or_else(missing)?;
        let number = str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
        number.ok_or_else(|| DecodeError::new("not a decimal number"))
    }
}

impl ScriptResult for () {
    type Value = ();

    fn decode(_: ScriptReply) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl<R: ScriptResult> ScriptResult for Option<R> {
    type Value = Option<R::Value>;

    fn decode(reply: ScriptReply) -> Result<Self::Value, DecodeError> {
        if matches!(reply.0, Reply::Nil) { Ok(None) } else { R::decode(reply).map(Some) }
    }
}

impl<R: ScriptResult> ScriptResult for Vec<R> {
    type Value = Vec<R::Value>;

    fn decode(reply: ScriptReply) -> Result<Self::Value, DecodeError> {
        let parts = reply.list()?;
        parts.into_iter().enumerate().map(|(nth, part)| element::<R>(nth, part)).collect()
    }
}

fn element<R: ScriptResult>(nth: usize, part: Reply) -> Result<R::Value, DecodeError> {
    R::decode(ScriptReply(part))
        .map_err(|error| DecodeError::new(format!("element {} of the result: {error}", nth + 1)))
}

macro_rules! tuples {
    ($($length:literal: $($part:ident $nth:literal),+;)+) => {$(
        impl<$($part: ScriptResult),+> ScriptResult for ($($part,)+) {
            type Value = ($($part::Value,)+);

            fn decode(reply: ScriptReply) -> Result<Self::Value, DecodeError> {
                let mut parts = reply.list()?;
                if parts.len() > $length {
                    return Err(DecodeError::new(format!(
                        "the script returned a table of {} elements, but {} were expected", parts.len(), $length
                    )));
                }
                // A table ends at its first nil.
                parts.resize_with($length, || Reply::Nil);
                let mut parts = parts.into_iter();
                Ok(($(element::<$part>($nth, parts.next().unwrap_or(Reply::Nil))?,)+))
            }
        }
    )+};
}

tuples! {
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
    5: A 0, B 1, C 2, D 3, E 4;
    6: A 0, B 1, C 2, D 3, E 4, F 5;
    7: A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;

    fn decode<R: ScriptResult>(reply: Reply) -> Result<R::Value, String> {
        R::decode(ScriptReply(reply)).map_err(|error| error.to_string())
    }

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.to_owned().into())
    }

    #[test]
    fn results_are_typed() {
        assert_eq!(decode::<u8>(Reply::Int(200)), Ok(200));
        assert!(decode::<u8>(Reply::Int(300)).is_err());
        assert!(decode::<u8>(Reply::Int(-1)).is_err());
        assert_eq!(decode::<i64>(bulk("-7")), Ok(-7));
        assert_eq!(decode::<bool>(Reply::Int(1)), Ok(true));
        assert_eq!(decode::<bool>(Reply::Nil), Ok(false));
        assert!(decode::<i64>(Reply::Nil).unwrap_err().contains("Option"));
        assert_eq!(decode::<Text>(bulk("a")).as_deref(), Ok("a"));
        assert_eq!(decode::<String>(Reply::Ok).as_deref(), Ok("OK"));
        assert_eq!(decode::<f64>(bulk("0.25")), Ok(0.25));
        assert_eq!(decode::<Option<Text>>(Reply::Nil), Ok(None));
        assert_eq!(decode::<()>(Reply::Array(Vec::new())), Ok(()));
        let list = Reply::Array(vec![Reply::Int(1), Reply::Nil, bulk("3")]);
        assert_eq!(decode::<Vec<Option<u64>>>(list.clone()), Ok(vec![Some(1), None, Some(3)]));
        assert_eq!(decode::<(u64, Option<u64>, Text)>(list.clone()), Ok((1, None, "3".to_owned())));
        let error = decode::<Vec<u64>>(list.clone()).unwrap_err();
        assert!(error.contains("element 2"), "{error}");
        let error = decode::<(u64, Option<u64>)>(list).unwrap_err();
        assert!(error.contains("3 elements"), "{error}");
        let short = Reply::Array(vec![Reply::Int(1)]);
        assert_eq!(decode::<(u64, Option<u64>)>(short.clone()), Ok((1, None)));
        assert!(decode::<(u64, u64)>(short.clone()).unwrap_err().contains("element 2"));
        assert!(decode::<u64>(short).unwrap_err().contains("a list"));
        assert!(
            decode::<u64>(Reply::Error("ERR secret".to_owned()))
                .is_err_and(|error| !error.contains("secret"))
        );
    }
}
