//! Undoes commands that may have been executed although their caller does not know.

use std::time::Duration;

use tokio::time::sleep;

use crate::error::{Error, ErrorKind};
use crate::time::Backoff;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 6;

/// Returns whether a command that failed with this error may have been executed, or may still be.
pub(crate) fn may_have_run(error: &Error) -> bool {
    error.is_connection_lost()
        || match error.kind() {
            ErrorKind::PoolBusy => false,
            ErrorKind::Decode | ErrorKind::Protocol => true,
            _ => error.is_timeout(),
        }
}

/// The attempts to undo a command that may have been executed, or may still be. They take some
/// seconds, which is enough for most commands in flight. One attempt is not: on another connection,
/// it can arrive before the command that it must undo.
pub(crate) struct UndoAttempts {
    pauses: Backoff,
    made: u32,
}

impl UndoAttempts {
    pub(crate) fn new() -> Self {
        Self { pauses: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE).growing_by(4), made: 0 }
    }

    /// Waits for the next attempt. Returns false after the last one.
    pub(crate) async fn next(&mut self) -> bool {
        if self.made > 0 && self.made < ATTEMPTS {
            sleep(self.pauses.pause()).await;
        }
        self.made += 1;
        self.made <= ATTEMPTS
    }
}
