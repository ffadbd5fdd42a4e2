//! Commands as values, the operations of keys, batches and transactions.

// These two come first, so that links to `Key::get`, `Key::set` and `Key::incr` in the
// documentation lead to the methods of single values and counters.
mod value;

mod counter;

mod any;
mod base;
mod batch;
mod builder;
mod bytes;
mod channel;
mod collection;
mod degrade;
mod disabled;
mod dump;
mod each;
mod endings;
mod expire;
mod future;
mod get_ex;
mod inspect;
#[cfg(feature = "json")]
mod json;
mod key_group;
mod key_options;
mod many;
mod ping;
mod positions;
mod progress;
mod raw;
mod script;
mod set;
mod set_many;
mod transfer;
mod ttl;

pub use base::{Command, IntoCommand};
pub use batch::{Batch, Commands, Watch, Watched};
pub use collection::{
    BitField, BitOffset, BitOp, BitWidth, BlockingPop, Extreme, FieldExpiry, FieldPersist, GeoAdd, GeoDetail,
    GeoDistances, GeoDistancesAndPositions, GeoMembers, GeoPositions, GeoSearch, HExpire, HGetEx,
    HRandFields, HSet, HSetMany, I, Incr, Inserted, LPos, LRem, ListEnd, MultiPop, Overflow, Pop, Push,
    RankPage, ScoreAggregate, SetCard, SetCombine, U, Window, ZAdd, ZAround, ZCombine, ZIncrBy, ZPage,
    ZRandMembers, ZRange, ZRank,
};
#[doc(hidden)] // The module `stream` shows them.
pub use collection::{
    Claimed, ConsumerGroup, ConsumerInfo, Entry, GroupInfo, Pages, PendingEntry, PendingSummary, RawEntry,
    ReadFrom, StreamInfo, Tail, XAck, XAdd, XAutoClaim, XClaim, XPending, XRange, XRead, XReadGroup,
    XReadMany,
};
#[cfg(feature = "embedded")]
pub(crate) use collection::{DELETE_CONSUMER, NEIGHBOURS};
pub(crate) use collection::{all_fields, change_field, decode_record, score_text};
pub use dump::{Dump, Restore};
pub use each::ManyKeys;
pub use expire::Expire;
pub use get_ex::GetEx;
pub use key_group::KeyGroup;
pub(crate) use many::get_many_bytes;
pub use raw::RawCommand;
pub use script::{
    Script, ScriptArgument, ScriptDefinition, ScriptInput, ScriptReply, ScriptResult, add_keys, check_script,
};
pub use set::SetValue;
#[cfg(feature = "embedded")]
pub(crate) use set_many::SET_IF_ALL_ABSENT;
pub use set_many::SetMany;
pub use transfer::CopyTo;
pub use ttl::Ttl;

pub use crate::schema::{OnUnavailable, Reads};
