//! Logs open connections in with new credentials, without dropping them.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::time::{sleep, timeout};

use super::attempt::Origin;
use super::credentials::{CredentialCache, IssuedCredentials};
use super::lane::{Lane, LaneRef, Submitted};
use crate::config::Credentials;
use crate::error::{Error, ErrorKind};
use crate::protocol::{Keys, Packet, Request, read};
use crate::task::spawn_here;
use crate::time::{Backoff, Deadline};

/// The first and the longest pause after a failed `AUTH`.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Starts a task that logs a shared connection in again whenever its provider has returned other
/// credentials. It ends with the connection. Without a provider, it does nothing. Must be called
/// within a runtime.
pub(super) fn keep_authenticated(lane: &Lane, issued: Option<Arc<IssuedCredentials>>, origin: &Origin) {
    if let (Some(issued), Some(cache)) = (issued, &origin.facts.credentials) {
        let (lane, cache) = (lane.downgrade(), Arc::clone(cache));
        let Origin { settings, facts, .. } = origin;
        let (limit, call_limit) = (settings.timeout, settings.connect_timeout);
        let server = facts.server_name();
        spawn_here(async move {
            let mut number = issued.number();
            let pauses = || Backoff::new(PAUSES.0, PAUSES.1);
            let mut pause = pauses();
            loop {
                let newer = tokio::select! {
                    newer = cache.newer_than(number, call_limit) => newer,
                    () = lane.ended() => return,
                };
                let outcome = authenticate(&lane, newer.credentials(), Deadline::after(limit)).await;
                if lane.is_closed() {
                    return;
                }
                note_reauthentication(outcome.as_ref().err(), &newer, &cache, &server);
                if outcome.is_ok() {
                    (number, pause) = (newer.number(), pauses());
                    continue;
                }
                tokio::select! {
                    () = sleep(pause.pause()) => {}
                    () = lane.ended() => return,
                }
            }
        });
    }
}

/// Sends `AUTH` between the commands of other callers. The server answers in order, so they run as
/// one user or the other.
///
/// Redis 7.2 to 8.6 and Valkey 7.2 to 8.1 do not reply to a rejected `AUTH` if replies to earlier
/// commands wait to be sent. Then every later caller would get the reply to another command. So it
/// is sent when all earlier replies have arrived.
async fn authenticate(lane: &LaneRef, credentials: &Credentials, deadline: Deadline) -> Result<(), Error> {
    let mut packet = Packet::new("AUTH", Keys::None);
    credentials.username().into_iter().for_each(|username| packet.args.push(username.as_bytes()));
    packet.args.push(credentials.password().expose().as_bytes());
    match lane.submit_after_replies(&Request::One(packet), deadline) {
        Submitted::Waiting(receiver) => {
            let lost = |_| Err(Error::connection_lost("its driver has ended"));
            read::to_unit(read::one(receiver.await.unwrap_or_else(lost)?)?)
        }
        Submitted::Refused(error) => Err(error),
        Submitted::NoLane => Err(Error::connection_lost("it was closed")),
    }
}

/// Returns the credentials with which an idle exclusive connection must log in again, if its
/// provider has returned other ones than those with this number. Calls the provider if they are due
/// to be replaced.
pub(super) async fn newer_credentials(
    number: Option<u64>,
    origin: &Origin,
) -> Option<Arc<IssuedCredentials>> {
    let cache = origin.facts.credentials.as_ref()?;
    cache.newer_for_idle(number?, origin.settings.connect_timeout).await
}

/// Logs an idle exclusive connection in again, within a limit.
pub(super) async fn authenticate_idle(
    connection: &mut MultiplexedConnection,
    newer: &IssuedCredentials,
    origin: &Origin,
    limit: Duration,
) -> Result<(), Error> {
    let mut command = redis::cmd("AUTH");
    command.arg(newer.credentials().username()).arg(newer.credentials().password().expose());
    let late = |_| Err(Error::connection_lost("no reply to AUTH"));
    let outcome = timeout(limit, async {
        let reply: redis::RedisResult<()> = command.query_async(connection).await;
        // The error of the driver may repeat the reply, so only its code counts.
        reply.map_err(|error| Error::server(error.code().unwrap_or("ERR")))
    });
    let outcome = outcome.await.unwrap_or_else(late);
    if let Some(cache) = &origin.facts.credentials {
        note_reauthentication(outcome.as_ref().err(), newer, cache, &origin.facts.server_name());
    }
    outcome
}

/// Records the outcome of an `AUTH`. The connection keeps its user if the server rejects it.
pub(super) fn note_reauthentication(
    error: Option<&Error>,
    issued: &IssuedCredentials,
    cache: &CredentialCache,
    server: &Arc<str>,
) {
    match error {
        None => {
            cache.accept(issued);
            count!("redis_keyspace_reauthentications_total", "outcome" => "ok", "server" => Arc::clone(server));
            event!(debug, "an open connection logged in with new credentials");
        }
        Some(error) => {
            if error.kind() == ErrorKind::AuthenticationFailed {
                cache.reject(issued);
            }
            count!("redis_keyspace_reauthentications_total", "outcome" => "error", "server" => Arc::clone(server));
            event!(
                warn,
                "an open connection could not log in with new credentials",
                error = error.code().unwrap_or("no reply")
            );
        }
    }
}
