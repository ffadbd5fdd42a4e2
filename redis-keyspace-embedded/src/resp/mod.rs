//! The wire format: parses requests and writes replies.

mod parse;
mod protocol;
mod write;

pub(crate) use parse::{MAX_BULK, Parser};
pub(crate) use protocol::Protocol;
pub(crate) use write::{OutputFull, array, encode, encoded, write};
