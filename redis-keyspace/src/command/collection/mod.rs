//! The operations of kinds that hold several elements.

mod base;
mod bit_field;
mod bit_range;
mod bitmap;
mod docs;
mod field_lifetimes;
mod hash;
mod hash_fields;
mod hash_options;
mod hyper_log_log;
mod list;
mod lists;
mod pop;
mod positions;
mod record;
mod record_lifetimes;
mod records;
mod scores;
mod set;
mod sorted_set;
mod sorted_sets;

pub use bit_field::{BitField, BitOffset, BitWidth, I, Overflow, U};
pub use field_lifetimes::{FieldExpiry, FieldPersist};
pub use hash_options::{HExpire, HGetEx, HSetMany};
pub use lists::{Inserted, LPos, LRem, ListEnd};
pub use pop::{BlockingPop, Pop};
pub use records::Incr;
pub(crate) use records::{all as all_fields, change as change_field, decode as decode_record};
pub use sorted_sets::{ZAdd, ZIncrBy, ZRange, ZRank};
