//! The limits of a lane: how long it waits, and how much waits on it.

use std::time::Duration;

use crate::config::Settings;

/// How long a lane tolerates silence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// A lane is closed if a deadline passed and nothing arrived for this long.
    pub(super) silence: Duration,
}

impl Patience {
    /// The longest silence tolerated for a command that has more time than others.
    const LONGEST: Duration = Duration::from_secs(60);

    /// The patience of a lane whose commands have this limit by default.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { silence: timeout.max(Duration::from_secs(1)) }
    }

    /// How long the server may be silent while it owes replies, the most patient caller of which allows `limit`.
    pub(super) fn with(self, limit: Duration) -> Duration {
        self.silence.max(limit.min(Self::LONGEST))
    }
}

/// How much may wait on a lane. Further requests fail at once: they would only wait for their deadlines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Replies that are owed.
    pub(super) replies: usize,
    /// Bytes that are not written yet.
    pub(super) bytes: usize,
}

impl Room {
    pub(super) fn new(settings: &Settings) -> Self {
        // The lane for large requests has a share, too.
        let lanes = u32::from(settings.shared_connections.max(1)) + 1;
        let replies = settings.max_in_flight.div_ceil(lanes);
        Self {
            replies: usize::try_from(replies).unwrap_or(usize::MAX),
            bytes: settings.max_queued_bytes / (usize::from(settings.shared_connections.max(1)) + 1),
        }
    }
}
