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
mod key_group;
mod many;
mod ping;
mod progress;
mod raw;
mod script;
mod set;
mod ttl;
mod value;

pub use base::{Command, IntoCommand};
pub use batch::{Batch, Commands, Watch, Watched};
pub use collection::{BlockingPop, Inserted, LPos, LRem, ListEnd, Pop, ZAdd, ZIncrBy, ZRange, ZRank};
pub use get_ex::GetEx;
pub use key_group::KeyGroup;
pub(crate) use many::get_many_bytes;
pub use raw::RawCommand;
pub use script::{
    Script, ScriptArgument, ScriptDefinition, ScriptInput, ScriptReply, ScriptResult, check_script,
    count_keys,
};
pub use set::SetValue;
pub use ttl::Ttl;

pub use crate::schema::{OnUnavailable, Reads};
