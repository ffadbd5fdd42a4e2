//! Requests and replies as bytes, without any I/O.

mod args;
mod decoder;
mod keys;
mod packet;
pub(crate) mod read;
mod reply;
mod request;
mod script;
mod set_options;
mod slots;

pub(crate) use args::Args;
pub(crate) use decoder::{Decoder, Malformed};
pub(crate) use keys::Keys;
pub(crate) use packet::Packet;
pub(crate) use read::Decode;
pub(crate) use reply::{Replies, Reply};
pub(crate) use request::{Request, Wire};
pub(crate) use script::{Script, ScriptCall, ScriptForm};

/// How many keys one command takes, so that it does not block the server for long.
pub(crate) const KEYS_PER_COMMAND: usize = 1000;
