//! Values for several fields.

use std::fmt;

use super::meta::Field;
use super::types::FieldKind;
use super::value::FieldValue;
use super::write::{FieldWriter, RecordFields};
use crate::error::Result;

impl<T: RecordFields, V: FieldKind> Field<T, V> {
    /// Returns the field with a value for it, for [`set_fields`](crate::Key::set_fields).
    pub fn to<'v>(self, value: &'v <V::Value as FieldValue>::Borrowed) -> Assigned<'v, T, V> {
        Assigned { field: self, value }
    }
}

/// A field with a value for it, created by [`Field::to`].
pub struct Assigned<'v, T, V: FieldKind> {
    field: Field<T, V>,
    value: &'v <V::Value as FieldValue>::Borrowed,
}

impl<T, V: FieldKind> fmt::Debug for Assigned<'_, T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the value, as in all output that may be logged.
        f.debug_struct("Assigned").field("field", &self.field).finish_non_exhaustive()
    }
}

/// One or several fields of the record `T` with their values: `Profile::NAME.to("Ann")`, or a tuple
/// of up to 16.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of fields of `{T}` with values",
    label = "expected `{T}::FIELD.to(&value)`, or a tuple of up to 16"
)]
pub trait FieldValues<T> {
    /// Encodes the values.
    ///
    /// # Errors
    ///
    /// Fails if a value has no encoding.
    #[doc(hidden)]
    fn write_values(&self, out: &mut FieldWriter) -> Result<()>;
}

impl<T: RecordFields, V: FieldKind> FieldValues<T> for Assigned<'_, T, V> {
    fn write_values(&self, out: &mut FieldWriter) -> Result<()> {
        out.value::<V::Value>(self.field.meta(), Some(self.value))
    }
}

macro_rules! assignments {
    ($($first:ident $($rest:ident)*)?) => {$(
        impl<T: RecordFields, $first: FieldValues<T>, $($rest: FieldValues<T>),*> FieldValues<T>
            for ($first, $($rest,)*)
        {
            #[expect(non_snake_case, reason = "the parts are named like their types")]
            fn write_values(&self, out: &mut FieldWriter) -> Result<()> {
                let ($first, $($rest,)*) = self;
                $first.write_values(out)?;
                $($rest.write_values(out)?;)*
                Ok(())
            }
        }
        assignments!($($rest)*);
    )?};
}

assignments!(A B C D E F G H I J K L M N O P);
