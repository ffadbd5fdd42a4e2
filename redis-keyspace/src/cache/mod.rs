//! Read-through caching: [`get_or_set`](crate::Key::get_or_set) and its variants read a value, or
//! load and store it if it does not exist.

mod builder;
mod engine;
mod error;
mod fields;
mod fill;
mod form;
#[cfg(feature = "json")]
mod json;
mod key;
mod kind;
pub(crate) mod lease;
mod load;
mod loader;
mod look;
mod lookup;
mod many;
mod one;
mod options;
mod packed;
mod progress;
mod seek;

pub use builder::{GetOrSet, GetOrSetLookup};
pub use error::{FillError, LoadFailure};
pub use fields::HashField;
pub use kind::FilledKind;
pub use loader::{
    Always, Fallible, LoadedOption, LoadedValue, LoadedValues, Loader, TryLoadedOption, TryLoadedValue,
    TryLoadedValues,
};
pub use lookup::{Lookup, ValueSource};
pub use many::GetOrSetMany;

pub use crate::schema::{FillPolicy, FilledKeyspace};
