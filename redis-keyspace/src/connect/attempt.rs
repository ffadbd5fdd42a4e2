//! Attempts to connect, and the probes that look for a server that was lost.
//!
//! bb8 hides a failed attempt and lets every caller wait for its timeout. So an attempt never fails as far as bb8 knows: its
//! outcome is what bb8 pools, and a failure is handed to the caller that asked, once.

use std::sync::Arc;

use tokio::time::{Duration, Instant};

use super::facts::ServerFacts;
use super::open::open;
use crate::config::{Endpoint, Settings};
use crate::error::{Budget, Error};
use crate::time::{Backoff, Deadline};

/// How often a waiting probe checks whether its pool still exists.
const CHECK: Duration = Duration::from_secs(1);
/// The pause before the first probe.
const FIRST_PROBE: Duration = Duration::from_millis(50);

/// The outcome of an attempt to connect.
pub(crate) enum Attempt<C> {
    Connected(C),
    /// Why, and when: if its caller is gone, it waits in the pool, and is no answer to a later caller.
    Failed(Error, Instant),
}

/// What the connections of a pool are made from, and where their fate is recorded.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) settings: Arc<Settings>,
    pub(crate) facts: Arc<ServerFacts>,
}

impl Origin {
    pub(crate) fn new(settings: Arc<Settings>, facts: Arc<ServerFacts>) -> Self {
        Self { settings, facts }
    }

    /// Makes one attempt within the limit for connecting, and records its outcome.
    pub(crate) async fn attempt<C>(
        &self,
        connect: impl Future<Output = Result<C, Error>> + Send,
    ) -> Attempt<C> {
        let limit = self.settings.connect_timeout;
        let outcome = tokio::time::timeout(limit, connect)
            .await
            .unwrap_or_else(|_| Err(Error::timeout(Budget::Connect, limit)));
        if self.facts.note(outcome.as_ref().err()) {
            self.probe();
        }
        match outcome {
            Ok(connection) => Attempt::Connected(connection),
            Err(error) => Attempt::Failed(error, Instant::now()),
        }
    }

    /// Records that a shared connection was lost.
    pub(crate) fn lost(&self, error: &Error, was_idle: bool) {
        if self.facts.note_loss(error, was_idle) {
            self.probe();
        }
    }

    /// Connects now and then until the server is back, or the pool is gone. The pauses grow up to the cooldown.
    pub(crate) fn probe(&self) {
        let (settings, facts) = (Arc::downgrade(&self.settings), Arc::downgrade(&self.facts));
        let cooldown = self.facts.breaker.cooldown();
        let mut backoff = Backoff::new(FIRST_PROBE.min(cooldown), cooldown.saturating_mul(2));
        tokio::spawn(async move {
            loop {
                let next = Instant::now() + backoff.pause().min(cooldown);
                while Instant::now() < next {
                    // In steps: the pool may go away meanwhile.
                    tokio::time::sleep_until(next.min(Instant::now() + CHECK)).await;
                    if facts.strong_count() == 0 {
                        return;
                    }
                }
                let (Some(settings), Some(facts)) = (settings.upgrade(), facts.upgrade()) else { return };
                if !facts.breaker.probing(true) {
                    return;
                }
                let origin = Self { settings, facts };
                // The attempt is recorded like any other, and closes the breaker if it succeeds.
                let _ = origin.attempt(sign_of_life(&origin)).await;
                origin.facts.breaker.probing(false);
            }
        });
    }
}

/// Connects and logs in.
async fn sign_of_life(origin: &Origin) -> Result<(), Error> {
    let settings = &origin.settings;
    if let Endpoint::Pool(external) = &settings.endpoint {
        return external.probe(settings.db, Deadline::after(settings.connect_timeout)).await;
    }
    open(settings, &origin.facts).await.map(drop)
}
