//! Taking a lock: one try, and waiting for one's turn.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::{Instant, sleep, sleep_until};

use super::script::{Claim, LockAnswer};
use crate::error::{ErrorKind, Result};
use crate::local::{Streak, Turn};
use crate::time::{Backoff, Deadline, jittered, part_of};

/// The pause after the first try in vain. It gets shorter the longer one waits, down to the shortest.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// When pauses are at their shortest.
const LONG_WAIT: Duration = Duration::from_secs(2);
/// How long the tasks of one process hand a lock to each other before they leave it for a moment to other processes, and
/// that moment: longer than the pauses of one who has waited long.
const LONGEST_STREAK: Duration = Duration::from_millis(400);
const LEFT_FREE: Duration = Duration::from_millis(20);

/// A lock that was taken.
pub(super) struct Taken {
    pub(super) fencing: u64,
    /// When it was asked for: its time runs from then on at the earliest.
    pub(super) asked: Instant,
}

/// Tries once; `None` when somebody else has it.
pub(super) async fn try_once(
    claim: &Arc<Claim>,
    timeout: Duration,
) -> Result<Result<Taken, Option<Duration>>> {
    let asked = Instant::now();
    match Trying::new(claim, timeout).await? {
        LockAnswer::Taken(fencing) => Ok(Ok(Taken { fencing, asked })),
        LockAnswer::Held(left) => Ok(Err(left)),
    }
}

/// Tries until the lock is ours or the time is up; `None` then. Only one who has the turn of this process may.
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
                    streak.get_or_insert(taken.asked);
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
        // At the end of the time it is tried once more.
        sleep_until(limit.at().min(now + pause(started.elapsed(), left))).await;
    }
}

/// How long to wait until the next try, having waited for so long, for a holder who has so much time left.
fn pause(waited: Duration, left: Option<Duration>) -> Duration {
    let share = (waited.as_secs_f64() / LONG_WAIT.as_secs_f64()).min(1.0);
    let pause = jittered(LONGEST_PAUSE.saturating_sub(part_of(LONGEST_PAUSE - SHORTEST_PAUSE, share)));
    // Should it not be renewed, then it is free a moment later.
    pause.min(left.unwrap_or(Duration::MAX).saturating_add(Duration::from_millis(1)))
}

type UnderWay = BoxFuture<'static, Result<LockAnswer>>;

/// A try under way. When it is dropped before its answer, the answer is waited for in the background, and what it got is
/// given back: a release on another connection could come before what it is to undo.
struct Trying {
    claim: Arc<Claim>,
    under_way: Option<UnderWay>,
    is_sent: bool,
}

impl Trying {
    fn new(claim: &Arc<Claim>, timeout: Duration) -> Self {
        let asking = Arc::clone(claim);
        let under_way = async move { asking.acquire(Deadline::after(timeout)).await };
        Self { claim: Arc::clone(claim), under_way: Some(Box::pin(under_way)), is_sent: false }
    }
}

impl Future for Trying {
    type Output = Result<LockAnswer>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.is_sent = true;
        let Some(under_way) = &mut self.under_way else { return Poll::Pending };
        let answer = ready!(under_way.as_mut().poll(context));
        self.under_way = None;
        if is_open(&answer) {
            self.claim.runtime.spawn(give_back(Arc::clone(&self.claim)));
        }
        Poll::Ready(answer)
    }
}

impl Drop for Trying {
    fn drop(&mut self) {
        if self.is_sent
            && let Some(under_way) = self.under_way.take()
        {
            let claim = Arc::clone(&self.claim);
            self.claim.runtime.spawn(async move {
                let answer = under_way.await;
                if matches!(answer, Ok(LockAnswer::Taken(_))) || is_open(&answer) {
                    give_back(claim).await;
                }
            });
        }
    }
}

/// Whether the lock may have been taken, or may still be, without anybody knowing.
fn is_open(answer: &Result<LockAnswer>) -> bool {
    answer.as_ref().is_err_and(|error| {
        (error.is_outage() && !error.is_breaker_open())
            || matches!(error.kind(), ErrorKind::Decode | ErrorKind::Protocol)
    })
}

/// Gives back what was taken, or may be taken yet by a command that is still on its way: some seconds are enough for most.
async fn give_back(claim: Arc<Claim>) {
    let mut backoff = Backoff::new(SHORTEST_PAUSE, Duration::from_secs(3)).growing_by(4);
    for _ in 0..5 {
        match claim.release(Deadline::after(claim.binding.timeout)).await {
            Ok(true) => return,
            Err(error) if error.kind() == ErrorKind::Closed => return,
            Ok(false) | Err(_) => sleep(backoff.pause()).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_get_shorter_and_do_not_outlast_the_holder() {
        let longest = |waited| (0..200).map(|_| pause(waited, None)).max().unwrap();
        assert!(longest(Duration::ZERO) <= LONGEST_PAUSE * 3 / 2);
        assert!(longest(Duration::ZERO) > longest(LONG_WAIT));
        for waited in [LONG_WAIT, LONG_WAIT * 1000] {
            assert!(longest(waited) <= SHORTEST_PAUSE * 3 / 2, "{waited:?}");
            assert!(longest(waited) < LEFT_FREE, "who has waited long comes while the lock is left free");
        }
        assert!(pause(Duration::ZERO, Some(Duration::from_millis(3))) <= Duration::from_millis(4));
    }
}
