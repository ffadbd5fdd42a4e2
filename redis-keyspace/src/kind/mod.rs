//! The kinds of values that a key can hold.

mod channel;
mod collection;
mod counter;
mod error;
mod field;
pub mod geo;
mod group;
#[cfg(feature = "json")]
mod json;
mod lock;
mod meta;
mod once;
mod rate_limit;
mod role;
mod scalar;
mod traits;
#[cfg(feature = "uuid")]
mod uuid;
mod wrapped;

pub use channel::Channel;
pub use collection::{
    Bitmap, Geo, Hash, HyperLogLog, InvalidStreamId, List, Record, Set, SortedSet, Stream, StreamId, Trim,
};
pub(crate) use collection::{TrimBound, TrimPolicy};
pub use counter::Counter;
pub use error::{DecodeError, EncodeError};
pub use field::{
    Assigned, Field, FieldKind, FieldSelection, FieldType, FieldValue, FieldValues, RecordFields, Summable,
};
#[doc(hidden)]
pub use field::{FieldMeta, FieldReader, FieldWriter};
pub use group::Group;
#[cfg(feature = "json")]
pub use json::Json;
#[cfg(feature = "json")]
pub(crate) use json::json_bytes;
pub use lock::Lock;
pub use meta::KindMeta;
pub use once::Once;
pub use rate_limit::{FixedWindow, Gcra, RateAlgorithm, RateLimit};
pub use role::{Layout, Role};
pub use scalar::{Bytes, Text};
pub use traits::{Kind, Readable, SingleValue, Stored};
#[doc(hidden)]
pub use wrapped::{
    Wrapped, decode_wrapped, decode_wrapped_owned, encode_variant, encode_wrapped, encode_wrapped_within,
    unknown_variant, wire_format_of_wrapped, wrapped_of_nil,
};
