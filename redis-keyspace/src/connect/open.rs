//! Opens connections from a configuration and logs them in.
//!
//! Some proxies close the connection when they receive an unknown command, instead of sending an
//! error reply. Then the login is repeated with only the commands that every proxy knows. Separate
//! connections find out whether CLUSTER, MULTI and EVAL work. The pool remembers the result, so
//! that later connections need only one attempt.

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
    if let Some(atomicity) = history.plain() {
        let (stream, mut login) = plain(settings, facts).await.map_err(LoginFailure::into_error)?;
        login.server.is_cluster = facts.is_cluster();
        check_cluster(settings, facts, &login)?;
        login.server.atomicity = atomicity;
        return Ok((stream, login));
    }
    let connection = match settings.login {
        LoginMode::Plain => plain(settings, facts).await.map_err(LoginFailure::into_error)?,
        LoginMode::Auto | LoginMode::Minimal => match detect(settings, facts).await? {
            Detected::Full((stream, login)) => {
                check_cluster(settings, facts, &login)?;
                return Ok((stream, login));
            }
            Detected::Plain(connection) => connection,
        },
    };
    let (stream, mut login) = connection;
    let (is_cluster, atomicity) = join(find_cluster(settings, facts), find_atomicity(settings, facts)).await;
    login.server.is_cluster = is_cluster?;
    check_cluster(settings, facts, &login)?;
    let atomicity = atomicity?;
    history.found_plain(atomicity.clone());
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

/// Finds out whether the server is a node of a cluster. A scan of one node would miss keys without
/// an error.
async fn find_cluster(settings: &Settings, facts: &ServerFacts) -> Result<bool, Error> {
    if settings.cluster.is_some() || facts.is_cluster() {
        return Ok(facts.is_cluster());
    }
    let mut slots = Packet::new("CLUSTER", Keys::None);
    slots.args.push(b"SLOTS");
    match refusal(settings, facts, "CLUSTER", &[slots]).await? {
        None => Ok(true),
        // A server that is no node of a cluster rejects this one, too.
        Some(error) if error.code() == Some("NOPERM") => {
            Ok(refusal(settings, facts, "ASKING", &[Packet::new("ASKING", Keys::None)]).await?.is_none())
        }
        Some(_) => Ok(false),
    }
}

/// Finds out which of MULTI and EVAL can be used. Each is tried on a separate connection, because
/// that connection may be closed.
async fn find_atomicity(settings: &Settings, facts: &ServerFacts) -> Result<Atomicity, Error> {
    let multi = [Packet::new("MULTI", Keys::None), Packet::new("EXEC", Keys::None)];
    Ok(Atomicity {
        no_multi: refusal(settings, facts, "MULTI", &multi).await?,
        no_scripts: refusal(settings, facts, "EVAL", &[script_probe()]).await?,
    })
}

/// Returns why the server rejects these commands, if it does.
async fn refusal(
    settings: &Settings,
    facts: &ServerFacts,
    name: &str,
    packets: &[Packet],
) -> Result<Option<Error>, Error> {
    // A single closed connection may be a coincidence.
    for _ in 0..2 {
        let (mut stream, _) = plain(settings, facts).await.map_err(LoginFailure::into_error)?;
        // Some proxies never answer unknown commands. Leave time for the rest of the login.
        match timeout(settings.connect_timeout / 8, probe(&mut stream, settings, packets)).await {
            Ok(Ok(refusal)) => return Ok(refusal),
            Ok(Err(LoginFailure::Failed(error))) => return Err(error),
            Ok(Err(LoginFailure::Closed(_))) | Err(_) => {}
        }
    }
    Ok(Some(closed_by(name, &settings.endpoint.to_string())))
}
