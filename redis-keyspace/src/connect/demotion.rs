//! How often connections are replaced because the server became a replica.

use std::time::Duration;

use tokio::time::Instant;

use super::server_run::ServerRun;

/// The pause after the first replacement. It grows while the server stays a replica.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// When the server was found to be a replica, so that its name may soon stand for another one.
#[derive(Debug, Default)]
pub(super) struct Demotions {
    last: Option<LastReplacement>,
    /// The run that the latest connection found.
    run: Option<ServerRun>,
}

/// The latest replacement of the connections.
#[derive(Debug)]
struct LastReplacement {
    at: Instant,
    pause: Duration,
    /// Whether another server, or a master, was found since then. A proxy may report a master
    /// although its server is a replica, so the pause still applies.
    is_over: bool,
}

impl Demotions {
    /// Returns whether connections must be replaced now, because a command was rejected.
    pub(super) fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let pause = match &self.last {
            Some(last) if now.duration_since(last.at) < last.pause => return false,
            Some(last) if now.duration_since(last.at) < 2 * LONGEST_PAUSE => {
                (2 * last.pause).min(LONGEST_PAUSE)
            }
            _ => FIRST_PAUSE,
        };
        self.last = Some(LastReplacement { at: now, pause, is_over: false });
        true
    }

    /// Records what a connection found: the run, if the server reports its id, and whether it says
    /// that it is a master. Returns whether connections must be replaced now, because it is another
    /// server than the one that rejected commands, or a master again.
    pub(super) fn is_over(&mut self, run: Option<ServerRun>, is_master: bool) -> bool {
        let is_other = run.is_some_and(|run| self.run.replace(run).is_some_and(|before| before != run));
        let last = self.last.as_mut().filter(|last| (is_other || is_master) && !last.is_over);
        last.is_some_and(|last| !std::mem::replace(&mut last.is_over, true))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_stays_a_replica_is_left_alone_for_longer_and_longer() {
        let mut demotions = Demotions::default();
        let mut due = Vec::new();
        for second in 0..100 {
            due.extend(demotions.is_due().then_some(second));
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(due, [0, 1, 3, 7, 15, 31, 61, 91]);
        // After a pause, it is prompt again.
        advance(2 * LONGEST_PAUSE).await;
        assert!(demotions.is_due());
        advance(FIRST_PAUSE).await;
        assert!(demotions.is_due());
    }

    #[tokio::test(start_paused = true)]
    async fn another_server_behind_the_name_is_used_at_once() {
        let (one, other) = (Some(ServerRun::new()), Some(ServerRun::new()));
        let mut demotions = Demotions::default();
        assert!(!demotions.is_over(one, true), "nothing was rejected");
        assert!(demotions.is_due());
        assert!(!demotions.is_over(one, false), "the same server");
        assert!(demotions.is_over(other, false));
        assert!(!demotions.is_over(other, false) && !demotions.is_over(one, true), "once is enough");
        assert!(!demotions.is_due(), "a server that only claims to be a master is left alone, too");
        advance(FIRST_PAUSE).await;
        assert!(demotions.is_due());
        assert!(!demotions.is_over(None, false), "the server does not say which it is");
        assert!(demotions.is_over(None, true));
    }
}
