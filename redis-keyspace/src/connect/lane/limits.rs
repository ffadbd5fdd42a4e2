//! The limits of a lane: how long it waits, and how much waits on it.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Endpoint, Settings};
use crate::time::Deadline;

/// How long a lane tolerates silence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// A lane is closed if a deadline passed and nothing arrived for this long.
    pub(super) silence: Duration,
    /// The limit of most commands.
    timeout: Duration,
    /// Whether silence is checked against other connections. Not in memory: no network is there to lose anything.
    compares: bool,
}

impl Patience {
    /// The longest silence tolerated for a command that has more time than others.
    const LONGEST: Duration = Duration::from_secs(60);

    /// The shortest silence that is suspicious. The system sends a lost packet again after less than that.
    const SUSPICIOUS: Duration = Duration::from_millis(200);
    /// How fast any network is, in bytes per second: a long request arrives after a while, and is answered then.
    const SLOWEST: u64 = 128 << 10;

    pub(crate) fn new(settings: &Settings) -> Self {
        let timeout = settings.timeout;
        #[cfg(feature = "embedded")]
        let compares = !matches!(settings.endpoint, Endpoint::Embedded(_));
        #[cfg(not(feature = "embedded"))]
        let compares = !matches!(settings.endpoint, Endpoint::Pool(_));
        Self { silence: timeout.max(Duration::from_secs(1)), timeout, compares }
    }

    /// How long the server may be silent while it owes replies, before it is asked on another connection. If it answers there and
    /// not here, this connection is dead: a server runs the commands of all its connections in one queue. A server that does not is
    /// given more time by a longer timeout. `limit` is that of the most patient caller.
    pub(super) fn suspicious(self, limit: Duration) -> Option<Duration> {
        let longest = self.timeout.max(limit.min(Self::LONGEST));
        self.compares.then(|| (longest / 5).max(Self::SUSPICIOUS))
    }

    /// When the silence of a lane that had been idle is looked at first, for a request with this deadline.
    pub(super) fn first_look(self, deadline: Deadline) -> Instant {
        self.suspicious(Duration::ZERO).map_or(deadline.at(), |limit| deadline.early(limit / 4))
    }

    /// How long a request of this length may be on its way.
    pub(super) fn on_its_way(length: usize) -> Duration {
        Duration::from_secs(u64::try_from(length).unwrap_or(u64::MAX) / Self::SLOWEST)
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
