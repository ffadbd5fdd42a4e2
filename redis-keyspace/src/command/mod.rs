//! Commands as values, the operations of keys, batches and transactions.

mod any;
mod base;
mod batch;
mod builder;
mod collection;
mod counter;
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
mod value;

pub use base::{Command, IntoCommand};
pub use batch::{Batch, Commands};
#[cfg(feature = "embedded")]
pub(crate) use collection::DELETE_CONSUMER;
pub use collection::{
    BitField, BitOffset, BitWidth, BlockingPop, I, Inserted, LPos, LRem, ListEnd, Overflow, Pop, U, ZAdd,
    ZIncrBy, ZRange, ZRank,
};
#[doc(hidden)] // The module `stream` shows them.
pub use collection::{
    Claimed, ConsumerGroup, ConsumerInfo, Entry, GroupInfo, Pages, PendingEntry, PendingSummary, RawEntry,
    ReadFrom, StreamInfo, Tail, XAck, XAdd, XAutoClaim, XClaim, XPending, XRange, XRead, XReadGroup,
};
pub use get_ex::GetEx;
pub(crate) use many::get_many_bytes;
pub use set::SetValue;
pub use ttl::Ttl;

pub use crate::schema::{OnUnavailable, Reads};
