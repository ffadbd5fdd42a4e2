//! The traits of kinds.

use super::error::{DecodeError, EncodeError};
use super::role::{Layout, Role};

/// A kind: the type of the values at a key. It is the return type of a field of a keyspace.
///
/// The kind decides which operations a [`Key`](crate::Key) has.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the kind of a key",
    label = "not a kind",
    note = "the type of a field is a kind, or a function that returns one: `Json<T>`, `Text`, `Bytes`, an integer, `bool`, `Counter`; for any other type, write `Json<{Self}>`"
)]
pub trait Kind: 'static {
    /// A short description of the stored format, for other clients: `JSON`, `a decimal integer`.
    ///
    /// The catalog shows it. The documentation of generated constructors shows it only for the
    /// kinds of this crate, because the derive sees only names.
    const WIRE_FORMAT: &'static str;

    /// The Redis type of the keys, as `TYPE` returns it. Scans ask only for keys of this type.
    const REDIS_TYPE: &'static str = "string";

    /// Whether `get_or_set` can fill keys of this kind. If it can, every write to a key cancels
    /// fills in progress, unless the declaration sets `fills = false`.
    #[doc(hidden)]
    const IS_FILLED: bool = true;

    /// Whether `fills = true` on a template turns fills on, for a kind that has none otherwise.
    #[doc(hidden)]
    const MAY_BE_FILLED: bool = false;

    /// Whether a key holds several elements, which separate writes add. So the declaration says
    /// whether a write renews the lifetime.
    #[doc(hidden)]
    const IS_COLLECTION: bool = false;

    /// How a key stores its elements. Decides which commands a program needs.
    #[doc(hidden)]
    const LAYOUT: Layout = Layout::OfType;

    /// Whether a key grows until it is trimmed. So a declaration without a TTL says how.
    #[doc(hidden)]
    const IS_TRIMMED: bool = false;

    /// The purpose of the keys, if it is not to store data.
    #[doc(hidden)]
    const ROLE: Role = Role::Data;

    /// Fails to compile in operations that need stored keys, for a kind that stores nothing.
    #[doc(hidden)]
    const STORED: () = assert!(
        !matches!(Self::ROLE, Role::Channel),
        "a channel stores nothing: it has no lifetime, can't be deleted, and is not found by scans; use `publish` and `subscribe`"
    );
}

/// A kind that holds one value in a Redis string, with its codec.
///
/// Implement it for a marker type to add your own wire format:
///
/// ```
/// use redis_keyspace::kind::{DecodeError, EncodeError, Kind, SingleValue};
///
/// /// A point as `x,y`.
/// #[derive(Debug)]
/// pub struct Point;
///
/// impl Kind for Point {
///     const WIRE_FORMAT: &'static str = "x,y in decimal";
/// }
///
/// impl SingleValue for Point {
///     type Owned = (i32, i32);
///     type Borrowed = (i32, i32);
///
///     fn encode((x, y): &(i32, i32), out: &mut Vec<u8>) -> Result<(), EncodeError> {
///         out.extend_from_slice(format!("{x},{y}").as_bytes());
///         Ok(())
///     }
///
///     fn decode(bytes: &[u8]) -> Result<(i32, i32), DecodeError> {
///         let parse = || {
///             let (x, y) = std::str::from_utf8(bytes).ok()?.split_once(',')?;
///             Some((x.parse().ok()?, y.parse().ok()?))
///         };
///         parse().ok_or_else(|| DecodeError::new("not of the form x,y"))
///     }
///
///     fn borrow(owned: &(i32, i32)) -> &(i32, i32) {
///         owned
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a single-value kind",
    label = "expected a kind with one value: `Json<T>`, `Text`, `Bytes`, an integer, `bool` or `Uuid` (feature `uuid`)",
    note = "floats, `Option`, `Counter` and collections are not single values: for a float, write `Json<f64>`; instead of `None`, store nothing; a counter or a collection needs its own key",
    note = "for a type of your own, write `#[derive(SingleValue)]` on a newtype or an enum of unit variants; for others, write `Json<YourType>`, where the type implements `serde::Serialize` and `serde::de::DeserializeOwned`"
)]
pub trait SingleValue: Kind {
    /// The type of values read.
    type Owned: Send + 'static;
    /// The type of values written, by reference.
    type Borrowed: ?Sized;

    /// The name of the field that contains the value in an entry of a [`Stream`](super::Stream).
    const STREAM_FIELD: &'static str = "value";

    /// Appends the encoded value to `out`.
    ///
    /// # Errors
    ///
    /// Fails if the value has no encoding. In that case, nothing is sent.
    fn encode(value: &Self::Borrowed, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Appends the encoded value to `out`, unless it is longer than `most` bytes. `most` is the
    /// handle's `max_value_bytes` if it is known.
    ///
    /// The default implementation encodes the whole value before it checks the length. A kind of
    /// large values should stop earlier.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Self::encode), and [`EncodeError::too_large`].
    fn encode_within(value: &Self::Borrowed, most: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        Self::encode(value, out)?;
        EncodeError::check(out.len() - start, most)
    }

    /// Decodes a value from the bytes stored in Redis.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a value of this kind. The error is logged, so it must not contain
    /// the bytes.
    fn decode(bytes: &[u8]) -> Result<Self::Owned, DecodeError>;

    /// Decodes a value from bytes that it may keep.
    ///
    /// The default calls [`decode`](Self::decode). Implement it for a kind whose values contain the
    /// bytes, to save a copy.
    ///
    /// # Errors
    ///
    /// As `decode`.
    fn decode_owned(bytes: bytes::Bytes) -> Result<Self::Owned, DecodeError> {
        Self::decode(&bytes)
    }

    /// The value that a script returns as nil, if there is one.
    #[doc(hidden)]
    #[must_use]
    fn of_nil() -> Option<Self::Owned> {
        None
    }

    /// Borrows an owned value, so a loaded value can be stored.
    fn borrow(owned: &Self::Owned) -> &Self::Borrowed;
}

/// A kind whose values one plain command reads, so many keys can be read at once: every
/// single-value kind, and counters.
///
/// Implemented for every [`SingleValue`]. Other types cannot implement it usefully.
#[diagnostic::on_unimplemented(
    message = "many keys of `{Self}` can't be read at once",
    label = "only single-value kinds and counters can"
)]
pub trait Readable: Kind {
    /// The type of a value.
    type Value: Send + 'static;

    /// The result of reading a key, which may or may not exist.
    type Read: Send + 'static;

    /// Decodes a value.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a value of this kind.
    fn read_present(bytes: &[u8]) -> Result<Self::Value, DecodeError>;

    /// Decodes the reply for a key. `None` means that the key does not exist.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a value of this kind.
    fn read(bytes: Option<bytes::Bytes>) -> Result<Self::Read, DecodeError>;
}

/// A kind that stores data: one value, a counter, or several elements. Its keys can be renamed,
/// copied and dumped, unlike locks and others that coordinate programs.
///
/// Implemented for every [`Readable`] kind and for the kinds with several elements.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not store data",
    label = "only kinds that store values or elements can be renamed, copied and dumped"
)]
pub trait Stored: Kind {}

impl<V: Readable> Stored for V {}

impl<V: SingleValue> Readable for V {
    type Value = V::Owned;
    type Read = Option<V::Owned>;

    fn read_present(bytes: &[u8]) -> Result<V::Owned, DecodeError> {
        V::decode(bytes)
    }

    fn read(bytes: Option<bytes::Bytes>) -> Result<Self::Read, DecodeError> {
        bytes.map(V::decode_owned).transpose()
    }
}
