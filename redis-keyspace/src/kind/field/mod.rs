//! The fields of records: which kinds their values have, and structs as lists of fields.

mod data;
mod meta;
mod select;
mod sum;
mod types;
mod value;
mod values;
mod write;

pub use data::FieldMeta;
pub use meta::Field;
pub use select::FieldSelection;
pub use sum::Summable;
pub use types::{FieldKind, FieldType};
pub use value::FieldValue;
pub use values::{Assigned, FieldValues};
pub use write::{FieldReader, FieldWriter, RecordFields};
