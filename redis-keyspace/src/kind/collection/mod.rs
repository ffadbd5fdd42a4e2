//! Kinds that hold several elements.

mod bitmap;
mod hash;
mod hyper_log_log;
mod list;
mod record;
mod set;
mod sorted_set;

pub use bitmap::Bitmap;
pub use hash::Hash;
pub use hyper_log_log::HyperLogLog;
pub use list::List;
pub use record::Record;
pub use set::Set;
pub use sorted_set::SortedSet;
