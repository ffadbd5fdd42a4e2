//! JSON, written directly into the command and decoded from the bytes of the reply.

#[macro_use]
mod integers;

mod compound;
mod encoder;
mod map_key;
mod output;
mod problem;
#[cfg(test)]
mod tests;
mod unique;

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::problem::JsonProblem;
use super::error::{DecodeError, EncodeError};
use super::traits::{Kind, SingleValue};

/// A value of type `T` as plain JSON, which any other client can read.
///
/// Use it as the return type of a field. It is only a marker: values are plain `T`, which must
/// implement serde's `Serialize` and `Deserialize`.
///
/// # Every written value can be read
///
/// Numbers read back exactly, including every `f64` and `f32`. If a value has no JSON that readers
/// accept, the write fails with [`Encode`](crate::ErrorKind::Encode) and nothing is sent. This
/// applies to:
///
/// - NaN and infinite numbers, which JSON does not have;
/// - arrays and objects that nest more than 127 levels deep;
/// - a map key that is not a string, number, `bool`, character or unit variant;
/// - a field or key that occurs twice in one object, because `flatten` or `tag` adds one that
///   already exists, or because two keys of a map are the same string;
/// - a custom `Serialize` that writes a key without a value.
///
/// Only decoding shows whether `Deserialize` accepts what `Serialize` wrote. The option
/// [`verify_writes`](crate::RedisBuilder::verify_writes), on in debug builds, decodes each value
/// before it is sent.
///
/// # Values that may change
///
/// Values with these types and serde attributes can be written, but may read back as a different
/// value or fail to read:
///
/// - `skip`, `skip_serializing` and `skip_serializing_if` on a field with `default`: it reads back
///   as its default, which may differ from the skipped value. Without `default`, reading fails,
///   except for an `Option`;
/// - `default` on a container or a field, with a field that is named differently in each direction
///   (`rename(serialize = "a", deserialize = "b")`): it reads back as its default;
/// - `untagged` enums: the first variant that accepts the JSON wins, so with `A { x: u8 }` before
///   `B { x: u8, y: u8 }`, a `B` reads back as an `A`;
/// - `other` on a variant: an unknown variant reads back as that one;
/// - `Option<Option<T>>`, `Option<()>` and `Option<serde_json::Value>`: `Some(None)`, `Some(())`
///   and `Some(Value::Null)` are written as `null`, which reads back as `None`;
/// - `with`, `serialize_with`, `deserialize_with`, `from`, `try_from`, `into` and `getter`: your
///   code decides;
/// - `flatten` and internally tagged enums with `u128` or `i128` fields beyond 64 bits: reading
///   fails;
/// - an `f32` in a field that another program reads as `f64`: it is written with the digits of an
///   `f32`.
///
/// ```
/// use redis_keyspace::{Json, Keyspace, Redis};
///
/// #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
/// struct Cart {
///     items: Vec<String>,
/// }
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "cart", ttl = "1h")]
/// struct CartKeys {
///     user: fn(id: u64) -> Json<Cart>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// let cart = CartKeys::user(7);
/// cart.set(&Cart { items: vec!["lamp".into()] }).await?;
/// cart.update(|cart| cart.items.push("desk".into())).await?;
/// assert_eq!(cart.get().await?.unwrap().items, ["lamp", "desk"]);
/// # Ok(()) }).await }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | read | [`get`], [`get_ex`], [`strlen`], [`get_many`] |
/// | write | [`set`], [`set_many`], [`get_set`], [`get_del`] |
/// | change atomically | [`update`], [`update_or_insert`], [`update_with`] |
/// | cached | [`get_or_set`], [`try_get_or_set`], [`get_or_set_optional`], [`try_get_or_set_optional`], [`get_or_set_many`], [`try_get_or_set_many`] |
/// | by other names | [`get_json`], [`set_json`], [`get_or_set_json`] |
///
/// [`get`]: crate::Key::get
/// [`get_ex`]: crate::Key::get_ex
/// [`strlen`]: crate::Key::strlen
/// [`get_many`]: crate::Key::get_many
/// [`set`]: crate::Key::set
/// [`set_many`]: crate::Key::set_many
/// [`get_set`]: crate::Key::get_set
/// [`get_del`]: crate::Key::get_del
/// [`update`]: crate::Key::update
/// [`update_or_insert`]: crate::Key::update_or_insert
/// [`update_with`]: crate::Key::update_with
/// [`get_or_set`]: crate::Key::get_or_set
/// [`try_get_or_set`]: crate::Key::try_get_or_set
/// [`get_or_set_optional`]: crate::Key::get_or_set_optional
/// [`try_get_or_set_optional`]: crate::Key::try_get_or_set_optional
/// [`get_or_set_many`]: crate::Key::get_or_set_many
/// [`try_get_or_set_many`]: crate::Key::try_get_or_set_many
/// [`get_json`]: crate::Key::get_json
/// [`set_json`]: crate::Key::set_json
/// [`get_or_set_json`]: crate::Key::get_or_set_json
pub struct Json<T>(PhantomData<fn() -> T>);

/// Encodes any value as JSON.
pub(crate) fn json_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut json = Vec::new();
    encoder::encode(value, usize::MAX, &mut json).map_err(JsonProblem::into_error)?;
    Ok(json)
}

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json")
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Kind for Json<T> {
    const WIRE_FORMAT: &'static str = "JSON";
}

impl<T: Serialize + DeserializeOwned + Send + 'static> SingleValue for Json<T> {
    type Owned = T;
    type Borrowed = T;

    const STREAM_FIELD: &'static str = "json";

    fn encode(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        Self::encode_within(value, usize::MAX, out)
    }

    fn encode_within(value: &T, most: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        encoder::encode(value, most, out).map_err(JsonProblem::into_error)
    }

    fn decode(bytes: &[u8]) -> Result<T, DecodeError> {
        // `from_slice` would check each string for itself, which takes much longer.
        let text = std::str::from_utf8(bytes).map_err(|error| {
            DecodeError::new(format!("JSON that is not UTF-8 from byte {}", error.valid_up_to()))
        })?;
        serde_json::from_str(text).map_err(|error| {
            // The message of serde_json quotes the value, so only its category and position are
            // used.
            let problem = match error.classify() {
                serde_json::error::Category::Syntax => "malformed JSON",
                serde_json::error::Category::Eof => "JSON that ends too early",
                serde_json::error::Category::Data | serde_json::error::Category::Io => {
                    "JSON that does not fit the type"
                }
            };
            DecodeError::new(format!("{problem} at line {} column {}", error.line(), error.column()))
        })
    }

    fn borrow(owned: &T) -> &T {
        owned
    }
}
