//! The connections that raw access lends.

use std::fmt;
use std::time::Instant;

use bb8_redis::bb8;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, Value};

use super::attempt::Attempt;
use super::exclusive::ExclusiveManager;
use super::raw_session::RawSession;
use super::redact::{MayRepeat, commands};

/// A connection of the `redis` crate that no other caller uses, lent by [`Redis::raw`](crate::Redis::raw). It has the
/// driver's whole API through [`ConnectionLike`].
///
/// Dropping it returns the connection to its pool if it is in the state of a new connection. It is closed instead
///
/// - if a request has no reply: it is in flight, or its future was dropped, even before its first poll;
/// - unless replies prove that no `WATCH` or `MULTI` is left. `UNWATCH` and `DISCARD` prove it with `OK`, `EXEC` with its
///   results, nil or `EXECABORT`. `DISCARD` without `MULTI` is an error, and keys stay watched;
/// - after a command that changes the connection itself: `SELECT`, `AUTH`, `HELLO`, `CLIENT`, `RESET`, `SUBSCRIBE` and its
///   variants, `MONITOR`, `SCRIPT DEBUG` and the like;
/// - after a pipeline that is sent with a wrong number of expected replies.
///
/// If the server renames such a command (`rename-command`), it is not recognised under its new name: do not send it.
///
/// If the handle uses a [pool of the application](crate::Redis::from_pool), the connection is made outside of the pool and
/// always closed.
///
/// This type follows the major version of the `redis` crate, which this crate re-exports as
/// [`redis_keyspace::redis`](crate::redis).
pub struct RawConnection {
    source: RawSource,
    session: RawSession,
}

enum RawSource {
    Own(bb8::PooledConnection<'static, ExclusiveManager>),
    /// A connection outside of any pool, closed afterwards.
    External(MultiplexedConnection),
}

impl RawConnection {
    pub(crate) fn pooled(connection: bb8::PooledConnection<'static, ExclusiveManager>) -> Self {
        Self { source: RawSource::Own(connection), session: RawSession::default() }
    }

    pub(crate) fn external(connection: MultiplexedConnection) -> Self {
        Self { source: RawSource::External(connection), session: RawSession::default() }
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

/// Cannot happen: a failed attempt is never lent.
fn never_lent() -> redis::RedisError {
    redis::RedisError::from((redis::ErrorKind::Client, "the connection was never made"))
}

impl ConnectionLike for RawConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.session.begin(command);
        Box::pin(async move {
            let reply = self.driver().ok_or_else(never_lent)?.send_packed_command(command).await;
            self.session.answered(command, &reply);
            reply.without_arguments(std::iter::once(command))
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.session.begin_pipeline(pipeline, offset.checked_add(count));
        Box::pin(async move {
            let driver = self.driver().ok_or_else(never_lent)?;
            let replies = driver.send_packed_commands(pipeline, offset, count).await;
            self.session.answered_pipeline(pipeline, offset, &replies);
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
