//! Runs requests on a `bb8_redis` pool of the application.

use std::sync::atomic::Ordering;

use bb8_redis::{RedisConnectionManager, bb8};
use redis::Pipeline;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use tokio::time::timeout_at;

use super::atomicity::{Atomicity, SendPlan, closed_by};
use super::facts::ServerFacts;
use super::hello::says_mode;
use crate::config::ExternalPool;
use crate::error::{Budget, Error, ErrorKind, without_arguments, without_quoted};
use crate::protocol::{Keys, Packet, Replies, Reply, Request, Wire, script_probe};
use crate::sync::ClosedFlag;
use crate::time::Deadline;

impl ExternalPool {
    async fn check_out(
        &self,
        db: u16,
        deadline: Deadline,
    ) -> Result<bb8::PooledConnection<'static, RedisConnectionManager>, Error> {
        let connection = match timeout_at(deadline.at(), self.pool.get_owned()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(bb8::RunError::User(error))) => return Err(can_not_connect(error)),
            // bb8 hides why it could not connect. One attempt outside of the pool finds out.
            Ok(Err(bb8::RunError::TimedOut)) => {
                return Err(match self.dedicated(db, deadline).await {
                    Ok(_) => busy(deadline),
                    // The attempt had only the rest of the time, so it shows nothing.
                    Err(error) if error.budget() == Some(Budget::Connect) => self.out_of_time(deadline),
                    Err(error) => error,
                });
            }
            Err(_) => return Err(self.out_of_time(deadline)),
        };
        check_database(&*connection, db)?;
        Ok(connection)
    }

    /// Opens a connection outside of the pool.
    async fn dedicated(&self, db: u16, deadline: Deadline) -> Result<MultiplexedConnection, Error> {
        let connected = deadline.bound(Budget::Connect, self.pool.dedicated_connection()).await?;
        let connection = connected.map_err(can_not_connect)?;
        check_database(&connection, db)?;
        Ok(connection)
    }

    fn out_of_time(&self, deadline: Deadline) -> Error {
        // Without any connection, none can be busy.
        if self.pool.state().connections == 0 { deadline.passed(Budget::Connect) } else { busy(deadline) }
    }

    /// Runs a request on an exclusive connection of the pool. It is not shared, because the
    /// application may leave a connection in a state in which sharing fails, such as a pending
    /// BLPOP or a WATCH.
    pub(crate) async fn run(
        &self,
        request: &Request,
        namespace: &str,
        db: u16,
        deadline: Deadline,
        closed: &ClosedFlag,
        facts: &ServerFacts,
    ) -> Result<Replies, Error> {
        let mut connection = self.check_out(db, deadline).await?;
        if closed.is_set() {
            return Err(Error::closed());
        }
        if request.may_span_slots() && self.ask_for_cluster(db, deadline).await? {
            request.across_slots(namespace).map_or(Ok(()), Err)?;
        }
        let atomicity = if request.is_transactional() {
            self.atomicity(db, deadline, facts).await?
        } else {
            Atomicity::default()
        };
        let script = match atomicity.plan(request) {
            SendPlan::Unchanged => None,
            SendPlan::AsScript => Some(request.as_script(namespace)?),
            SendPlan::Rejected(error) => return Err(error),
        };
        let sent_as = script.as_ref().unwrap_or(request);
        let replies = send_cleanly(&mut connection, sent_as, namespace, deadline).await?;
        if script.is_some() {
            return Ok(request.replies_of_script(Replies::Many(replies)));
        }
        let mut replies = replies.into_iter();
        if matches!(request, Request::One(_)) {
            let only = replies.next().ok_or_else(|| Error::protocol("no reply to a command"))?;
            Ok(Replies::One(only))
        } else {
            Ok(Replies::Many(replies.collect()))
        }
    }

    /// Opens an exclusive connection outside of the pool. The manager of the pool never finds a
    /// connection broken, so a connection with a WATCH or on another database would go to the next
    /// user.
    pub(crate) async fn exclusive(
        &self,
        db: u16,
        deadline: Deadline,
    ) -> Result<MultiplexedConnection, Error> {
        let mut connection = self.dedicated(db, deadline).await?;
        // The driver's default of half a second is too short for blocking commands. Callers set
        // their own limits.
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

    /// Finds out whether the server accepts MULTI, and else whether it accepts scripts. Asks until
    /// MULTI is accepted. A server that rejects MULTI would run the commands after it one by one.
    async fn atomicity(&self, db: u16, deadline: Deadline, facts: &ServerFacts) -> Result<Atomicity, Error> {
        if self.has_transactions.load(Ordering::Relaxed) {
            return Ok(Atomicity::default());
        }
        if let Some(atomicity) = facts.logins.plain().and_then(|login| login.atomicity) {
            return Ok(atomicity);
        }
        let Some(no_multi) = self.refusal("MULTI", &Request::Atomic(Vec::new()), db, deadline).await? else {
            self.has_transactions.store(true, Ordering::Relaxed);
            return Ok(Atomicity::default());
        };
        let no_scripts = self.refusal("EVAL", &Request::One(script_probe()), db, deadline).await?;
        let closes = no_multi.is_closing || no_scripts.as_ref().is_some_and(|refusal| refusal.is_closing);
        let atomicity =
            Atomicity { no_multi: Some(no_multi.error), no_scripts: no_scripts.map(|refusal| refusal.error) };
        if closes {
            // Remember this, because each attempt costs a connection. Permissions may change, so
            // error replies are not remembered.
            facts.logins.found_plain(Some(atomicity.clone()));
        }
        Ok(atomicity)
    }

    /// Asks once whether the server is a node of a cluster. A server before version 6.2 does not
    /// report it, and counts as standalone. So does a proxy that closes the connection.
    async fn ask_for_cluster(&self, db: u16, deadline: Deadline) -> Result<bool, Error> {
        if let Some(is_cluster) = self.is_cluster.get() {
            return Ok(*is_cluster);
        }
        let hello = self.ask(&Request::One(Packet::new("HELLO", Keys::None)), db, deadline).await?;
        Ok(*self.is_cluster.get_or_init(|| hello.is_some_and(|hello| says_mode(&hello, "cluster"))))
    }

    /// Returns why the server rejects a request, if it does.
    async fn refusal(
        &self,
        name: &str,
        request: &Request,
        db: u16,
        deadline: Deadline,
    ) -> Result<Option<Refusal>, Error> {
        Ok(match self.ask(request, db, deadline).await? {
            Some(Reply::Error(said)) => Some(Refusal { error: Error::server(&said), is_closing: false }),
            Some(_) => None,
            None => Some(Refusal { error: closed_by(name, "the server"), is_closing: true }),
        })
    }

    /// Returns the first reply to a request, or `None` if the connection is closed instead. Uses a
    /// connection outside of the pool, because the pool would keep a broken one.
    async fn ask(&self, request: &Request, db: u16, deadline: Deadline) -> Result<Option<Reply>, Error> {
        let question = pipeline(request, "");
        // A single closed connection may be a coincidence: the server may be restarting.
        for _ in 0..2 {
            let mut connection = self.exclusive(db, deadline).await?;
            match send(&mut connection, &question, deadline).await {
                Ok(replies) => return Ok(replies.into_iter().next()),
                Err(error) if error.is_connection_lost() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
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

/// The rejection of a command by the server.
struct Refusal {
    error: Error,
    /// Whether the server closes the connection instead of replying.
    is_closing: bool,
}

fn busy(deadline: Deadline) -> Error {
    deadline.passed(Budget::Checkout).reworded(
        "timed out waiting for a connection of the application's pool; raise its `max_size` or release connections sooner",
    )
}

/// Returns the error for a pool that could not connect.
fn can_not_connect(error: redis::RedisError) -> Error {
    let kind = match Error::driver(error.clone()).kind() {
        kind @ (ErrorKind::AuthenticationFailed | ErrorKind::PermissionDenied) => kind,
        _ if error.kind() == redis::ErrorKind::AuthenticationFailed => ErrorKind::AuthenticationFailed,
        _ => ErrorKind::Unavailable,
    };
    // A server without HELLO repeats the password that HELLO contained, and the pool does not
    // report which password it used.
    let said = error.to_string();
    let shown = match error.code() {
        Some(code) if ["HELLO", "AUTH"].iter().any(|name| said.to_ascii_uppercase().contains(name)) => {
            format!("{code} (the rest is omitted, because it may repeat the password)")
        }
        Some(_) => without_quoted(&without_arguments(&said)).into_owned(),
        None => said.clone(),
    };
    let ours = Error::new(kind, format!("the application's pool can't connect: {shown}"));
    // As the source, the driver's error would show what the message omits.
    if shown == said { ours.sourced(error) } else { ours }
}

/// Checks the database of a borrowed connection, which is never switched to another one.
fn check_database(connection: &impl ConnectionLike, db: u16) -> Result<(), Error> {
    let found = connection.get_db();
    if found == i64::from(db) {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "the application's pool uses database {found}, but database {db} is configured; use Redis::from_pool_on, or \
         `RedisBuilder::pool` with `db`"
    )))
}

/// Sends a request on a connection that the application may have left with watched keys or in a
/// `MULTI`.
async fn send_cleanly(
    connection: &mut MultiplexedConnection,
    request: &Request,
    namespace: &str,
    deadline: Deadline,
) -> Result<Vec<Reply>, Error> {
    if request.is_transactional() {
        // A watched key that has changed would abort the transaction.
        let mut unwatched = Pipeline::with_capacity(request.replies() + 1);
        unwatched.cmd("UNWATCH");
        append(&mut unwatched, request, namespace);
        let mut replies = send(connection, &unwatched, deadline).await?;
        replies.remove(0);
        return Ok(replies);
    }
    let pipeline = pipeline(request, namespace);
    let replies = send(connection, &pipeline, deadline).await?;
    if replies.iter().any(is_queued) && ended_transaction(connection, deadline).await? {
        // No command of the request was executed.
        return send(connection, &pipeline, deadline).await;
    }
    Ok(replies)
}

/// Sends commands and returns the reply to each.
async fn send(
    connection: &mut MultiplexedConnection,
    pipeline: &Pipeline,
    deadline: Deadline,
) -> Result<Vec<Reply>, Error> {
    let sent = connection.send_packed_commands(pipeline, 0, pipeline.len());
    let replies = deadline.bound(Budget::Reply, sent).await?.map_err(Error::driver)?;
    if replies.len() != pipeline.len() {
        return Err(Error::protocol("not every command was answered"));
    }
    Ok(replies.into_iter().map(Reply::from).collect())
}

fn is_queued(reply: &Reply) -> bool {
    matches!(reply, Reply::Status(text) if text == "QUEUED")
}

/// Discards the transaction of the connection. Returns false if the server does not confirm it.
async fn ended_transaction(
    connection: &mut MultiplexedConnection,
    deadline: Deadline,
) -> Result<bool, Error> {
    let replies = send(connection, redis::pipe().cmd("DISCARD"), deadline).await?;
    Ok(matches!(replies.as_slice(), [Reply::Ok]))
}

/// Returns the commands of a request as a pipeline.
pub(super) fn pipeline(request: &Request, namespace: &str) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(request.replies());
    append(&mut pipeline, request, namespace);
    pipeline
}

/// Returns the commands of a transaction after MULTI as a pipeline.
pub(super) fn executing(request: &Request, namespace: &str) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(request.replies());
    for packet in request.packets() {
        append(&mut pipeline, &Request::One(packet.clone()), namespace);
    }
    pipeline.cmd("EXEC");
    pipeline
}

fn append(pipeline: &mut Pipeline, request: &Request, namespace: &str) {
    request.visit(&mut |wire| match wire {
        Wire::Bare(name) => {
            pipeline.cmd(name);
        }
        Wire::Packet(packet) => {
            // Connections of the application may reach any server, so the whole script is sent.
            let script = packet.as_whole_script();
            let packet = script.as_ref().unwrap_or(packet);
            pipeline.cmd(packet.name);
            packet.visit_words(namespace, &mut |parts| {
                pipeline.arg(parts.concat());
            });
        }
    });
}
