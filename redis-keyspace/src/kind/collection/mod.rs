//! Kinds that hold several elements.

mod hash;
mod list;
mod record;
mod set;
mod sorted_set;

pub use hash::Hash;
pub use list::List;
pub use record::Record;
pub use set::Set;
pub use sorted_set::SortedSet;
