//! The kinds of the Rust types of fields.

use super::value::FieldValue;
use crate::kind::scalar::{Bytes, Text};

/// The kind of a field of a [record](struct@crate::Record): a [`FieldValue`], or an `Option` of one
/// for a field that may be absent.
///
/// Implemented for both. Other types can't implement it usefully.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the kind of a field",
    label = "expected a single-value kind, `f64`, or an `Option` of one"
)]
pub trait FieldKind: 'static {
    /// The kind of the value, if there is one.
    type Value: FieldValue;
    /// The type of the field of the struct.
    type Field: Send + 'static;

    /// Whether the field may be absent.
    #[doc(hidden)]
    const IS_OPTIONAL: bool;

    /// Returns the value of a field of the struct.
    #[doc(hidden)]
    fn value_of(field: &Self::Field) -> Option<&<Self::Value as FieldValue>::Borrowed>;

    /// Returns the field of the struct from the value that was read. `None` if it is required.
    #[doc(hidden)]
    fn from_value(value: Option<<Self::Value as FieldValue>::Owned>) -> Option<Self::Field>;
}

impl<V: FieldValue> FieldKind for V {
    type Value = V;
    type Field = V::Owned;
    const IS_OPTIONAL: bool = false;

    fn value_of(field: &V::Owned) -> Option<&V::Borrowed> {
        Some(V::borrow_field(field))
    }

    fn from_value(value: Option<V::Owned>) -> Option<V::Owned> {
        value
    }
}

impl<V: FieldValue> FieldKind for Option<V> {
    type Value = V;
    type Field = Option<V::Owned>;
    const IS_OPTIONAL: bool = true;

    fn value_of(field: &Option<V::Owned>) -> Option<&V::Borrowed> {
        field.as_ref().map(V::borrow_field)
    }

    fn from_value(value: Option<V::Owned>) -> Option<Option<V::Owned>> {
        Some(value)
    }
}

/// A type that a field of a struct with `#[derive(Record)]` can have without an attribute.
///
/// | type | kind |
/// | --- | --- |
/// | `String` | [`Text`](crate::Text) |
/// | [`bytes::Bytes`] | [`Bytes`](crate::Bytes) |
/// | integers, `bool`, `f64` | themselves |
/// | `Uuid` (feature `uuid`) | itself |
/// | `Option` of one of these | an optional field |
///
/// Any other type needs an attribute: `#[record(json)]`, or `#[record(kind = YourKind)]` for a
/// single-value kind of your own. Implement the trait to make a type work without it:
///
/// ```
/// use redis_keyspace::kind::FieldType;
/// use redis_keyspace::{Json, Record};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// enum Color {
///     Red,
///     Blue,
/// }
///
/// impl FieldType for Color {
///     type Kind = Json<Self>;
/// }
///
/// #[derive(Record)]
/// struct Car {
///     color: Color,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` needs an attribute that says how it is stored",
    label = "no kind is known for this type",
    note = "without an attribute, a field is a `String`, `bytes::Bytes`, an integer, `bool`, `f64`, `Uuid` (feature `uuid`), or an `Option` of one of these",
    note = "for a type that implements `serde::Serialize` and `serde::de::DeserializeOwned`, write `#[record(json)]`; for your own single-value kind, write `#[record(kind = YourKind)]`"
)]
pub trait FieldType: Sized {
    /// The kind of the field.
    type Kind: FieldKind<Field = Self>;
}

impl FieldType for String {
    type Kind = Text;
}

impl FieldType for bytes::Bytes {
    type Kind = Bytes;
}

macro_rules! own_kinds {
    ($($ty:ty),+) => {$(
        impl FieldType for $ty {
            type Kind = Self;
        }
    )+};
}

own_kinds!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool, f64);

#[cfg(feature = "uuid")]
own_kinds!(uuid::Uuid);

impl<T: FieldType> FieldType for Option<T>
where
    T::Kind: FieldValue<Owned = T>,
{
    type Kind = Option<T::Kind>;
}
