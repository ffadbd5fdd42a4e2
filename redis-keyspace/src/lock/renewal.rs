//! Renews a held lock until it is released or lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::script::Claim;
use super::state::{HoldLimit, HoldState, end, late};
use crate::error::{Error, ErrorKind, Result};
use crate::local::{Streak, Turn};
use crate::schema::TemplateMeta;
use crate::sync::lock;
use crate::time::{Deadline, Moment, jittered};

pub(super) const RELEASED: &str = "the lock was released";
pub(super) const NOT_OURS: &str =
    "the lock is no longer held: it was deleted or expired, and another holder may have it";

const SHORTEST_TRY: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the guard, its handles and the renewal share.
pub(super) struct HeldLock {
    pub(super) claim: Arc<Claim>,
    pub(super) template: &'static TemplateMeta,
    pub(super) fencing: u64,
    /// How long the lock is held without renewal.
    pub(super) lifetime: Duration,
    pub(super) max_hold: Option<HoldLimit>,
    pub(super) state: watch::Sender<HoldState>,
    /// Other tasks of this process wait for this turn instead of polling the server.
    pub(super) turn: Mutex<Option<Turn<Streak>>>,
}

impl HeldLock {
    pub(super) fn about(&self, error: Error) -> Error {
        error.about("EVALSHA", Some(self.template.name()), Some(self.claim.key.as_str()))
    }

    pub(super) fn lost(&self, how: &str) -> Error {
        self.about(Error::new(ErrorKind::LockLost, how))
    }

    /// Records that the lock is no longer held, and passes the turn to the next task of this
    /// process.
    pub(super) fn end(&self, why: Error) {
        self.state.send_if_modified(|state| {
            let is_news = state.ended.is_none();
            state.ended.get_or_insert(why);
            is_news
        });
        drop(self.take_turn());
    }

    pub(super) fn take_turn(&self) -> Option<Turn<Streak>> {
        lock(&self.turn).take()
    }

    /// Records a renewal that was requested at `asked`. Fails if it came too late: a lock that was
    /// reported as lost stays lost.
    fn extend(&self, asked: Moment) -> Result<()> {
        let mut why = None;
        self.state.send_if_modified(|state| {
            why = state.why();
            if why.is_none() {
                state.until = end(asked.at, self.lifetime);
                state.clock = asked.clock;
            }
            why.is_none()
        });
        why.map_or(Ok(()), Err)
    }

    /// Renews the lock, and retries while there is time. Returns when the renewal was requested, or
    /// why the lock is lost.
    async fn renew(&self) -> Result<Instant, Error> {
        let timeout = self.claim.binding.timeout;
        let mut failure: Option<Error> = None;
        loop {
            let (asked, until) = (Moment::now(), self.state.borrow().ends());
            let rest = until.saturating_duration_since(asked.at);
            if rest.is_zero() {
                if let Some(limit) = self.max_hold.filter(HoldLimit::is_over) {
                    return Err(limit.into_error());
                }
                let late = late();
                return Err(match failure {
                    Some(failure) => {
                        late.explained(&format!("the last attempt failed: {failure}")).sourced(failure)
                    }
                    None => late,
                });
            }
            // An unresponsive connection must not use up all of the time.
            let deadline = Deadline::after(timeout.min((rest / 2).max(SHORTEST_TRY)));
            match self.claim.renew(deadline).await {
                Ok(true) => return self.extend(asked).map(|()| asked.at),
                Ok(false) => return Err(Error::new(ErrorKind::LockLost, NOT_OURS)),
                Err(error) if error.kind() == ErrorKind::Closed => {
                    let closed = "the Redis handle was closed, so the lock is no longer renewed";
                    return Err(Error::new(ErrorKind::LockLost, closed).sourced(error));
                }
                Err(error) => {
                    event!(warn, "lock not renewed, trying again", error = %error);
                    failure = Some(error);
                    let pause = jittered((self.lifetime / 24).clamp(SHORTEST_TRY, LONGEST_PAUSE));
                    sleep_until(until.min(Instant::now() + pause)).await;
                }
            }
        }
    }
}

/// Renews a lock until it is lost or reaches its `max_hold`. The task is aborted when the lock is
/// released.
pub(super) async fn keep(shared: Arc<HeldLock>, asked: Instant) {
    let Some(limit) = shared.max_hold else { return renew_until_lost(&shared, asked).await };
    tokio::select! {
        biased;
        () = sleep_until(limit.at) => {}
        () = renew_until_lost(&shared, asked) => if !limit.is_over() { return },
    }
    let lost = limit.into_error();
    event!(warn, "lock lost", error = %lost, template = shared.template.template());
    // The turn passes to the next task of this process when the lock is free.
    let _turn = shared.take_turn();
    shared.end(lost);
    if let Err(error) = shared.claim.release(Deadline::after(shared.claim.binding.timeout)).await {
        event!(warn, "lock not released: it expires by itself", error = %error);
    }
}

async fn renew_until_lost(shared: &HeldLock, mut asked: Instant) {
    loop {
        sleep_until(asked + shared.lifetime / 3).await;
        match shared.renew().await {
            Ok(renewed) => asked = renewed,
            Err(lost) => {
                event!(warn, "lock lost", error = %lost, template = shared.template.template());
                shared.end(lost);
                return;
            }
        }
    }
}
