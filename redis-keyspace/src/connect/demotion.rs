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
    /// Whether commands were rejected since then.
    is_repeated: bool,
}

impl Demotions {
    /// Returns whether connections must be replaced now, because a command was rejected.
    pub(super) fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let pause = match &mut self.last {
            Some(last) if now.duration_since(last.at) < last.pause => {
                last.is_repeated = true;
                return false;
            }
            Some(last) if now.duration_since(last.at) < 2 * LONGEST_PAUSE => {
                (2 * last.pause).min(LONGEST_PAUSE)
            }
            _ => FIRST_PAUSE,
        };
        self.last = Some(LastReplacement { at: now, pause, is_repeated: false });
        true
    }

    /// Records which run a connection found. Returns whether connections must be replaced now,
    /// because it is another run than before, and commands were rejected meanwhile.
    pub(super) fn is_over(&mut self, run: ServerRun) -> bool {
        let is_other = self.run.replace(run).is_some_and(|before| before != run);
        is_other && self.last.take_if(|last| last.is_repeated).is_some()
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
        let (one, other) = (ServerRun::new(), ServerRun::new());
        let mut demotions = Demotions::default();
        assert!(!demotions.is_over(one));
        assert!(demotions.is_due());
        assert!(!demotions.is_over(one), "the same server");
        assert!(!demotions.is_due());
        assert!(demotions.is_over(other));
        assert!(!demotions.is_over(other));
        assert!(!demotions.is_over(one), "nothing was rejected since");
        assert!(demotions.is_due());
    }
}
