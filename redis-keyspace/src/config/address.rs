//! The address of a server.

/// A host, without brackets, and a port.
pub(crate) type Address = (String, u16);
