//! The identity of a server process.

use crate::config::unique_id;

/// One run of a server, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerRun(u64);

impl ServerRun {
    pub(super) fn new() -> Self {
        Self(unique_id())
    }
}
