//! Taking a lock: a single attempt, and waiting for the lock.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

use super::script::{Claim, LockAnswer};
use crate::client::{UndoAttempts, may_have_run};
use crate::error::{ErrorKind, Result};
use crate::local::{Streak, Turn};
use crate::task::spawn;
use crate::time::{Deadline, Moment, jittered, part_of};

/// The pause after the first failed attempt. Pauses get shorter with the time waited, down to the
/// shortest.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// The time after which pauses are shortest.
const LONG_WAIT: Duration = Duration::from_secs(2);
/// How long the tasks of one process may pass a lock to each other. Then the process leaves the
/// lock free for other processes for a moment. That moment is longer than the pauses of a process
/// that has waited long.
const LONGEST_STREAK: Duration = Duration::from_millis(400);
const LEFT_FREE: Duration = Duration::from_millis(20);

/// A lock that was taken.
pub(super) struct Taken {
    pub(super) fencing: u64,
    /// When the lock was requested. Its TTL starts no earlier than this.
    pub(super) asked: Moment,
}

/// Tries once to take the lock. The inner error is the holder's remaining TTL.
pub(super) async fn try_once(
    claim: &Arc<Claim>,
    timeout: Duration,
) -> Result<Result<Taken, Option<Duration>>> {
    let asked = Moment::now();
    match AcquireAttempt::new(claim, timeout).await? {
        LockAnswer::Taken(fencing) => Ok(Ok(Taken { fencing, asked })),
        LockAnswer::Held(left) => Ok(Err(left)),
    }
}

/// Tries until the lock is taken. Returns `None` if the time is up. The caller must have this
/// process's turn.
pub(super) async fn wait(
    claim: &Arc<Claim>,
    turn: &mut Turn<Streak>,
    timeout: Duration,
    limit: Deadline,
) -> Result<Option<Taken>> {
    let started = Instant::now();
    if let Some(Streak(streak)) = turn.state()
        && streak.is_some_and(|since| since.elapsed() > LONGEST_STREAK)
    {
        *streak = None;
        sleep_until(limit.at().min(Instant::now() + LEFT_FREE)).await;
    }
    loop {
        let left = match try_once(claim, timeout).await? {
            Ok(taken) => {
                if let Some(Streak(streak)) = turn.state() {
                    streak.get_or_insert(taken.asked.at);
                }
                return Ok(Some(taken));
            }
            Err(left) => left,
        };
        if let Some(Streak(streak)) = turn.state() {
            *streak = None;
        }
        let now = Instant::now();
        if now >= limit.at() {
            return Ok(None);
        }
        // There is one more attempt at the end of the time.
        sleep_until(limit.at().min(now + pause(started.elapsed(), left))).await;
    }
}

/// Returns the pause until the next attempt, from the time waited and the holder's remaining TTL.
fn pause(waited: Duration, left: Option<Duration>) -> Duration {
    let share = (waited.as_secs_f64() / LONG_WAIT.as_secs_f64()).min(1.0);
    let pause = jittered(LONGEST_PAUSE.saturating_sub(part_of(LONGEST_PAUSE - SHORTEST_PAUSE, share)));
    // Without a renewal, the lock is free a moment after its remaining TTL.
    pause.min(left.unwrap_or(Duration::MAX).saturating_add(Duration::from_millis(1)))
}

type InFlight = BoxFuture<'static, Result<LockAnswer>>;

/// An attempt in flight. If it is dropped before the reply arrives, a background task awaits the
/// reply, and releases the lock if it was acquired. A release sent at once on another connection
/// could arrive before the command that it must undo.
struct AcquireAttempt {
    claim: Arc<Claim>,
    in_flight: Option<InFlight>,
    is_sent: bool,
}

impl AcquireAttempt {
    fn new(claim: &Arc<Claim>, timeout: Duration) -> Self {
        let asking = Arc::clone(claim);
        let in_flight = async move { asking.acquire(Deadline::after(timeout)).await };
        Self { claim: Arc::clone(claim), in_flight: Some(Box::pin(in_flight)), is_sent: false }
    }
}

impl Future for AcquireAttempt {
    type Output = Result<LockAnswer>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.is_sent = true;
        let Some(in_flight) = &mut self.in_flight else { return Poll::Pending };
        let answer = ready!(in_flight.as_mut().poll(context));
        self.in_flight = None;
        if answer.as_ref().is_err_and(may_have_run) {
            spawn(&self.claim.runtime, release_late(Arc::clone(&self.claim)));
        }
        Poll::Ready(answer)
    }
}

impl Drop for AcquireAttempt {
    fn drop(&mut self) {
        if self.is_sent
            && let Some(in_flight) = self.in_flight.take()
        {
            let claim = Arc::clone(&self.claim);
            spawn(&self.claim.runtime, async move {
                let is_unknown = match in_flight.await {
                    Ok(answer) => matches!(answer, LockAnswer::Taken(_)),
                    Err(error) => may_have_run(&error),
                };
                if is_unknown {
                    release_late(claim).await;
                }
            });
        }
    }
}

/// Releases a lock that was acquired, or that a command in flight may still acquire.
async fn release_late(claim: Arc<Claim>) {
    let mut attempts = UndoAttempts::new();
    while attempts.next().await {
        match claim.release(Deadline::after(claim.binding.timeout)).await {
            Ok(true) => return,
            Err(error) if error.kind() == ErrorKind::Closed => return,
            Ok(false) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_become_shorter_and_end_when_the_ttl_of_the_holder_does() {
        let longest = |waited| (0..200).map(|_| pause(waited, None)).max().unwrap();
        assert!(longest(Duration::ZERO) <= LONGEST_PAUSE * 3 / 2);
        assert!(longest(Duration::ZERO) > longest(LONG_WAIT));
        for waited in [LONG_WAIT, LONG_WAIT * 1000] {
            assert!(longest(waited) <= SHORTEST_PAUSE * 3 / 2, "{waited:?}");
            assert!(longest(waited) < LEFT_FREE, "polls while the lock is left free");
        }
        assert!(pause(Duration::ZERO, Some(Duration::from_millis(3))) <= Duration::from_millis(4));
    }
}
