//! Commands as values, the operations of keys, batches and transactions.

// These two come first, so that links to `Key::get`, `Key::set` and `Key::incr` in the
// documentation lead to the methods of single values and counters.
mod value;

mod counter;

mod any;
mod base;
mod batch;
mod builder;
mod collection;
mod degrade;
mod disabled;
mod future;
mod get_ex;
#[cfg(feature = "json")]
mod json;
mod many;
mod ping;
mod progress;
mod set;
mod ttl;

pub use base::{Command, IntoCommand};
pub use batch::{Batch, Commands};
pub use collection::{
    BitField, BitOffset, BitWidth, BlockingPop, FieldExpiry, FieldPersist, HExpire, HGetEx, HSetMany, I,
    Incr, Inserted, LPos, LRem, ListEnd, Overflow, Pop, U, ZAdd, ZIncrBy, ZRange, ZRank,
};
pub(crate) use collection::{all_fields, change_field, decode_record};
pub use get_ex::GetEx;
pub(crate) use many::get_many_bytes;
pub use set::SetValue;
pub use ttl::Ttl;

pub use crate::schema::{OnUnavailable, Reads};
