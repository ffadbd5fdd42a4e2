//! How bb8 makes our connections.
//!
//! bb8 keeps a failed attempt to itself and lets everybody wait for their timeout. So an attempt never fails as
//! far as bb8 knows: its outcome is what gets pooled, and a failed one is handed to whoever asked, once.

use std::sync::Arc;

use bb8_redis::bb8;
use tokio::time::{Duration, Instant};

use super::health::Health;
use super::lane::Lane;
use super::login::{Login, login};
use super::settings::{Endpoint, Settings};
use super::stream::Stream;
use crate::deadline::Deadline;
use crate::error::{Budget, Error};
use crate::run::jittered;

/// The outcome of an attempt to connect.
pub(crate) enum Attempt<C> {
    Connected(C),
    /// Why, and when: one whose asker has gone away waits in the pool, and is no answer to a later one.
    Failed(Error, Instant),
}

/// What the managers of a pool know.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) settings: Arc<Settings>,
    pub(crate) health: Arc<Health>,
}

impl Origin {
    pub(crate) fn new(settings: Arc<Settings>, health: Arc<Health>) -> Self {
        Self { settings, health }
    }

    /// Runs one attempt within the limit for connecting, and notes how it went.
    pub(crate) async fn attempt<C>(
        &self,
        connect: impl Future<Output = Result<C, Error>> + Send,
    ) -> Attempt<C> {
        let limit = self.settings.connect_timeout;
        let outcome = tokio::time::timeout(limit, connect)
            .await
            .unwrap_or_else(|_| Err(Error::timeout(Budget::Connect, limit)));
        if self.health.note(outcome.as_ref().err()) {
            self.probe();
        }
        match outcome {
            Ok(connection) => Attempt::Connected(connection),
            Err(error) => Attempt::Failed(error, Instant::now()),
        }
    }
}

impl Origin {
    /// Notes that a lane was lost.
    pub(crate) fn lost(&self, error: &Error, was_idle: bool) {
        if self.health.note_loss(error, was_idle) {
            self.probe();
        }
    }

    /// Connects now and then until the server is back, or the pool is gone. The pauses grow, so that it is found to be back
    /// after it was away for about as long again, or for the cooldown.
    pub(crate) fn probe(&self) {
        let (settings, health) = (Arc::downgrade(&self.settings), Arc::downgrade(&self.health));
        let (mut pause, cooldown) = (FIRST_PROBE, self.health.breaker.cooldown());
        tokio::spawn(async move {
            loop {
                let next = Instant::now() + jittered(pause).min(cooldown);
                pause = pause.saturating_mul(2).min(cooldown.saturating_mul(2));
                while Instant::now() < next {
                    // Not all at once: the pool may go meanwhile.
                    tokio::time::sleep_until(next.min(Instant::now() + LOOK)).await;
                    if health.strong_count() == 0 {
                        return;
                    }
                }
                let (Some(settings), Some(health)) = (settings.upgrade(), health.upgrade()) else { return };
                if !health.breaker.probing(true) {
                    return;
                }
                let origin = Self { settings, health };
                let settings = Arc::clone(&origin.settings);
                let connect = async move {
                    if let Endpoint::Pool(external) = &settings.endpoint {
                        return external.probe(settings.db, Deadline::after(settings.connect_timeout)).await;
                    }
                    let mut stream = Stream::open(&settings.endpoint).await?;
                    login(&mut stream, &settings).await.map(drop)
                };
                // What it finds is noted as of any other attempt, which closes the breaker if it succeeds.
                let _ = origin.attempt(connect).await;
                origin.health.breaker.probing(false);
            }
        });
    }
}

/// How often a probe that waits looks whether it is still wanted.
const LOOK: Duration = Duration::from_secs(1);
/// The first pause before a probe.
const FIRST_PROBE: Duration = Duration::from_millis(50);

/// Makes lanes.
pub(crate) struct LaneManager {
    pub(crate) origin: Origin,
}

impl bb8::ManageConnection for LaneManager {
    type Connection = Attempt<Lane>;
    type Error = std::convert::Infallible;

    async fn connect(&self) -> Result<Attempt<Lane>, Self::Error> {
        let settings = &self.origin.settings;
        let connect = async {
            let mut stream = Stream::open(&settings.endpoint).await?;
            let Login { unread, server, .. } = login(&mut stream, settings).await?;
            let run = self.origin.health.note_server(&server);
            Ok(Lane::spawn(stream, unread, self.origin.clone(), run, server.no_transactions))
        };
        Ok(self.origin.attempt(connect).await)
    }

    async fn is_valid(&self, _: &mut Attempt<Lane>) -> Result<(), Self::Error> {
        // A lane knows by itself when it is broken: its driver reads all the time.
        Ok(())
    }

    fn has_broken(&self, lane: &mut Attempt<Lane>) -> bool {
        match lane {
            Attempt::Connected(lane) => !lane.is_open(),
            Attempt::Failed(..) => true,
        }
    }
}
