//! JSON, written straight into the command and decoded from the reply's bytes.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{DecodeError, EncodeError};
use super::traits::{Kind, SingleValue};

/// A value of type `T` as plain JSON, which any other client can read.
///
/// A marker for the return type of a field; the values themselves are plain `T`, which must implement serde's
/// `Serialize` and `Deserialize`.
pub struct Json<T>(PhantomData<fn() -> T>);

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json")
    }
}

impl<T: 'static> Kind for Json<T> {
    const WIRE_FORMAT: &'static str = "JSON";
}

impl<T: Serialize + DeserializeOwned + Send + 'static> SingleValue for Json<T> {
    type Owned = T;
    type Borrowed = T;

    fn encode(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        serde_json::to_writer(out, value).map_err(|error| EncodeError::new(error.to_string()))
    }

    fn decode(bytes: &[u8]) -> Result<T, DecodeError> {
        serde_json::from_slice(bytes).map_err(|error| {
            // serde_json's own message quotes the value; only its category and place may leave here.
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
