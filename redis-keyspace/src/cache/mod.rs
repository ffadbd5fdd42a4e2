//! Values that are loaded when they are not there.

mod builder;
mod copies;
mod error;
mod fill;
mod flight;
#[cfg(test)]
mod flight_tests;
mod job;
pub(crate) mod lease;
mod loader;
mod lookup;
mod many;
mod policy;
mod sync;

pub use builder::GetOrSet;
pub(crate) use copies::Copies;
pub use error::FillError;
pub(crate) use flight::Flights;
pub use loader::{Always, Fallible, FallibleOptional, Loader, Optional};
pub use lookup::{GetOrSetLookup, Lookup, Source};
pub use many::GetOrSetMany;
pub use policy::FillPolicy;
