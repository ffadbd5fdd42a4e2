//! Opens connections from a configuration and logs them in.
//!
//! Some proxies close the connection when they receive an unknown command, instead of sending an
//! error reply. Then the login is repeated with only the commands that every proxy knows. Separate
//! connections find out whether CLUSTER, MULTI and EVAL work. The pool remembers the result, so
//! that later connections need only one attempt.

use std::time::Duration;

use futures_util::future::join;
use tokio::time::timeout;

use super::atomicity::{Atomicity, closed_by};
use super::facts::ServerFacts;
use super::login::{Login, LoginFailure, ask_role, login, plain_login, probe};
use super::stream::ByteStream;
use crate::config::{Endpoint, LoginMode, Protocol, Settings};
use crate::error::{Error, ErrorKind};
use crate::protocol::{Keys, Packet, script_probe};

/// Opens a connection and logs it in. The caller limits the time.
///
/// If a provider returns the credentials, and the server rejects them, the provider is asked once
/// more: the password may have been changed.
pub(super) async fn open(settings: &Settings, facts: &ServerFacts) -> Result<(ByteStream, Login), Error> {
    let (mut stream, login) = open_with_provider(settings, facts).await?;
    if let Endpoint::Sentinel(_) = settings.endpoint {
        check_role(&mut stream, settings, &login).await?;
    }
    Ok((stream, login))
}

/// Sentinels may name a server that is not the master yet, or no more.
async fn check_role(stream: &mut ByteStream, settings: &Settings, login: &Login) -> Result<(), Error> {
    let role = match &login.server.role {
        Some(role) => Some(role.clone()),
        None => ask_role(stream, settings).await.map_err(LoginFailure::into_error)?,
    };
    match role.as_deref() {
        Some("slave" | "replica") => Err(Error::new(
            ErrorKind::Unavailable,
            format!("{} is a replica now; the sentinels name another master soon", settings.endpoint),
        )),
        _ => Ok(()),
    }
}

/// Opens a connection to any server that the settings stand for.
async fn open_with_provider(settings: &Settings, facts: &ServerFacts) -> Result<(ByteStream, Login), Error> {
    let (Some(_), Some(cache)) = (&settings.credentials, &facts.credentials) else {
        return open_with(settings, facts).await;
    };
    let limit = settings.connect_timeout;
    let mut issued = cache.for_new_connection(limit).await?;
    let mut outcome = open_with(&issued.in_settings(settings), facts).await;
    if is_rejected(&outcome)
        && let Some(other) = cache.instead_of(&issued, limit).await?
    {
        outcome = open_with(&other.in_settings(settings), facts).await;
        issued = other;
        if is_rejected(&outcome) {
            cache.reject(&issued);
        }
    }
    let (stream, login) = outcome?;
    cache.accept(&issued);
    Ok((stream, Login { issued: Some(issued), ..login }))
}

fn is_rejected<T>(outcome: &Result<T, Error>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::AuthenticationFailed)
}

/// Opens a connection and logs it in with the user and the password of the settings.
async fn open_with(settings: &Settings, facts: &ServerFacts) -> Result<(ByteStream, Login), Error> {
    let history = &facts.logins;
    let remembered = history.plain();
    let is_plain = remembered.is_some() || settings.login == LoginMode::Plain;
    if let Some(atomicity) = remembered.and_then(|login| login.atomicity) {
        let (stream, mut login) = plain(settings, facts).await.map_err(LoginFailure::into_error)?;
        login.server.is_cluster = facts.is_cluster();
        check_cluster(settings, facts, &login)?;
        login.server.atomicity = atomicity;
        return Ok((stream, login));
    }
    let connection = if is_plain {
        plain(settings, facts).await.map_err(LoginFailure::into_error)?
    } else {
        match detect(settings, facts).await? {
            Detected::Full((stream, login)) => {
                check_cluster(settings, facts, &login)?;
                return Ok((stream, login));
            }
            Detected::Plain(connection) => connection,
        }
    };
    let (stream, mut login) = connection;
    let (cluster, atomicity) = join(find_cluster(settings, facts), find_atomicity(settings, facts)).await;
    let (Probed { value: is_cluster, is_certain: knows_cluster }, Probed { value: atomicity, is_certain }) =
        (cluster?, atomicity?);
    login.server.is_cluster = is_cluster;
    check_cluster(settings, facts, &login)?;
    history.found_plain((knows_cluster && is_certain).then(|| atomicity.clone()));
    event!(
        info,
        "logged in to Redis with a plain login",
        cluster = login.server.is_cluster,
        multi = atomicity.no_multi.is_none(),
        scripts = atomicity.no_scripts.is_none()
    );
    login.server.atomicity = atomicity;
    Ok((stream, login))
}

/// Commands on a cluster must not go to a server that is no node of it: to one of the configured
/// servers, or to one that was given the address of a former node.
fn check_cluster(settings: &Settings, facts: &ServerFacts, login: &Login) -> Result<(), Error> {
    let is_node = login.server.is_cluster;
    if !settings.nodes.is_empty() && settings.cluster != Some(true) && !is_node {
        return Err(Error::configuration(format!(
            "several servers are configured, starting with {}, but one of them is not a node of a cluster: configure one \
             server, or set `cluster(true)` if the server does not report its mode",
            settings.endpoint
        )));
    }
    let may_be_node = is_node || !login.server.has_other_mode || !facts.do_nodes_report_mode();
    if may_be_node || settings.cluster == Some(false) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unavailable,
        format!(
            "the server at {} is not a node of the cluster: a node has had this address before; if the cluster was replaced \
             by this server, create the handle again",
            settings.endpoint
        ),
    ))
}

/// The login that a server accepted.
enum Detected {
    Full((ByteStream, Login)),
    Plain((ByteStream, Login)),
}

/// Tries the full login, and the plain one if the connection is closed.
async fn detect(settings: &Settings, facts: &ServerFacts) -> Result<Detected, Error> {
    let reason = match full_login(settings, facts).await {
        Ok(connection) => return Ok(Detected::Full(connection)),
        Err(LoginFailure::Failed(error)) => return Err(error),
        Err(LoginFailure::Closed(error)) => error,
    };
    if !facts.logins.closed() {
        return Err(reason);
    }
    if settings.protocol == Protocol::Resp3 {
        return Err(
            reason.explained("RESP3 needs HELLO; if a proxy does not know it, set `protocol` to auto")
        );
    }
    event!(debug, "the connection was closed during the login; trying a login with AUTH and SELECT only");
    let connection = match plain(settings, facts).await {
        Ok(connection) => connection,
        // The server closes all connections. The first error has the reason.
        Err(LoginFailure::Closed(_)) => return Err(reason),
        Err(LoginFailure::Failed(error)) => return Err(error),
    };
    // If the server was restarting, it accepts the full login now.
    match full_login(settings, facts).await {
        Ok(connection) => Ok(Detected::Full(connection)),
        Err(LoginFailure::Closed(_)) => Ok(Detected::Plain(connection)),
        Err(LoginFailure::Failed(error)) => Err(error),
    }
}

async fn full_login(settings: &Settings, facts: &ServerFacts) -> Result<(ByteStream, Login), LoginFailure> {
    let connect = async {
        let (mut stream, reached) = opened(settings, facts).await?;
        let mut login = login(&mut stream, settings).await?;
        login.server.reached = reached;
        Ok((stream, login))
    };
    let outcome = connect.await;
    match &outcome {
        Ok(_) => facts.logins.succeeded(),
        Err(LoginFailure::Failed(_)) => facts.logins.failed(),
        Err(LoginFailure::Closed(_)) => {}
    }
    outcome
}

async fn plain(settings: &Settings, facts: &ServerFacts) -> Result<(ByteStream, Login), LoginFailure> {
    let (mut stream, reached) = opened(settings, facts).await?;
    let mut login = plain_login(&mut stream, settings).await?;
    login.server.reached = reached;
    Ok((stream, login))
}

/// Opens a connection. Also returns the host that was reached, if several are configured.
async fn opened(
    settings: &Settings,
    facts: &ServerFacts,
) -> Result<(ByteStream, Option<String>), LoginFailure> {
    let (stream, reached) = ByteStream::open(settings, facts).await.map_err(LoginFailure::Failed)?;
    let host = match reached {
        Some(Endpoint::Tcp { host, .. }) if !settings.nodes.is_empty() => Some(host),
        _ => None,
    };
    Ok((stream, host))
}

/// What was found out about a server.
struct Probed<T> {
    value: T,
    /// Whether it can be remembered. It rests on replies and closed connections, and not on a reply
    /// that did not arrive in time.
    is_certain: bool,
}

impl<T> Probed<T> {
    fn map<U>(self, map: impl FnOnce(T) -> U) -> Probed<U> {
        Probed { value: map(self.value), is_certain: self.is_certain }
    }
}

/// Finds out whether the server is a node of a cluster. A scan of one node would miss keys without
/// an error.
async fn find_cluster(settings: &Settings, facts: &ServerFacts) -> Result<Probed<bool>, Error> {
    if settings.cluster.is_some() || facts.is_cluster() {
        return Ok(Probed { value: facts.is_cluster(), is_certain: true });
    }
    let mut slots = Packet::new("CLUSTER", Keys::None);
    slots.args.push(b"SLOTS");
    let mut found = refusal(settings, facts, "CLUSTER", &[slots]).await?;
    if found.value.as_ref().is_some_and(|error| error.code() == Some("NOPERM")) {
        // A server that is no node of a cluster rejects this one, too.
        found = refusal(settings, facts, "ASKING", &[Packet::new("ASKING", Keys::None)]).await?;
    }
    Ok(found.map(|refusal| refusal.is_none()))
}

/// Finds out which of MULTI and EVAL can be used. Each is tried on a separate connection, because
/// that connection may be closed.
async fn find_atomicity(settings: &Settings, facts: &ServerFacts) -> Result<Probed<Atomicity>, Error> {
    let multi = [Packet::new("MULTI", Keys::None), Packet::new("EXEC", Keys::None)];
    let multi = refusal(settings, facts, "MULTI", &multi).await?;
    let scripts = refusal(settings, facts, "EVAL", &[script_probe()]).await?;
    Ok(Probed {
        value: Atomicity { no_multi: multi.value, no_scripts: scripts.value },
        is_certain: multi.is_certain && scripts.is_certain,
    })
}

/// Returns why the server rejects these commands, if it does.
async fn refusal(
    settings: &Settings,
    facts: &ServerFacts,
    name: &str,
    packets: &[Packet],
) -> Result<Probed<Option<Error>>, Error> {
    // Some proxies never answer unknown commands. Leave time for the rest of the login.
    let limit = settings.connect_timeout / 8;
    let mut is_certain = true;
    // A single closed connection may be a coincidence.
    for _ in 0..2 {
        let (mut stream, _) = plain(settings, facts).await.map_err(LoginFailure::into_error)?;
        match timeout(limit, probe(&mut stream, settings, packets)).await {
            // A server that runs nothing now does not say what it accepts.
            Ok(Ok(Some(error))) if error.is_not_run() => return Err(error),
            Ok(Ok(refusal)) => return Ok(Probed { value: refusal, is_certain: true }),
            Ok(Err(LoginFailure::Failed(error))) => return Err(error),
            Ok(Err(LoginFailure::Closed(_))) => {}
            Err(_) => {
                check_pace(settings, facts, name, limit).await?;
                is_certain = false;
            }
        }
    }
    Ok(Probed { value: Some(closed_by(name, &settings.endpoint.to_string())), is_certain })
}

/// Fails if the server is too slow to decide whether it answers a command: on such a connection, it
/// does not answer in time one that every proxy knows.
async fn check_pace(
    settings: &Settings,
    facts: &ServerFacts,
    name: &str,
    limit: Duration,
) -> Result<(), Error> {
    let (mut stream, _) = plain(settings, facts).await.map_err(LoginFailure::into_error)?;
    match timeout(limit, probe(&mut stream, settings, &[Packet::new("PING", Keys::None)])).await {
        // An error is also a reply.
        Ok(Ok(_)) => Ok(()),
        Ok(Err(failure)) => Err(failure.into_error()),
        Err(_) => Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "{} is too slow to find out whether it accepts {name}: it did not answer PING within {limit:?}, an eighth of \
                 `connect_timeout`",
                settings.endpoint
            ),
        )),
    }
}
