//! Exclusive connections, driven by the `redis` crate.

use std::sync::atomic::Ordering;
use std::time::Instant;

use bb8_redis::bb8;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo};
use tokio::task::AbortHandle;

use super::atomicity::Atomicity;
use super::attempt::{Attempt, Origin};
use super::login::Login;
use super::open::open;
use super::reauthentication::authenticate_idle;
use crate::error::Error;

pub(crate) struct Exclusive {
    pub(super) connection: MultiplexedConnection,
    /// What the server accepts for atomic operations.
    pub(super) atomicity: Atomicity,
    driver: AbortHandle,
    pub(super) last_used: Instant,
    generation: u64,
    /// The number of the credentials that a provider returned for it.
    issued: Option<u64>,
    /// Whether it did not answer.
    is_silent: bool,
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
        let driver = tokio::spawn(driver).abort_handle();
        Ok(Self {
            connection,
            atomicity: server.atomicity,
            driver,
            last_used: Instant::now(),
            generation,
            issued: issued.map(|issued| issued.number()),
            is_silent: false,
            is_modified: false,
        })
    }

    fn is_usable(&self) -> bool {
        !self.is_silent && !self.is_modified && !self.driver.is_finished()
    }
}

/// The bb8 manager of exclusive connections.
pub(crate) struct ExclusiveManager {
    pub(crate) origin: Origin,
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
        exclusive.issued =
            authenticate_idle(&mut exclusive.connection, exclusive.issued, &self.origin).await?;
        let idle = exclusive.last_used.elapsed();
        if self.origin.settings.ping_interval.is_some_and(|interval| idle > interval) {
            let ping = redis::cmd("PING");
            let probe = ping.query_async::<()>(&mut exclusive.connection);
            let limit = self.origin.settings.connect_timeout;
            let Ok(Ok(())) = tokio::time::timeout(limit, probe).await else {
                exclusive.is_silent = true;
                return Err(Error::connection_lost("no reply to PING after an idle period"));
            };
        }
        Ok(())
    }

    fn has_broken(&self, connection: &mut Attempt<Exclusive>) -> bool {
        match connection {
            Attempt::Connected(exclusive) => {
                // bb8 counts every connection that it does not keep as broken.
                if exclusive.is_modified && !exclusive.is_silent && !exclusive.driver.is_finished() {
                    self.origin.facts.modified_connections.fetch_add(1, Ordering::Relaxed);
                }
                !exclusive.is_usable()
            }
            Attempt::Failed(..) => true,
        }
    }
}
