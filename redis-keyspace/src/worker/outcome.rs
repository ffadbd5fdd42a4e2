//! How a job ended, and what errors mean for it.

use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::kind::StreamId;

/// What is left to do after a job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    pub(super) id: StreamId,
    /// The entry is still pending for this consumer, and runs again then.
    pub(super) again_at: Option<Instant>,
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
