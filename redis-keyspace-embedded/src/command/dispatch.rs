//! The path of a request: it is checked, and then executed, queued or refused.

use bytes::Bytes;

use super::cluster;
use super::context::{Context, Spec};
use super::find::{fits, lookup};
use super::flags::{IMMEDIATE, SUBSCRIBED};
use super::metadata::has_flag;
use super::transaction;
use crate::reply::{Failure, Reply};
use crate::resp::Protocol;

/// Executes, queues or refuses a command that a connection sent.
pub(crate) fn dispatch(context: &mut Context<'_>, arguments: Vec<Bytes>) -> Reply {
    context.state.commands_processed = context.state.commands_processed.saturating_add(1);
    let found = lookup(context.commands, &arguments);
    begin(context, found.as_ref().map_or("NULL", |spec| spec.name));
    let spec = match found.and_then(|spec| admit(context, spec, &arguments)) {
        Ok(spec) => spec,
        Err(failure) => return refuse(context, &arguments, failure.0),
    };
    let reply = match context.transaction {
        Some(transaction) if spec.flags & IMMEDIATE == 0 => {
            transaction.queue.push((spec, arguments));
            Reply::QUEUED
        }
        _ => context.execute(spec, &arguments),
    };
    if context.state.serve_waiters(context.now) {
        context.shared.output_limits.announce_change(); // the connections compute their deadlines again
    }
    context.publish_notices();
    for id in std::mem::take(&mut context.overflowing) {
        context.state.disconnect(id);
    }
    context.refresh_peer();
    reply
}

/// Refuses a command with this error. If EXEC is refused, the transaction ends. For any other
/// command in a transaction, EXEC will fail.
pub(crate) fn refuse(context: &mut Context<'_>, arguments: &[Bytes], error: Bytes) -> Reply {
    let mut failure = Failure(error);
    if arguments.first().is_some_and(|name| name.eq_ignore_ascii_case(b"exec")) {
        failure = transaction::abort(context, &failure);
    }
    if let Some(transaction) = context.transaction {
        transaction.mark_broken();
    }
    context.state.statistics.count_error(&failure.0);
    context.refresh_peer();
    failure.into()
}

/// Checks whether the connection may send the command now.
fn admit(context: &Context<'_>, spec: &'static Spec, arguments: &[Bytes]) -> Result<&'static Spec, Failure> {
    if !fits(spec, arguments) {
        return Err(Failure::arity(spec.name));
    }
    if context.client.user.is_none() && !has_flag(spec.name, "no_auth") {
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

/// Records the current command of the connection, even if it is not admitted.
fn begin(context: &mut Context<'_>, name: &'static str) {
    if let Some(peer) = context.state.clients.get_mut(&context.client.id) {
        peer.active = context.now;
        peer.command = name;
    }
}
