//! Entries, IDs and consumer groups of a [`Stream`](crate::Stream), and what its commands return.

pub use crate::command::{
    Claimed, ConsumerGroup, ConsumerInfo, Entry, GroupInfo, Pages, PendingEntry, PendingSummary, RawEntry,
    ReadFrom, StreamInfo, Tail, XAck, XAdd, XAutoClaim, XClaim, XPending, XRange, XRead, XReadGroup,
    XReadMany,
};
pub use crate::kind::{InvalidStreamId, StreamId, Trim};
