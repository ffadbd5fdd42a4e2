//! Structs as lists of fields: writing and reading them.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::data::FieldMeta;
use super::types::FieldKind;
use super::value::FieldValue;
use crate::error::{Error, Result};
use crate::kind::error::{DecodeError, EncodeError};

/// A struct whose fields are fields of a Redis hash. `#[derive(Record)]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a record",
    label = "does not derive `Record`",
    note = "write `#[derive(Record)]` on the struct"
)]
pub trait RecordFields: Sized + Send + 'static {
    /// The fields, in the order of the struct.
    #[doc(hidden)]
    const FIELDS: &'static [FieldMeta];

    /// Encodes all fields.
    ///
    /// # Errors
    ///
    /// Fails if a value has no encoding.
    #[doc(hidden)]
    fn write_fields(&self, out: &mut FieldWriter) -> Result<(), Error>;

    /// Decodes all fields.
    ///
    /// # Errors
    ///
    /// Fails if a value can't be decoded, or if a required one is missing.
    #[doc(hidden)]
    fn read_fields(fields: &mut FieldReader) -> Result<Self, DecodeError>;
}

/// The encoded values of fields. `None` is the value of a field that becomes absent.
#[doc(hidden)]
pub struct FieldWriter {
    /// The maximum length of a value.
    most: usize,
    /// Whether values are decoded again, to verify that readers can.
    verifies: bool,
    bytes: Vec<u8>,
    fields: Vec<(&'static FieldMeta, Option<Range<usize>>)>,
}

impl FieldWriter {
    pub(crate) fn new(most: usize, verifies: bool) -> Self {
        Self { most, verifies, bytes: Vec::new(), fields: Vec::new() }
    }

    /// Encodes the value of the field at this place of the struct.
    ///
    /// # Errors
    ///
    /// Fails if it has no encoding.
    pub fn field<T: RecordFields, V: FieldKind>(
        &mut self,
        place: usize,
        field: &V::Field,
    ) -> Result<(), Error> {
        match T::FIELDS.get(place) {
            Some(meta) => self.value::<V::Value>(meta, V::value_of(field)),
            None => Err(Error::invalid_input("the record has no such field")),
        }
    }

    pub(crate) fn value<V: FieldValue>(
        &mut self,
        meta: &'static FieldMeta,
        value: Option<&V::Borrowed>,
    ) -> Result<()> {
        let Some(value) = value else {
            self.fields.push((meta, None));
            return Ok(());
        };
        let start = self.bytes.len();
        V::encode_field(value, self.most, &mut self.bytes)
            .map_err(|error| EncodeError::into_error(error.of_field(meta.name)))?;
        let place = start..self.bytes.len();
        if self.verifies {
            let encoded = self.bytes.get(place.clone()).unwrap_or_default();
            V::decode_field(Bytes::copy_from_slice(encoded))
                .map_err(|error| Error::unreadable(error.of_field(meta.name)))?;
        }
        self.fields.push((meta, Some(place)));
        Ok(())
    }

    /// Returns the fields with their encoded values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static FieldMeta, Option<&[u8]>)> {
        self.fields.iter().map(|(meta, place)| {
            let value = place.clone().map(|place| self.bytes.get(place).unwrap_or_default());
            (*meta, value)
        })
    }
}

impl fmt::Debug for FieldWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldWriter").field("fields", &self.fields.len()).finish_non_exhaustive()
    }
}

/// The values of the fields of a record, in the order of its struct.
#[doc(hidden)]
pub struct FieldReader {
    fields: std::slice::Iter<'static, FieldMeta>,
    values: HashMap<Bytes, Bytes>,
}

impl FieldReader {
    /// `values` are the fields of the hash, by name.
    pub(crate) fn new<T: RecordFields>(values: HashMap<Bytes, Bytes>) -> Self {
        Self { fields: T::FIELDS.iter(), values }
    }

    /// Decodes the next field.
    ///
    /// # Errors
    ///
    /// Fails if it can't be decoded, or is required and missing.
    pub fn field<V: FieldKind>(&mut self) -> Result<V::Field, DecodeError> {
        let (name, value) = self.next::<V::Value>()?;
        V::from_value(value).ok_or_else(|| {
            DecodeError::new(format!(
                "the field `{name}` is missing: the record was written without it, or only some of its fields were \
                 set; declare it as an `Option` or with `#[record(default)]`"
            ))
        })
    }

    /// Decodes the next field. If it is missing, it has the result of `default`.
    ///
    /// # Errors
    ///
    /// Fails if it can't be decoded.
    pub fn field_or<V: FieldKind>(
        &mut self,
        default: impl FnOnce() -> V::Field,
    ) -> Result<V::Field, DecodeError> {
        let (_, value) = self.next::<V::Value>()?;
        match value {
            Some(_) => V::from_value(value).map_or_else(|| Err(DecodeError::new("no value")), Ok),
            None => Ok(default()),
        }
    }

    fn next<V: FieldValue>(&mut self) -> Result<(&'static str, Option<V::Owned>), DecodeError> {
        let meta = self.fields.next().ok_or_else(|| DecodeError::new("the record has no such field"))?;
        let found = meta.names().find_map(|name| self.values.remove(name.as_bytes()));
        let value = found.map(V::decode_field).transpose().map_err(|error| error.of_field(meta.name))?;
        Ok((meta.name, value))
    }
}

impl fmt::Debug for FieldReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldReader").finish_non_exhaustive()
    }
}
