//! The limits of a lane: how long it waits, and how many requests wait on it.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Endpoint, Settings};
use crate::time::Deadline;

/// How long a lane tolerates a silent server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// A lane is closed if a deadline passed and nothing arrived for this long.
    pub(super) silence: Duration,
    /// The limit of most commands.
    timeout: Duration,
    /// After how long a lane is checked for silence first, if silence is checked at all. Computed
    /// once, because every request needs it.
    first_look_after: Option<Duration>,
    /// Whether silence is checked on another connection. Not needed in memory, where no network can
    /// lose anything.
    compares: bool,
}

impl Patience {
    /// The longest silence that is tolerated for a command with a long deadline.
    const LONGEST: Duration = Duration::from_secs(60);

    /// The shortest silence that is suspicious. The system resends a lost packet sooner than that.
    const SUSPICIOUS: Duration = Duration::from_millis(200);
    /// The slowest network to expect, in bytes per second. A long request takes time to arrive
    /// before it is answered.
    const SLOWEST: u64 = 128 << 10;

    pub(crate) fn new(settings: &Settings) -> Self {
        let timeout = settings.timeout;
        #[cfg(feature = "embedded")]
        let compares = !matches!(settings.endpoint, Endpoint::Embedded(_));
        #[cfg(not(feature = "embedded"))]
        let compares = !matches!(settings.endpoint, Endpoint::Pool(_));
        let silence = timeout.max(Duration::from_secs(1));
        let first_look_after = compares.then(|| Self::suspicious_after(timeout) / 4);
        Self { silence, timeout, first_look_after, compares }
    }

    /// Returns how long the server may be silent while replies are outstanding, before it is probed
    /// on another connection. If it answers there and not here, this connection is dead, because a
    /// server runs the commands of all connections in one queue. For a server that does not, a
    /// longer timeout allows more time. `limit` is the longest limit of a waiting caller.
    #[inline]
    pub(super) fn suspicious(self, limit: Duration) -> Option<Duration> {
        let longest = self.timeout.max(limit.min(Self::LONGEST));
        self.compares.then(|| Self::suspicious_after(longest))
    }

    #[inline]
    fn suspicious_after(longest: Duration) -> Duration {
        (longest / 5).max(Self::SUSPICIOUS)
    }

    /// Returns when to check a lane for silence first, for a request with this deadline on an idle
    /// lane.
    #[inline]
    pub(super) fn first_look(self, deadline: Deadline) -> Instant {
        self.first_look_after.map_or(deadline.at(), |after| deadline.early(after))
    }

    /// Returns how long a request of this length may take to arrive.
    #[inline]
    pub(super) fn transit_time(length: usize) -> Duration {
        Duration::from_secs(u64::try_from(length).unwrap_or(u64::MAX) / Self::SLOWEST)
    }

    /// Returns how long the server may be silent while replies are outstanding. `limit` is the
    /// longest limit of a waiting caller.
    pub(super) fn with(self, limit: Duration) -> Duration {
        self.silence.max(limit.min(Self::LONGEST))
    }
}

/// How much may wait on a lane. Further requests fail at once, because they would only wait for
/// their deadlines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// The maximum number of outstanding replies.
    pub(super) replies: usize,
    /// The maximum number of bytes that are not written yet.
    pub(super) bytes: usize,
}

impl Room {
    /// Returns the share of one of as many lanes.
    pub(super) fn new(settings: &Settings, lanes: usize) -> Self {
        // The lane for large requests also has a share.
        let shares = lanes + 1;
        let replies = usize::try_from(settings.max_in_flight).unwrap_or(usize::MAX);
        Self { replies: replies.div_ceil(shares), bytes: settings.max_queued_bytes / shares }
    }
}
