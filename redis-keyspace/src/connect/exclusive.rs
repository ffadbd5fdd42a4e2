//! Exclusive connections, driven by the `redis` crate.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bb8_redis::bb8;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::atomicity::Atomicity;
use super::attempt::{Attempt, Origin};
use super::credentials::IssuedCredentials;
use super::login::Login;
use super::open::open;
use super::reauthentication::{authenticate_idle, newer_credentials};
use crate::error::Error;
use crate::sync::lock;
use crate::task::spawn_here;

/// The shortest time that the check of an idle connection may take.
const SHORTEST_CHECK: Duration = Duration::from_millis(200);

pub(crate) struct Exclusive {
    pub(super) connection: MultiplexedConnection,
    /// What the server accepts for atomic operations.
    pub(super) atomicity: Atomicity,
    driver: AbortHandle,
    pub(super) last_used: Instant,
    generation: u64,
    /// The number of the credentials that a provider returned for it.
    issued: Option<u64>,
    /// When its check began, while it is checked. Still set afterwards if the caller stopped
    /// waiting: the connection may be silent.
    checked_since: Option<Instant>,
    /// Whether its last user left it in a state that the next one can't use.
    pub(super) is_modified: bool,
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        // Otherwise the driver would run until every request is answered, and a blocked request may
        // never be.
        self.driver.abort();
    }
}

impl Exclusive {
    async fn connect(origin: &Origin, generation: u64) -> Result<Self, Error> {
        // Our own login reports the same errors as on a lane, and the driver does not keep the
        // password.
        let settings = &origin.settings;
        let mut replaced = origin.facts.replacements();
        let (stream, Login { speaks_resp3, server, issued, .. }) = open(settings, &origin.facts).await?;
        origin.facts.note_server(&server);
        let protocol = if speaks_resp3 { ProtocolVersion::RESP3 } else { ProtocolVersion::RESP2 };
        let info = RedisConnectionInfo::default()
            .set_db(settings.db.into())
            .set_protocol(protocol)
            .set_skip_set_lib_name();
        // Blocking commands wait as long as they specify. Callers set their own limits.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config)
            .await
            .map_err(|error| Error::driver_connecting(&settings.endpoint.to_string(), error))?;
        // Subscribed before the master was asked for, so that no replacement is missed.
        let driver = async move {
            tokio::select! {
                () = driver => {}
                // Also commands of connections that are checked out must not reach the old master.
                _ = replaced.changed() => {}
            }
        };
        let driver = spawn_here(driver);
        Ok(Self {
            connection,
            atomicity: server.atomicity,
            driver,
            last_used: Instant::now(),
            generation,
            issued: issued.map(|issued| issued.number()),
            checked_since: None,
            is_modified: false,
        })
    }

    fn is_usable(&self) -> bool {
        self.checked_since.is_none() && !self.is_modified && !self.driver.is_finished()
    }
}

/// The bb8 manager of exclusive connections.
pub(crate) struct ExclusiveManager {
    origin: Origin,
    /// When the last check began that found a connection silent. Connections that were not used
    /// since then are probably silent too: network devices drop idle connections, and callers get
    /// the latest one first.
    distrusted: Mutex<Option<Instant>>,
}

impl ExclusiveManager {
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, distrusted: Mutex::default() }
    }

    /// How long an idle connection may take to answer. As on a lane, it is a part of the timeout:
    /// the rest is for another connection.
    fn limit(&self) -> Duration {
        let settings = &self.origin.settings;
        (settings.timeout / 5).max(SHORTEST_CHECK).min(settings.connect_timeout)
    }

    /// Distrusts all connections that were not used since this time. It is not the time of the last
    /// use of the silent connection: two that are returned at the same time may change places.
    fn distrust(&self, checked_since: Instant) {
        let mut distrusted = lock(&self.distrusted);
        *distrusted = distrusted.max(Some(checked_since));
    }

    fn is_distrusted(&self, exclusive: &Exclusive) -> bool {
        lock(&self.distrusted).is_some_and(|distrusted| exclusive.last_used < distrusted)
    }

    /// Asks the server on a connection that was idle for long, or whose credentials have changed.
    async fn check(
        &self,
        exclusive: &mut Exclusive,
        newer: Option<Arc<IssuedCredentials>>,
    ) -> Result<(), Error> {
        let limit = self.limit();
        if let Some(newer) = newer {
            authenticate_idle(&mut exclusive.connection, &newer, &self.origin, limit).await?;
            exclusive.issued = Some(newer.number());
        }
        let idle = exclusive.last_used.elapsed();
        if self.origin.settings.ping_interval.is_some_and(|interval| idle > interval) {
            let ping = redis::cmd("PING");
            let probe = ping.query_async::<redis::Value>(&mut exclusive.connection);
            // Also an error shows that the server answers. One that can't save its data rejects
            // PING.
            let answers = match timeout(limit, probe).await {
                Ok(Ok(_)) => true,
                Ok(Err(error)) => !Error::driver(error).is_connection_lost(),
                Err(_) => false,
            };
            if !answers {
                return Err(Error::connection_lost("no reply to PING after an idle period"));
            }
        }
        Ok(())
    }
}

impl bb8::ManageConnection for ExclusiveManager {
    type Connection = Attempt<Exclusive>;
    type Error = Error;

    async fn connect(&self) -> Result<Attempt<Exclusive>, Error> {
        let generation = self.origin.facts.generation();
        Ok(self.origin.attempt(|| Exclusive::connect(&self.origin, generation)).await)
    }

    async fn is_valid(&self, connection: &mut Attempt<Exclusive>) -> Result<(), Error> {
        // Pass a failed attempt on: it is for the caller that requested it.
        let Attempt::Connected(exclusive) = connection else { return Ok(()) };
        if !exclusive.is_usable() || exclusive.generation != self.origin.facts.generation() {
            return Err(Error::connection_lost("found broken in the pool"));
        }
        if self.is_distrusted(exclusive) {
            return Err(Error::connection_lost("idle for longer than a connection that was silent"));
        }
        let checked_since = Instant::now();
        let newer = newer_credentials(exclusive.issued, &self.origin).await;
        exclusive.checked_since = Some(checked_since);
        let outcome = self.check(exclusive, newer).await;
        exclusive.checked_since = None;
        if outcome.as_ref().is_err_and(Error::is_connection_lost) {
            self.distrust(checked_since);
        }
        outcome
    }

    fn has_broken(&self, connection: &mut Attempt<Exclusive>) -> bool {
        match connection {
            Attempt::Connected(exclusive) => {
                if let Some(since) = exclusive.checked_since {
                    // With a short timeout, the limit of the check never passes.
                    if since.elapsed() >= self.origin.settings.timeout / 2 {
                        self.distrust(since);
                    }
                } else if exclusive.is_modified && !exclusive.driver.is_finished() {
                    // bb8 counts every connection that it does not keep as broken.
                    self.origin.facts.modified_connections.fetch_add(1, Ordering::Relaxed);
                }
                !exclusive.is_usable()
            }
            Attempt::Failed(..) => true,
        }
    }
}
