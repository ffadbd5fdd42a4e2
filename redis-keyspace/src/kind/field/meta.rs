//! The typed name of a field.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::data::FieldMeta;
use super::types::FieldKind;
use super::write::RecordFields;

/// A field of the record `T` with a value of kind `V`.
///
/// `#[derive(Record)]` generates a constant for each field of the struct: `Profile::NAME` for
/// `name`. A field of another record does not compile.
///
/// ```
/// use redis_keyspace::kind::Field;
/// use redis_keyspace::{Record, Text};
///
/// #[derive(Record)]
/// struct Profile {
///     name: String,
///     #[record(rename = "n")]
///     visits: u64,
/// }
///
/// let name: Field<Profile, Text> = Profile::NAME;
/// assert_eq!(name.name(), "name");
/// assert_eq!(Profile::VISITS.name(), "n");
/// ```
pub struct Field<T, V> {
    meta: &'static FieldMeta,
    types: PhantomData<fn() -> (T, V)>,
}

impl<T: RecordFields, V: FieldKind> Field<T, V> {
    /// Returns the field at this place of the struct.
    #[doc(hidden)]
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "evaluated at compile time, by generated code")]
    pub const fn at(place: usize) -> Self {
        Self { meta: &T::FIELDS[place], types: PhantomData }
    }
}

impl<T, V> Field<T, V> {
    pub(crate) fn meta(self) -> &'static FieldMeta {
        self.meta
    }

    /// Returns the name of the field in Redis.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.meta.name
    }

    /// Returns the lifetime that every write gives to the field, if one is declared.
    #[must_use]
    pub fn lifetime(self) -> Option<Duration> {
        self.meta.ttl.map(Duration::from_millis)
    }
}

// Manual implementations: derived ones would put bounds on the marker types.

impl<T, V> Clone for Field<T, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, V> Copy for Field<T, V> {}

impl<T, V> fmt::Debug for Field<T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Field").field(&self.meta.name).finish()
    }
}
