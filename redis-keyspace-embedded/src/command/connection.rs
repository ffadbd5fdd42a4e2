//! Commands about the connection: authentication, protocol version and database.

use bytes::Bytes;

use super::arguments::{database, exactly, integer, option};
use super::clients::{check_name, set_name};
use super::context::{Closing, Context, Spec, command};
use super::flags::{IMMEDIATE, NO_KEYS, SUBSCRIBED};
use super::info::VERSION;
use super::pubsub;
use crate::client::Client;
use crate::reply::{Answer, Failure, Reply};
use crate::resp::Protocol;

pub(super) const TABLE: &[Spec] = &[
    command("ping", -1, SUBSCRIBED, NO_KEYS, ping),
    command("echo", 2, 0, NO_KEYS, |_, arguments| {
        let [text] = exactly(arguments)?;
        Ok(Reply::Bulk(text.clone()))
    }),
    command("quit", -1, SUBSCRIBED | IMMEDIATE, NO_KEYS, |context, _| {
        context.close(Closing::AfterOutput);
        Ok(Reply::OK)
    }),
    command("reset", 1, SUBSCRIBED | IMMEDIATE, NO_KEYS, reset),
    command("hello", -1, 0, NO_KEYS, hello),
    command("auth", -2, 0, NO_KEYS, auth),
    command("select", 2, 0, NO_KEYS, select),
];

fn ping(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let text = match arguments {
        [] => None,
        [text] => Some(text.clone()),
        _ => return Err(Failure::arity("ping")),
    };
    if context.client.subscribed && context.client.protocol == Protocol::Resp2 {
        // A subscribed connection expects only arrays.
        return Ok(Reply::Array(vec![Reply::text("pong"), Reply::Bulk(text.unwrap_or_default())]));
    }
    Ok(text.map_or(Reply::status("PONG"), Reply::Bulk))
}

fn reset(context: &mut Context<'_>, _: &[Bytes]) -> Answer {
    let id = context.client.id;
    context.client.unwatch(context.state, context.now);
    pubsub::leave_all(context);
    if let Some(peer) = context.state.clients.get_mut(&id) {
        peer.name = Bytes::new();
        peer.user = "default".into();
    }
    *context.client = Client::new(id, context.shared.initial_user());
    *context.transaction = None;
    Ok(Reply::status("RESET"))
}

fn hello(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let mut rest = arguments;
    let mut protocol = None;
    if let [version, after @ ..] = rest {
        let not_a_number = Failure::new("ERR Protocol version is not an integer or out of range");
        protocol = match integer(version).map_err(|_| not_a_number)? {
            2 => Some(Protocol::Resp2),
            3 => Some(Protocol::Resp3),
            _ => return Err(Failure::new("NOPROTO unsupported protocol version")),
        };
        rest = after;
    }
    let mut name = None;
    while let [key, after @ ..] = rest {
        rest = match (option(key).as_slice(), after) {
            (b"AUTH", [user, password, after @ ..]) => {
                log_in(context, user, password)?;
                after
            }
            (b"SETNAME", [value, after @ ..]) => {
                check_name(value)?;
                name = Some(value);
                after
            }
            _ => return Err(Failure::quoting("ERR Syntax error in HELLO option '", key, "'")),
        };
    }
    if context.client.user.is_none() {
        return Err(Failure::new(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        set_name(context, name)?;
    }
    if let Some(protocol) = protocol {
        context.client.protocol = protocol;
    }
    let version = if context.client.protocol == Protocol::Resp3 { 3 } else { 2 };
    Ok(Reply::Map(vec![
        (Reply::text("server"), Reply::text("redis")),
        (Reply::text("version"), Reply::text(VERSION)),
        (Reply::text("proto"), Reply::Integer(version)),
        (Reply::text("id"), Reply::Integer(i64::try_from(context.client.id).unwrap_or(i64::MAX))),
        (Reply::text("mode"), Reply::text(context.shared.mode())),
        (Reply::text("role"), Reply::text("master")),
        (Reply::text("modules"), Reply::Array(Vec::new())),
    ]))
}

fn auth(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    match arguments {
        [_] if context.shared.initial_user().is_some() => Err(Failure::new(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
        )),
        [password] => log_in(context, b"default", password),
        [user, password] => log_in(context, user, password),
        _ => Err(Failure::SYNTAX),
    }?;
    Ok(Reply::OK)
}

fn log_in(context: &mut Context<'_>, user: &[u8], password: &[u8]) -> Result<(), Failure> {
    let name = std::str::from_utf8(user).unwrap_or_default();
    if !context.shared.accepts(name, password) {
        return Err(Failure::new("WRONGPASS invalid username-password pair or user is disabled."));
    }
    context.client.user = Some(name.to_owned());
    if let Some(peer) = context.state.clients.get_mut(&context.client.id) {
        peer.user = name.to_owned();
    }
    Ok(())
}

fn select(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let [index] = exactly(arguments)?;
    if context.shared.is_cluster {
        // The number is checked first, as on a real server.
        return match integer(index)? {
            0 => Ok(Reply::OK),
            _ => Err(Failure::new("ERR SELECT is not allowed in cluster mode")),
        };
    }
    context.client.db = database(index, context.state.dbs.len())?;
    Ok(Reply::OK)
}
