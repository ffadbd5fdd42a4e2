//! The wire: requests in ([`parse`]) and replies out ([`write`]).

pub(crate) mod parse;
pub(crate) mod write;

/// The protocol version a connection speaks; a connection starts with version 2, as on a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Resp2,
    Resp3,
}
