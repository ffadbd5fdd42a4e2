//! What can be done with a key: its methods, by kind.

mod any;
mod counter;
mod fill;
#[cfg(feature = "json")]
mod json;
mod many;
mod value;

pub(crate) use many::get_many_bytes;
