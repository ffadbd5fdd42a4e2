//! The operations of kinds that hold several elements.

mod base;
mod bit_field;
mod bit_op;
mod bit_range;
mod bitmap;
mod docs;
mod elements;
mod field_lifetimes;
mod geo;
mod geo_area;
mod geo_search;
mod hash;
mod hash_fields;
mod hash_options;
mod hyper_log_log;
mod leaderboard;
mod lex;
mod lex_range;
mod list;
mod list_take;
mod lists;
mod multi_pop;
mod pop;
mod push;
mod random;
mod record;
mod record_lifetimes;
mod records;
mod scores;
mod set;
mod set_algebra;
mod several;
mod sorted_algebra;
mod sorted_set;
mod sorted_set_writes;
mod sorted_sets;
mod stream;

pub use bit_field::{BitField, BitOffset, BitWidth, I, Overflow, U};
pub use bit_op::BitOp;
pub use field_lifetimes::{FieldExpiry, FieldPersist};
pub use geo_search::{
    GeoAdd, GeoDetail, GeoDistances, GeoDistancesAndPositions, GeoMembers, GeoPositions, GeoSearch,
};
pub use hash_options::{HExpire, HGetEx, HSet, HSetMany};
#[cfg(feature = "embedded")]
pub(crate) use leaderboard::NEIGHBOURS;
pub use leaderboard::{RankPage, Window, ZAround, ZPage};
pub use lists::{Inserted, LPos, LRem, ListEnd};
pub use multi_pop::{Extreme, MultiPop};
pub use pop::{BlockingPop, Pop};
pub use push::Push;
pub use random::{HRandFields, ZRandMembers};
pub use records::Incr;
pub(crate) use records::{all as all_fields, change as change_field, decode as decode_record};
pub(crate) use scores::text as score_text;
pub use set_algebra::{SetCard, SetCombine};
pub use sorted_algebra::{ScoreAggregate, ZCombine};
pub use sorted_set_writes::{ZAdd, ZIncrBy};
pub use sorted_sets::{ZRange, ZRank};
#[cfg(feature = "embedded")]
pub(crate) use stream::DELETE_CONSUMER;
pub use stream::{
    Claimed, ConsumerGroup, ConsumerInfo, Entry, GroupInfo, Pages, PendingEntry, PendingSummary, RawEntry,
    ReadFrom, StreamInfo, Tail, XAck, XAdd, XAutoClaim, XClaim, XPending, XRange, XRead, XReadGroup,
    XReadMany,
};
