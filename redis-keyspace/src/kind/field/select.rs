//! Fields to read.

use bytes::Bytes;

use super::data::FieldMeta;
use super::meta::Field;
use super::types::FieldKind;
use super::value::FieldValue;
use super::write::RecordFields;
use crate::kind::error::DecodeError;

/// One or several fields of the record `T` to read: `Profile::NAME`, or a tuple of up to 16.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of fields of `{T}`",
    label = "expected `{T}::FIELD`, or a tuple of up to 16"
)]
pub trait FieldSelection<T> {
    /// The values: an `Option` for one field, a tuple of these for several.
    type Values: Send + 'static;

    /// Adds the fields.
    #[doc(hidden)]
    fn list(&self, out: &mut Vec<&'static FieldMeta>);

    /// Decodes the values, in the order of the fields.
    ///
    /// # Errors
    ///
    /// Fails if a value can't be decoded.
    #[doc(hidden)]
    fn decode(
        values: &mut dyn Iterator<Item = (&'static str, Option<Bytes>)>,
    ) -> Result<Self::Values, DecodeError>;
}

impl<T: RecordFields, V: FieldKind> FieldSelection<T> for Field<T, V> {
    type Values = Option<<V::Value as FieldValue>::Owned>;

    fn list(&self, out: &mut Vec<&'static FieldMeta>) {
        out.push(self.meta());
    }

    fn decode(
        values: &mut dyn Iterator<Item = (&'static str, Option<Bytes>)>,
    ) -> Result<Self::Values, DecodeError> {
        match values.next() {
            Some((name, Some(bytes))) => {
                V::Value::decode_field(bytes).map(Some).map_err(|error| error.of_field(name))
            }
            _ => Ok(None),
        }
    }
}

macro_rules! selections {
    ($($first:ident $($rest:ident)*)?) => {$(
        impl<T: RecordFields, $first: FieldSelection<T>, $($rest: FieldSelection<T>),*> FieldSelection<T>
            for ($first, $($rest,)*)
        {
            type Values = ($first::Values, $($rest::Values,)*);

            #[expect(non_snake_case, reason = "the parts are named like their types")]
            fn list(&self, out: &mut Vec<&'static FieldMeta>) {
                let ($first, $($rest,)*) = self;
                $first.list(out);
                $($rest.list(out);)*
            }

            fn decode(
                values: &mut dyn Iterator<Item = (&'static str, Option<Bytes>)>,
            ) -> Result<Self::Values, DecodeError> {
                Ok(($first::decode(values)?, $($rest::decode(values)?,)*))
            }
        }
        selections!($($rest)*);
    )?};
}

selections!(A B C D E F G H I J K L M N O P);
