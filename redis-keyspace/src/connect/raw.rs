//! The connections of raw access.

use std::fmt;

use bb8_redis::bb8;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, Value};
use tokio::time::Instant;

use super::atomicity::SendPlan;
use super::attempt::Attempt;
use super::exclusive::ExclusiveManager;
use super::external::{executing, pipeline};
use super::raw_session::RawSession;
use super::redact::{MayRepeat, commands};
use crate::error::{Budget, Error};
use crate::protocol::{Reply, Request};
use crate::time::Deadline;

/// An exclusive connection of the `redis` crate, lent by [`Redis::raw`](crate::Redis::raw). It
/// implements [`ConnectionLike`], so the driver's whole API works on it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// use redis_keyspace::raw::RawConnection;
/// use redis_keyspace::{Redis, redis};
///
/// async fn push(mut connection: RawConnection) -> redis::RedisResult<u64> {
///     redis::cmd("RPUSH").arg("queue").arg("job").query_async(&mut connection).await
/// }
///
/// assert_eq!(Redis::embedded().raw(push).await?, 1);
/// # Ok(()) }
/// ```
///
/// Dropping the connection returns it to its pool if it is in the state of a new connection.
/// Otherwise the connection is closed:
///
/// - if a request has no reply: it is in flight, or its future was dropped, even before its first
///   poll;
/// - if replies do not prove that all `WATCH` and `MULTI` have ended. `UNWATCH` and `DISCARD` prove
///   it with `OK`, `EXEC` with its results, nil or `EXECABORT`. `DISCARD` without `MULTI` is an
///   error, and keys stay watched;
/// - after a command that changes the connection itself: `SELECT`, `AUTH`, `HELLO`, `CLIENT`,
///   `RESET`, `SUBSCRIBE` and its variants, `MONITOR`, `SCRIPT DEBUG` and the like;
/// - after a pipeline with a wrong number of expected replies;
/// - after an error reply with the code `READONLY`: the server is a replica.
///
/// A command that the server renames (`rename-command`) is not recognized under its new name: do
/// not send such a command.
///
/// If the handle uses a [pool of the application](crate::Redis::from_pool), the connection is
/// opened outside of the pool and always closed.
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

    /// Returns how a request must be sent on this connection.
    pub(super) fn plan(&self, request: &Request) -> SendPlan {
        match &self.source {
            RawSource::Own(pooled) => match &**pooled {
                Attempt::Connected(exclusive) => exclusive.atomicity.plan(request),
                Attempt::Failed(..) => SendPlan::Unchanged,
            },
            RawSource::External(_) => SendPlan::Unchanged,
        }
    }

    /// Sends commands of the library, whose errors do not need to be redacted.
    pub(super) async fn send(&mut self, pipeline: &Pipeline) -> redis::RedisResult<Vec<Value>> {
        self.session.begin_pipeline(pipeline, Some(pipeline.len()));
        let driver = self.driver().ok_or_else(never_lent)?;
        let replies = driver.send_packed_commands(pipeline, 0, pipeline.len()).await;
        self.session.answered_pipeline(pipeline, 0, &replies);
        replies
    }

    /// Sends a request of the library and returns its replies. Fails if the server rejects MULTI
    /// and the request needs it: a script can't take the place of MULTI if keys are watched.
    pub(crate) async fn request(
        &mut self,
        request: &Request,
        namespace: &str,
        deadline: Deadline,
    ) -> Result<Vec<Reply>, Error> {
        match self.plan(request) {
            SendPlan::Unchanged => {}
            SendPlan::AsScript => {
                return Err(Error::invalid_input(
                    "the server rejects MULTI, which transactions with watched keys need; nothing was sent; permit \
                     `+@transaction` in the ACL of the user",
                ));
            }
            SendPlan::Rejected(error) => return Err(error),
        }
        let mut replies = Vec::new();
        let commands = match (&self.source, request) {
            // Nothing is known about a server of the application. If it rejects MULTI, it would run
            // the commands after it.
            (RawSource::External(_), Request::Atomic(_)) => {
                let mut multi = Pipeline::new();
                multi.cmd("MULTI");
                replies = self.replies(&multi, deadline).await?;
                if !matches!(replies.as_slice(), [Reply::Ok]) {
                    return Ok(replies);
                }
                executing(request, namespace)
            }
            _ => pipeline(request, namespace),
        };
        replies.extend(self.replies(&commands, deadline).await?);
        Ok(replies)
    }

    async fn replies(&mut self, commands: &Pipeline, deadline: Deadline) -> Result<Vec<Reply>, Error> {
        let replies = deadline.bound(Budget::Reply, self.send(commands)).await?.map_err(Error::driver)?;
        if replies.len() != commands.len() {
            return Err(Error::protocol("not every command was answered"));
        }
        Ok(replies.into_iter().map(Reply::from).collect())
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

/// The error of a failed attempt, which is never lent.
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
            exclusive.is_modified |= !self.session.is_clean();
        }
    }
}

impl fmt::Debug for RawConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawConnection").field("session", &self.session).finish_non_exhaustive()
    }
}
