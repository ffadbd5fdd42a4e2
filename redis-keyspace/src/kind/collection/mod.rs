//! Kinds that hold several elements.

mod bitmap;
mod geo;
mod hash;
mod hyper_log_log;
mod list;
mod record;
mod set;
mod sorted_set;
mod stream;
mod stream_id;
mod trim;

pub use bitmap::Bitmap;
pub use geo::Geo;
pub use hash::Hash;
pub use hyper_log_log::HyperLogLog;
pub use list::List;
pub use record::Record;
pub use set::Set;
pub use sorted_set::SortedSet;
pub use stream::Stream;
pub use stream_id::{InvalidStreamId, StreamId};
pub use trim::Trim;
pub(crate) use trim::{TrimBound, TrimPolicy};
