//! The traits of kinds.

use super::error::{DecodeError, EncodeError};
use super::role::Role;

/// What lives at a key: the return type of a field of a keyspace.
///
/// The kind decides which operations a [`Key`](crate::Key) has.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what lives at the key",
    label = "not a kind",
    note = "a field's type is a kind, or a function that returns one: `Json<T>`, `Text`, `Bytes`, an integer, `bool`, `Counter`; for a value of your own write `Json<{Self}>`"
)]
pub trait Kind: 'static {
    /// How other clients see the values, in a few words: `JSON`, `a decimal integer`.
    ///
    /// The catalog shows it. The documentation of generated constructors shows it for the kinds of this crate only,
    /// because the derive sees nothing but names.
    const WIRE_FORMAT: &'static str;

    /// The type that Redis gives the keys, as `TYPE` answers: scans ask for keys of it only.
    const REDIS_TYPE: &'static str = "string";

    /// Whether `get_or_set` can fill its keys, so that every write of a key ends the fills in progress.
    #[doc(hidden)]
    const IS_FILLED: bool = true;

    /// What the keys are for, where that is not to hold data.
    #[doc(hidden)]
    const ROLE: Role = Role::Data;
}

/// A kind that holds one value in a Redis string, with its codec.
///
/// Implement it for a marker type of your own to add a wire format:
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
    label = "this operation is for kinds with one value: `Json<T>`, `Text`, `Bytes`, integers, `bool`",
    note = "for `Json<T>`, `T` must implement `serde::Serialize` and `serde::de::DeserializeOwned`"
)]
pub trait SingleValue: Kind {
    /// What reading gives.
    type Owned: Send + 'static;
    /// What writing takes a reference to.
    type Borrowed: ?Sized;

    /// Appends the value's bytes to `out`.
    ///
    /// # Errors
    ///
    /// When the value has no encoding; nothing is sent then.
    fn encode(value: &Self::Borrowed, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Appends the value's bytes to `out` unless they are more than `most`, which is `max_value_bytes` where it is known.
    ///
    /// The default encodes the value and then looks at the length. A kind of large values should stop earlier.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Self::encode), and [`EncodeError::too_large`].
    fn encode_within(value: &Self::Borrowed, most: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        Self::encode(value, out)?;
        EncodeError::check(out.len() - start, most)
    }

    /// Reads a value from the bytes that Redis holds.
    ///
    /// # Errors
    ///
    /// When the bytes are no value of this kind. The error must not repeat them: it is logged.
    fn decode(bytes: &[u8]) -> Result<Self::Owned, DecodeError>;

    /// A borrowed view of an owned value, so that what was loaded can be stored.
    fn borrow(owned: &Self::Owned) -> &Self::Borrowed;
}

/// A kind whose value is read by one plain command, so that many keys of it are read at once: every single value, and
/// counters.
///
/// Implemented for every [`SingleValue`]; nothing else can implement it usefully.
#[diagnostic::on_unimplemented(
    message = "many keys of `{Self}` can't be read at once",
    label = "for kinds with one value and counters"
)]
pub trait Readable: Kind {
    /// What a value is read as.
    type Value: Send + 'static;

    /// What reading a key gives, whether there is a value or not.
    type Read: Send + 'static;

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// When the bytes are no value of this kind.
    fn read_present(bytes: &[u8]) -> Result<Self::Value, DecodeError>;

    /// Reads what is at a key; `None` for nothing.
    ///
    /// # Errors
    ///
    /// When the bytes are no value of this kind.
    fn read(bytes: Option<&[u8]>) -> Result<Self::Read, DecodeError>;
}

impl<V: SingleValue> Readable for V {
    type Value = V::Owned;
    type Read = Option<V::Owned>;

    fn read_present(bytes: &[u8]) -> Result<V::Owned, DecodeError> {
        V::decode(bytes)
    }

    fn read(bytes: Option<&[u8]>) -> Result<Self::Read, DecodeError> {
        bytes.map(V::decode).transpose()
    }
}
