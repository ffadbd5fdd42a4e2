//! Running requests on a `bb8_redis` pool of the application.

use std::sync::atomic::{AtomicBool, Ordering};

use bb8_redis::{RedisConnectionManager, bb8};
use redis::Pipeline;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use tokio::time::timeout_at;

use super::login::{says_cluster, without_transactions};
use crate::config::ExternalPool;
use crate::error::{Budget, Error, ErrorKind, without_arguments};
use crate::protocol::{Keys, Packet, Replies, Reply, Request, Wire};
use crate::time::Deadline;

impl ExternalPool {
    async fn check_out(
        &self,
        db: u16,
        deadline: Deadline,
    ) -> Result<bb8::PooledConnection<'static, RedisConnectionManager>, Error> {
        let connection = match timeout_at(deadline.at(), self.pool.get_owned()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(bb8::RunError::User(error))) => return Err(Error::driver(error)),
            // bb8 hides why it could not connect; one attempt outside of the pool finds out.
            Ok(Err(bb8::RunError::TimedOut)) => {
                self.dedicated(db, deadline).await?;
                return Err(busy(deadline));
            }
            Err(_) => return Err(self.out_of_time(deadline)),
        };
        check_database(&*connection, db)?;
        Ok(connection)
    }

    /// A connection outside of the pool.
    async fn dedicated(&self, db: u16, deadline: Deadline) -> Result<MultiplexedConnection, Error> {
        let connected = deadline.bound(Budget::Connect, self.pool.dedicated_connection()).await?;
        let connection = connected.map_err(can_not_connect)?;
        check_database(&connection, db)?;
        Ok(connection)
    }

    fn out_of_time(&self, deadline: Deadline) -> Error {
        // Without a single connection, none can be busy.
        if self.pool.state().connections == 0 { deadline.passed(Budget::Connect) } else { busy(deadline) }
    }

    /// Runs a request on a connection that no other caller uses meanwhile: the application may leave one in a state in which
    /// it can't be shared, such as a pending BLPOP or a WATCH.
    pub(crate) async fn run(
        &self,
        request: &Request,
        namespace: &str,
        db: u16,
        deadline: Deadline,
        closed: &AtomicBool,
    ) -> Result<Replies, Error> {
        let mut connection = self.check_out(db, deadline).await?;
        if closed.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        if request.is_transactional() {
            self.check_transactions(&mut connection, deadline).await?;
        }
        if request.may_span_slots() && self.ask_for_cluster(&mut connection, deadline).await? {
            request.across_slots(namespace).map_or(Ok(()), Err)?;
        }
        let pipeline = pipeline(request, namespace);
        let sent = connection.send_packed_commands(&pipeline, 0, request.replies());
        let replies = deadline.bound(Budget::Reply, sent).await?.map_err(Error::driver)?;
        let mut replies = replies.into_iter().map(Reply::from);
        if matches!(request, Request::One(_)) {
            let only = replies.next().ok_or_else(|| Error::protocol("no reply to a command"))?;
            Ok(Replies::One(only))
        } else {
            Ok(Replies::Many(replies.collect()))
        }
    }

    /// Connects for one caller alone, outside of the pool: the pool's manager never finds a connection broken, so one left
    /// with a WATCH or on another database would go to the next user.
    pub(crate) async fn exclusive(
        &self,
        db: u16,
        deadline: Deadline,
    ) -> Result<MultiplexedConnection, Error> {
        let mut connection = self.dedicated(db, deadline).await?;
        // The driver's half a second is too short for blocking commands; callers set their own limits.
        connection.set_response_timeout(Deadline::LONGEST);
        Ok(connection)
    }

    /// Connects, to find out whether the server is available.
    pub(crate) async fn probe(&self, db: u16, deadline: Deadline) -> Result<(), Error> {
        self.dedicated(db, deadline).await.map(drop)
    }

    pub(crate) async fn connect(&self, db: u16, deadline: Deadline) -> Result<(), Error> {
        self.check_out(db, deadline).await.map(drop)
    }

    /// Asks whether the server accepts MULTI, until it does: a server that rejects it would run the commands after it one by
    /// one.
    async fn check_transactions(
        &self,
        connection: &mut MultiplexedConnection,
        deadline: Deadline,
    ) -> Result<(), Error> {
        if self.has_transactions.load(Ordering::Relaxed) {
            return Ok(());
        }
        let probe = pipeline(&Request::Atomic(Vec::new()), "");
        let sent = connection.send_packed_commands(&probe, 0, 2);
        let replies = deadline.bound(Budget::Reply, sent).await?.map_err(Error::driver)?;
        match replies.into_iter().next().map(Reply::from) {
            Some(Reply::Error(said)) => Err(without_transactions(&Error::server(&said))),
            _ => {
                self.has_transactions.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Asks once whether the server is a node of a cluster. A server before version 6.2 does not say, and counts as none.
    async fn ask_for_cluster(
        &self,
        connection: &mut MultiplexedConnection,
        deadline: Deadline,
    ) -> Result<bool, Error> {
        if let Some(is_cluster) = self.is_cluster.get() {
            return Ok(*is_cluster);
        }
        let hello = pipeline(&Request::One(Packet::new("HELLO", Keys::None)), "");
        let sent = connection.send_packed_commands(&hello, 0, 1);
        let replies = deadline.bound(Budget::Reply, sent).await?.map_err(Error::driver)?;
        let hello = replies.into_iter().next().map(Reply::from);
        Ok(*self.is_cluster.get_or_init(|| hello.is_some_and(|hello| says_cluster(&hello))))
    }

    pub(crate) fn learn_cluster(&self) {
        self.is_cluster.get_or_init(|| true);
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.is_cluster.get().copied().unwrap_or_default()
    }

    pub(crate) fn state(&self) -> bb8::State {
        self.pool.state()
    }
}

fn busy(deadline: Deadline) -> Error {
    deadline.passed(Budget::Checkout).reworded(
        "timed out waiting for a connection of the application's pool; raise its `max_size` or release connections sooner",
    )
}

/// Why the pool could not connect.
fn can_not_connect(error: redis::RedisError) -> Error {
    let kind = match Error::driver(error.clone()).kind() {
        kind @ (ErrorKind::AuthenticationFailed | ErrorKind::PermissionDenied) => kind,
        _ if error.kind() == redis::ErrorKind::AuthenticationFailed => ErrorKind::AuthenticationFailed,
        _ => ErrorKind::Unavailable,
    };
    // A server without HELLO repeats the password that HELLO contained.
    let said = error.to_string();
    let told = without_arguments(&said);
    let ours = Error::new(kind, format!("the application's pool can't connect: {told}"));
    // As the source, it would show what the message leaves out.
    if told == said { ours.sourced(error) } else { ours }
}

/// A keyspace uses one database, and a borrowed connection is never switched to another.
fn check_database(connection: &impl ConnectionLike, db: u16) -> Result<(), Error> {
    let found = connection.get_db();
    if found == i64::from(db) {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "the application's pool connects to database {found}, but was passed as a pool of database {db}; use \
         Redis::from_pool_on, or `RedisBuilder::pool` with `db`"
    )))
}

fn pipeline(request: &Request, namespace: &str) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(request.replies());
    request.visit(&mut |wire| match wire {
        Wire::Bare(name) => {
            pipeline.cmd(name);
        }
        Wire::Packet(packet) => {
            pipeline.cmd(packet.name);
            for argument in packet.head.iter().flat_map(|head| head.iter()) {
                pipeline.arg(argument);
            }
            packet.keys.visit(namespace, &mut |parts| {
                pipeline.arg(parts.concat());
            });
            for argument in packet.args.iter() {
                pipeline.arg(argument);
            }
        }
    });
    pipeline
}
