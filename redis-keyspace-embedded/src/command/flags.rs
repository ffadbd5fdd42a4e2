//! Properties of commands, in addition to their handlers. The metadata says whether scripts and
//! unauthenticated connections may use a command.

/// Allowed on a RESP2 connection with subscriptions.
pub(super) const SUBSCRIBED: u8 = 1;
/// Executed at once in a transaction, not queued.
pub(super) const IMMEDIATE: u8 = 2;
/// Has subcommands.
pub(super) const CONTAINER: u8 = 4;

/// The positions of the keys among the arguments, as in COMMAND INFO: the first, the last and the
/// step. A negative last position counts from the end.
pub(super) type KeyPositions = (i64, i64, i64);

pub(super) const NO_KEYS: KeyPositions = (0, 0, 0);
pub(super) const ONE_KEY: KeyPositions = (1, 1, 1);
pub(super) const TWO_KEYS: KeyPositions = (1, 2, 1);
pub(super) const ALL_KEYS: KeyPositions = (1, -1, 1);
