//! The protocol versions.

/// The protocol version of a connection. A connection starts with version 2, as on a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Resp2,
    Resp3,
}
