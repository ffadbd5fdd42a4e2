//! A pool that the application made itself: a `bb8_redis` pool, with its own configuration.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bb8_redis::{RedisConnectionManager, bb8};
use redis::Pipeline;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use tokio::time::timeout_at;

use super::exclusive::RawConnection;
use super::lane::{Replies, resp::Reply};
use super::login::{says_cluster, without_transactions};
use super::settings::unique_id;
use crate::command::{Keys, Packet, Request, Wire};
use crate::deadline::Deadline;
use crate::error::{Budget, Error, ErrorKind, without_arguments};

#[derive(Clone)]
pub(crate) struct External {
    id: u64,
    pool: bb8::Pool<RedisConnectionManager>,
    /// Whether the server is known to take MULTI.
    has_transactions: Arc<AtomicBool>,
    /// Whether the server is a node of a cluster, once it was asked.
    is_cluster: Arc<OnceLock<bool>>,
}

impl External {
    pub(crate) fn new(pool: bb8::Pool<RedisConnectionManager>) -> Self {
        Self { id: unique_id(), pool, has_transactions: Arc::default(), is_cluster: Arc::default() }
    }

    async fn check_out(
        &self,
        db: u16,
        deadline: Deadline,
    ) -> Result<bb8::PooledConnection<'static, RedisConnectionManager>, Error> {
        let connection = match timeout_at(deadline.at(), self.pool.get_owned()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(bb8::RunError::User(error))) => return Err(Error::driver(error)),
            // bb8 keeps the cause of a failed connect to itself, so one direct attempt asks for it.
            Ok(Err(bb8::RunError::TimedOut)) => {
                self.dedicated(db, deadline).await?;
                return Err(busy(deadline));
            }
            Err(_) => return Err(self.out_of_time(deadline)),
        };
        check_database(&*connection, db)?;
        Ok(connection)
    }

    /// A connection beside the pool.
    async fn dedicated(&self, db: u16, deadline: Deadline) -> Result<MultiplexedConnection, Error> {
        let connected = deadline.bound(Budget::Connect, self.pool.dedicated_connection()).await?;
        let connection = connected.map_err(can_not_connect)?;
        check_database(&connection, db)?;
        Ok(connection)
    }

    fn out_of_time(&self, deadline: Deadline) -> Error {
        // Without a single connection nobody can be holding one up.
        if self.pool.state().connections == 0 { deadline.passed(Budget::Connect) } else { busy(deadline) }
    }

    /// Runs a request on a connection that nobody else has meanwhile: the application itself may leave one in a state
    /// in which it is not to be shared, waiting for a BLPOP or with keys that it watches.
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

    /// Not out of the pool: its manager never finds a connection broken, so one that is left behind with a WATCH or
    /// another database would go on to the next user.
    pub(crate) async fn exclusive(&self, db: u16, deadline: Deadline) -> Result<RawConnection, Error> {
        let mut connection = self.dedicated(db, deadline).await?;
        // The driver's half a second is too short for blocking commands; who wants a limit sets one around the call.
        connection.set_response_timeout(Deadline::LONGEST);
        Ok(RawConnection::external(connection))
    }

    /// Connects, to see whether the server is there.
    pub(crate) async fn probe(&self, db: u16, deadline: Deadline) -> Result<(), Error> {
        self.dedicated(db, deadline).await.map(drop)
    }

    pub(crate) async fn connect(&self, db: u16, deadline: Deadline) -> Result<(), Error> {
        self.check_out(db, deadline).await.map(drop)
    }

    /// Asks whether the server takes MULTI, until it says so: where it does not, it would run the commands behind it
    /// one by one.
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

    /// Asks whether the server is a node of a cluster, once. One that does not say, because it is older than version 6.2, is
    /// taken for none.
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
        "all connections of the application's own pool stayed busy; raise its `max_size` or hold them for less time",
    )
}

/// Why the pool's own way of connecting has failed, in our terms.
fn can_not_connect(error: redis::RedisError) -> Error {
    let denied = error.kind() == redis::ErrorKind::AuthenticationFailed
        || Error::driver(error.clone()).kind() == ErrorKind::Denied;
    let kind = if denied { ErrorKind::Denied } else { ErrorKind::Unavailable };
    // A server that knows no HELLO repeats the password in it.
    let said = error.to_string();
    let told = without_arguments(&said);
    let ours = Error::new(kind, format!("the application's own pool can't connect: {told}"));
    // As a source, it would show what is left out of the message.
    if told == said { ours.sourced(error) } else { ours }
}

/// A keyspace lives in one database, and a borrowed connection is never switched.
fn check_database(connection: &impl ConnectionLike, db: u16) -> Result<(), Error> {
    let found = connection.get_db();
    if found == i64::from(db) {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "the application's own pool connects to database {found}, and was handed over as one of database {db}: \
         use Redis::from_pool_on, or `RedisBuilder::pool` with `db`"
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

impl PartialEq for External {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for External {}

impl Hash for External {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External").field("id", &self.id).finish_non_exhaustive()
    }
}
