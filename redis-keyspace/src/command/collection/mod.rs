//! The operations of kinds that hold several elements.

mod base;
mod docs;
mod hash;
mod list;
mod lists;
mod pop;
mod positions;
mod record;
mod records;
mod scores;
mod set;
mod sorted_set;
mod sorted_sets;

pub use lists::{Inserted, LPos, LRem, ListEnd};
pub use pop::{BlockingPop, Pop};
pub use records::Incr;
pub(crate) use records::{all as all_fields, change as change_field, decode as decode_record};
pub use sorted_sets::{ZAdd, ZIncrBy, ZRange, ZRank};
