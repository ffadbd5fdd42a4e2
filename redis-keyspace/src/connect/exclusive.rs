//! Connections for one user alone, driven by the `redis` crate: for whatever is not on a lane.

use std::fmt;
use std::time::{Duration, Instant};

use bb8_redis::bb8;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, ProtocolVersion, RedisConnectionInfo, RedisFuture, Value};
use tokio::task::AbortHandle;

use super::login::{Login, login};
use super::manager::{Attempt, Origin};
use super::settings::Settings;
use super::stream::Stream;
use crate::error::{Error, without_arguments};

/// A connection idle for longer is asked for a sign of life before it is handed out.
const PROBE_AFTER: Duration = Duration::from_secs(15);

pub(crate) struct Exclusive {
    connection: MultiplexedConnection,
    driver: AbortHandle,
    last_used: Instant,
    generation: u64,
    /// What the last user left behind makes it useless for the next one.
    tainted: bool,
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        // Otherwise the driver would live on until every request is answered, and a blocked one never is.
        self.driver.abort();
    }
}

impl Exclusive {
    async fn connect(settings: &Settings, generation: u64) -> Result<Self, Error> {
        let mut stream = Stream::open(&settings.endpoint).await?;
        // By ourselves, so that what goes wrong is said as on a lane; the driver is never told the password.
        let Login { speaks_resp3, .. } = login(&mut stream, settings).await?;
        let protocol = if speaks_resp3 { ProtocolVersion::RESP3 } else { ProtocolVersion::RESP2 };
        let info = RedisConnectionInfo::default()
            .set_db(settings.db.into())
            .set_protocol(protocol)
            .set_skip_set_lib_name();
        // Blocking commands wait as long as they are told to; who wants a limit sets one around the call.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config)
            .await
            .map_err(|error| Error::while_connecting(&settings.endpoint.to_string(), error))?;
        let driver = tokio::spawn(driver).abort_handle();
        Ok(Self { connection, driver, last_used: Instant::now(), generation, tainted: false })
    }

    fn is_usable(&self) -> bool {
        !self.tainted && !self.driver.is_finished()
    }
}

/// Makes exclusives.
pub(crate) struct ExclusiveManager {
    pub(crate) origin: Origin,
}

impl bb8::ManageConnection for ExclusiveManager {
    type Connection = Attempt<Exclusive>;
    type Error = Error;

    async fn connect(&self) -> Result<Attempt<Exclusive>, Error> {
        let Origin { settings, health } = &self.origin;
        Ok(self.origin.attempt(Exclusive::connect(settings, health.generation())).await)
    }

    async fn is_valid(&self, connection: &mut Attempt<Exclusive>) -> Result<(), Error> {
        // A failure is for whoever asked, and reaches them only if it passes.
        let Attempt::Connected(exclusive) = connection else { return Ok(()) };
        if !exclusive.is_usable() || exclusive.generation != self.origin.health.generation() {
            return Err(Error::connection_lost("found broken in the pool"));
        }
        if exclusive.last_used.elapsed() > PROBE_AFTER {
            let ping = redis::cmd("PING");
            let probe = ping.query_async::<()>(&mut exclusive.connection);
            let limit = self.origin.settings.connect_timeout;
            let Ok(Ok(())) = tokio::time::timeout(limit, probe).await else {
                exclusive.tainted = true;
                return Err(Error::connection_lost("no sign of life after a while idle"));
            };
        }
        Ok(())
    }

    fn has_broken(&self, connection: &mut Attempt<Exclusive>) -> bool {
        match connection {
            Attempt::Connected(exclusive) => !exclusive.is_usable(),
            Attempt::Failed(..) => true,
        }
    }
}

/// The raw connection that [`Redis::raw`](crate::Redis::raw) lends: a connection of the `redis` crate for you
/// alone, with the driver's whole API by way of its [`ConnectionLike`].
///
/// It goes back to its pool when it is dropped, unless it can't be used by others any more: a command still under
/// way, a `WATCH` or `MULTI` left open, or a command that changes the connection itself (`SELECT`, `SUBSCRIBE`,
/// `CLIENT`, `AUTH`, ..) has it closed instead. Where the handle is on a [pool of your own](crate::Redis::from_pool), the
/// connection is made beside it and always closed.
///
/// This type follows the major version of the `redis` crate, unlike everything else here.
pub struct RawConnection {
    lease: Lease,
    session: Session,
}

enum Lease {
    Own(bb8::PooledConnection<'static, ExclusiveManager>),
    /// A connection of its own, which is closed afterwards.
    External(MultiplexedConnection),
}

/// What the commands so far have made of the connection.
#[derive(Debug, Default)]
struct Session {
    busy: bool,
    watching: bool,
    queueing: bool,
    changed: bool,
    /// The server has said that it is a replica: its name stands for another one, or will soon.
    demoted: bool,
}

impl Session {
    fn note(&mut self, command: &Cmd) {
        let Some(redis::Arg::Simple(name)) = command.args_iter().next() else { return };
        match name.to_ascii_uppercase().as_slice() {
            b"WATCH" => self.watching = true,
            b"MULTI" => self.queueing = true,
            b"UNWATCH" => self.watching = false,
            b"EXEC" | b"DISCARD" => (self.watching, self.queueing) = (false, false),
            b"SELECT" | b"AUTH" | b"HELLO" | b"CLIENT" | b"RESET" | b"QUIT" | b"MONITOR" | b"SYNC"
            | b"PSYNC" | b"READONLY" | b"READWRITE" | b"ASKING" | b"SUBSCRIBE" | b"PSUBSCRIBE"
            | b"SSUBSCRIBE" | b"UNSUBSCRIBE" | b"PUNSUBSCRIBE" | b"SUNSUBSCRIBE" => self.changed = true,
            _ => {}
        }
    }

    fn is_clean(&self) -> bool {
        !(self.busy || self.watching || self.queueing || self.changed || self.demoted)
    }
}

impl RawConnection {
    pub(crate) fn pooled(connection: bb8::PooledConnection<'static, ExclusiveManager>) -> Self {
        Self { lease: Lease::Own(connection), session: Session::default() }
    }

    pub(crate) fn external(connection: MultiplexedConnection) -> Self {
        Self { lease: Lease::External(connection), session: Session::default() }
    }

    fn driver(&mut self) -> Option<&mut MultiplexedConnection> {
        match &mut self.lease {
            Lease::Own(pooled) => match &mut **pooled {
                Attempt::Connected(exclusive) => Some(&mut exclusive.connection),
                Attempt::Failed(..) => None,
            },
            Lease::External(connection) => Some(connection),
        }
    }
}

fn says_replica(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if error.code() == "READONLY")
}

trait Says {
    fn says_replica(&self) -> bool;
}

impl Says for Value {
    fn says_replica(&self) -> bool {
        says_replica(self)
    }
}

impl Says for Vec<Value> {
    fn says_replica(&self) -> bool {
        self.iter().any(says_replica)
    }
}

/// Whether the server has refused a write because it is a replica.
fn is_of_replica(reply: &redis::RedisResult<impl Says>) -> bool {
    match reply {
        Ok(reply) => reply.says_replica(),
        Err(error) => error.code() == Some("READONLY"),
    }
}

/// Cannot happen: a failed attempt is never lent.
fn never_lent() -> redis::RedisError {
    redis::RedisError::from((redis::ErrorKind::Client, "the connection was never made"))
}

impl ConnectionLike for RawConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.session.note(command);
        Box::pin(async move {
            // Stays set when this future is dropped half-way.
            self.session.busy = true;
            let reply = self.driver().ok_or_else(never_lent)?.send_packed_command(command).await;
            self.session.busy = false;
            self.session.demoted |= is_of_replica(&reply);
            reply
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        pipeline.cmd_iter().for_each(|command| self.session.note(command));
        Box::pin(async move {
            self.session.busy = true;
            let driver = self.driver().ok_or_else(never_lent)?;
            let replies = driver.send_packed_commands(pipeline, offset, count).await;
            self.session.busy = false;
            self.session.demoted |= is_of_replica(&replies);
            if pipeline.is_transaction() {
                // EXEC ends a WATCH whatever its outcome.
                self.session.watching = false;
            }
            replies
        })
    }

    fn get_db(&self) -> i64 {
        match &self.lease {
            Lease::Own(pooled) => match &**pooled {
                Attempt::Connected(exclusive) => exclusive.connection.get_db(),
                Attempt::Failed(..) => 0,
            },
            Lease::External(connection) => connection.get_db(),
        }
    }
}

impl Drop for RawConnection {
    fn drop(&mut self) {
        if let Lease::Own(pooled) = &mut self.lease
            && let Attempt::Connected(exclusive) = &mut **pooled
        {
            exclusive.last_used = Instant::now();
            exclusive.tainted |= !self.session.is_clean();
        }
    }
}

impl fmt::Debug for RawConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawConnection").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Error {
    /// An error of the driver before the connection was ready, in our terms.
    fn while_connecting(endpoint: &str, error: redis::RedisError) -> Self {
        let ours = Self::driver(error.clone());
        if !ours.is_connection_lost() {
            return ours;
        }
        Self::new(crate::ErrorKind::Unavailable, format!("can't connect to {endpoint}: {error}"))
            .sourced(error)
    }

    /// An error of the driver in our terms.
    pub(crate) fn driver(error: redis::RedisError) -> Self {
        use crate::error::ErrorKind;
        let ours = if let (Some(code), true) = (error.code(), !error.is_io_error()) {
            let said = format!("{code} {}", error.detail().unwrap_or_default());
            if without_arguments(&said) != said {
                // As a source, it would show what is left out of the message.
                return Self::server(&said);
            }
            Self::server(&said)
        } else if error.is_connection_refusal() {
            Self::new(ErrorKind::Unavailable, format!("can't connect: {error}"))
        } else if error.is_timeout() {
            Self::new(ErrorKind::Timeout, format!("the driver gave up waiting: {error}"))
        } else if error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error() {
            Self::connection_lost(&error)
        } else {
            Self::new(ErrorKind::Server, format!("the driver reported: {error}"))
        };
        ours.sourced(error)
    }
}
