//! The path of a request: checks it, then executes, queues or refuses it.

use bytes::Bytes;

use super::cluster;
use super::context::{Context, Spec};
use super::find::find;
use super::flags::{IMMEDIATE, OPEN, SUBSCRIBED};
use super::transaction;
use crate::reply::{Failure, Reply};
use crate::resp::Protocol;

/// Executes, queues or refuses a command that a connection sent.
pub(crate) fn dispatch(context: &mut Context<'_>, arguments: Vec<Bytes>) -> Reply {
    context.state.commands_processed = context.state.commands_processed.saturating_add(1);
    let spec = match admit(context, &arguments) {
        Ok(spec) => spec,
        Err(failure) => {
            let exec = arguments.first().is_some_and(|name| name.eq_ignore_ascii_case(b"exec"));
            if exec {
                return transaction::abort(context, &failure).into();
            }
            if let Some(transaction) = context.transaction {
                transaction.mark_broken();
            }
            return failure.into();
        }
    };
    let reply = match context.transaction {
        Some(transaction) if spec.flags & IMMEDIATE == 0 => {
            transaction.queue.push((spec, arguments));
            Reply::QUEUED
        }
        _ => context.execute(spec, &arguments),
    };
    context.state.serve_waiters();
    publish_state(context, spec);
    reply
}

/// Ends the transaction of an EXEC that is refused, and returns the reply.
pub(crate) fn abort(context: &mut Context<'_>, reason: Bytes) -> Reply {
    transaction::abort(context, &Failure::text(reason)).into()
}

/// Finds the command and checks that the connection may send it now.
fn admit(context: &Context<'_>, arguments: &[Bytes]) -> Result<&'static Spec, Failure> {
    let spec = find(context.commands, arguments)?;
    if context.client.user.is_none() && spec.flags & OPEN == 0 {
        return Err(Failure::new("NOAUTH Authentication required."));
    }
    let subscribed = context.client.subscribed && context.client.protocol == Protocol::Resp2;
    if subscribed && spec.flags & SUBSCRIBED == 0 {
        return Err(Failure::text(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            spec.name
        )));
    }
    cluster::check_slots(context, [(spec, arguments)])?;
    Ok(spec)
}

/// Updates what CLIENT LIST on other connections shows about this one.
fn publish_state(context: &mut Context<'_>, spec: &'static Spec) {
    let client = &context.client;
    if let Some(peer) = context.state.clients.get_mut(&client.id) {
        peer.active = context.now;
        peer.command = spec.name;
        peer.db = client.db;
        peer.protocol = client.protocol;
        peer.queued = context
            .transaction
            .as_ref()
            .map_or(-1, |transaction| i64::try_from(transaction.queue.len()).unwrap_or(i64::MAX));
    }
}
