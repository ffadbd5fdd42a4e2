//! The operations of kinds that hold several elements.

mod base;
mod docs;
mod hash;
mod list;
mod lists;
mod pop;
mod positions;
mod scores;
mod set;
mod sorted_set;
mod sorted_sets;
mod stream;

pub use lists::{Inserted, LPos, LRem, ListEnd};
pub use pop::{BlockingPop, Pop};
pub use sorted_sets::{ZAdd, ZIncrBy, ZRange, ZRank};
#[cfg(feature = "embedded")]
pub(crate) use stream::DELETE_CONSUMER;
pub use stream::{
    Claimed, ConsumerGroup, ConsumerInfo, Entry, GroupInfo, Pages, PendingEntry, PendingSummary, RawEntry,
    ReadFrom, StreamInfo, Tail, XAck, XAdd, XAutoClaim, XClaim, XPending, XRange, XRead, XReadGroup,
};
