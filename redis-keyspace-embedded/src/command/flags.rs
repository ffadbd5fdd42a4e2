//! What the tables of commands say about a command, in addition to its handler. Whether scripts and
//! connections without authentication may use it is in the metadata.

/// Allowed while a RESP2 connection is subscribed.
pub(super) const SUBSCRIBED: u8 = 1;
/// Executed at once within MULTI.
pub(super) const IMMEDIATE: u8 = 2;
/// Has subcommands.
pub(super) const CONTAINER: u8 = 4;

/// Where the keys are among the arguments: the first, the last (negative: from the end) and the
/// step, as in COMMAND INFO.
pub(super) type KeyPositions = (i64, i64, i64);

pub(super) const NO_KEYS: KeyPositions = (0, 0, 0);
pub(super) const ONE_KEY: KeyPositions = (1, 1, 1);
pub(super) const ALL_KEYS: KeyPositions = (1, -1, 1);
