//! Kinds that hold several elements.

mod hash;
mod list;
mod set;
mod sorted_set;
mod stream;
mod stream_id;
mod trim;

pub use hash::Hash;
pub use list::List;
pub use set::Set;
pub use sorted_set::SortedSet;
pub use stream::Stream;
pub use stream_id::{InvalidStreamId, StreamId};
pub use trim::Trim;
pub(crate) use trim::{TrimBound, TrimPolicy};
