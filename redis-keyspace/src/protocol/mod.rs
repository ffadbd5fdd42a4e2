//! Requests and replies as bytes, without I/O.

mod args;
mod asking;
mod decoder;
mod divide;
mod guarded;
mod joined;
mod kept;
mod key_lifetime;
mod keys;
mod lifetime;
mod merged;
mod newer;
mod packet;
mod packet_script;
mod placed;
pub(crate) mod read;
mod record;
mod reply;
mod request;
mod script;
mod script_call;
mod script_form;
mod set_options;
mod sizes;
mod slots;
mod streams;
mod transaction_script;
mod units;
mod waiting;
mod wire_buffer;

pub(crate) use args::Args;
pub(crate) use asking::after_asking;
pub(crate) use decoder::{Decoder, Malformed, READ_SIZE, SHARED};
pub(crate) use divide::Division;
#[cfg(feature = "embedded")]
pub(crate) use guarded::GUARDED_WRITE;
pub(crate) use guarded::{GuardedReply, guarded};
pub(crate) use joined::join_single_keys;
#[cfg(feature = "embedded")]
pub(crate) use kept::{KEPT_ANY_WRITE, KEPT_ENTRY, KEPT_TRANSFER, KEPT_WRITE};
pub(crate) use key_lifetime::KeyLifetime;
pub(crate) use keys::{KeyCount, Keys};
pub(crate) use lifetime::lifetime_word;
#[cfg(feature = "embedded")]
pub(crate) use merged::KEPT_WRITES;
pub(crate) use merged::{Merged, RefusedCommands};
pub(crate) use newer::{NewerCommand, ReplacedCommand};
pub(crate) use packet::{Packet, PacketLifetime, PlacesOfKeys, SentAs};
pub(crate) use read::Decode;
pub(crate) use record::{ExpectedFields, FieldChanges, FieldIncrement, record_call, record_script};
#[cfg(feature = "embedded")]
pub(crate) use record::{RECORD_INCREMENT, RECORD_WRITE};
pub(crate) use reply::{Replies, Reply};
pub(crate) use request::{Request, Wire};
pub(crate) use script::{LuaScript, PacketScript};
pub(crate) use script_call::ScriptCall;
pub(crate) use script_form::ScriptForm;
pub(crate) use sizes::SizeLimits;
pub(crate) use streams::{push_id, push_trim};
#[cfg(feature = "embedded")]
pub(crate) use transaction_script::TRANSACTION_SCRIPT;
pub(crate) use transaction_script::{MOST_IN_SCRIPT, script_probe};
pub(crate) use units::{Units, share_of};
pub(crate) use wire_buffer::WireBuffer;

/// The maximum number of keys in one command, so that it does not block the server for long.
pub(crate) const KEYS_PER_COMMAND: usize = 1000;
