//! How a job ended, and what errors mean for it.

use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::kind::StreamId;

/// A job that ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    pub(super) id: StreamId,
    pub(super) left: Left,
}

/// What is left to do after a job. An entry that is still pending has a number of deliveries: all
/// of them count, because the handler ran.
#[derive(Debug, Clone, Copy)]
pub(super) enum Left {
    /// The entry is settled, or belongs to another consumer.
    Nothing,
    /// The entry is pending for this consumer, and runs again at this time. `is_held`: the server
    /// knows the time.
    Again { at: Instant, deliveries: u64, is_held: bool },
    /// The entry may be pending for this consumer.
    Unsettled { deliveries: u64 },
}

/// Whether another attempt may succeed soon: Redis is unavailable, slow or busy.
pub(super) fn passes_soon(error: &Error) -> bool {
    error.is_outage()
        || error.is_not_run()
        || error.rejects_writes()
        || error.kind() == ErrorKind::AuthenticationFailed
}

/// Whether the worker can go on after this error.
pub(super) fn may_pass(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Closed | ErrorKind::InvalidInput | ErrorKind::MissingCommand | ErrorKind::PermissionDenied
    )
}

/// Whether a command that failed with this error may have been executed.
pub(super) fn may_have_run(error: &Error) -> bool {
    error.is_connection_lost() || error.is_timeout()
}
