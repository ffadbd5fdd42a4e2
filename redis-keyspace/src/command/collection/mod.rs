//! The operations of kinds that hold several elements.

mod base;
mod bit_field;
mod bit_range;
mod bitmap;
mod docs;
mod hash;
mod hyper_log_log;
mod list;
mod lists;
mod pop;
mod positions;
mod scores;
mod set;
mod sorted_set;
mod sorted_sets;
mod stream;

pub use bit_field::{BitField, BitOffset, BitWidth, I, Overflow, U};
pub use lists::{Inserted, LPos, LRem, ListEnd};
pub use pop::{BlockingPop, Pop};
pub use sorted_sets::{ZAdd, ZIncrBy, ZRange, ZRank};
#[cfg(feature = "embedded")]
pub(crate) use stream::DELETE_CONSUMER;
pub use stream::{
    Claimed, ConsumerGroup, ConsumerInfo, Entry, GroupInfo, Pages, PendingEntry, PendingSummary, RawEntry,
    ReadFrom, StreamInfo, Tail, XAck, XAdd, XAutoClaim, XClaim, XPending, XRange, XRead, XReadGroup,
};
