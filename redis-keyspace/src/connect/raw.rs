//! The connections that raw access lends.

use std::fmt;
use std::time::Instant;

use bb8_redis::bb8;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, Value};

use super::attempt::Attempt;
use super::exclusive::ExclusiveManager;
use super::redact::{MayRepeat, commands};

/// A connection of the `redis` crate that no other caller uses, lent by [`Redis::raw`](crate::Redis::raw). It has the
/// driver's whole API through [`ConnectionLike`].
///
/// When it is dropped it returns to its pool, unless other callers can't use it: it is closed if a command is in flight, if a
/// `WATCH` or `MULTI` was left open, or after a command that changes the connection itself (`SELECT`, `SUBSCRIBE`, `CLIENT`,
/// `AUTH`, ..). If the handle uses a [pool of the application](crate::Redis::from_pool), the connection is made outside of the
/// pool and always closed.
///
/// This type follows the major version of the `redis` crate, which this crate re-exports as
/// [`redis_keyspace::redis`](crate::redis).
pub struct RawConnection {
    source: RawSource,
    session: RawState,
}

enum RawSource {
    Own(bb8::PooledConnection<'static, ExclusiveManager>),
    /// A connection outside of any pool, closed afterwards.
    External(MultiplexedConnection),
}

/// The state of the connection after the commands so far.
#[derive(Debug, Default)]
struct RawState {
    busy: bool,
    watching: bool,
    queueing: bool,
    changed: bool,
    /// The server said that it is a replica: its name resolves to another server, or will soon.
    demoted: bool,
}

impl RawState {
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
        Self { source: RawSource::Own(connection), session: RawState::default() }
    }

    pub(crate) fn external(connection: MultiplexedConnection) -> Self {
        Self { source: RawSource::External(connection), session: RawState::default() }
    }

    fn driver(&mut self) -> Option<&mut MultiplexedConnection> {
        match &mut self.source {
            RawSource::Own(pooled) => match &mut **pooled {
                Attempt::Connected(exclusive) => Some(&mut exclusive.connection),
                Attempt::Failed(..) => None,
            },
            RawSource::External(connection) => Some(connection),
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

/// Whether the server rejected a write because it is a replica.
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
            // Stays set if this future is dropped before it is ready.
            self.session.busy = true;
            let reply = self.driver().ok_or_else(never_lent)?.send_packed_command(command).await;
            self.session.busy = false;
            self.session.demoted |= is_of_replica(&reply);
            reply.without_arguments(std::iter::once(command))
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
                // EXEC ends a WATCH, whatever its outcome.
                self.session.watching = false;
            }
            replies.without_arguments(commands(pipeline))
        })
    }

    fn get_db(&self) -> i64 {
        match &self.source {
            RawSource::Own(pooled) => match &**pooled {
                Attempt::Connected(exclusive) => exclusive.connection.get_db(),
                Attempt::Failed(..) => 0,
            },
            RawSource::External(connection) => connection.get_db(),
        }
    }
}

impl Drop for RawConnection {
    fn drop(&mut self) {
        if let RawSource::Own(pooled) = &mut self.source
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
