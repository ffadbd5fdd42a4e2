//! The operations of streams and their consumer groups.

mod add;
mod base;
mod claim;
mod consumer;
mod entry;
mod group;
mod info;
mod operations;
mod pages;
mod pending;
mod range;
mod read;
mod read_group;
mod read_many;
mod replies;
mod tail;

pub use add::XAdd;
pub use claim::{Claimed, XAutoClaim, XClaim};
#[cfg(feature = "embedded")]
pub(crate) use consumer::DELETE_CONSUMER;
pub use entry::{Entry, RawEntry};
pub use group::{ConsumerGroup, ReadFrom, XAck};
pub use info::{ConsumerInfo, GroupInfo, StreamInfo};
pub use pages::Pages;
pub use pending::{PendingEntry, PendingSummary, XPending};
pub use range::XRange;
pub use read::XRead;
pub use read_group::XReadGroup;
pub use read_many::XReadMany;
pub use tail::Tail;
