//! Runs commands that only newer servers have, and explains the errors of servers that lack them.

use std::sync::Arc;

use futures_core::future::BoxFuture;

use super::binding::Binding;
use super::choose::Target;
use super::known::facts_of;
use super::run::run;
use super::subject::Subject;
use crate::error::{Error, Result};
use crate::key::KeyText;
use crate::protocol::{Keys, NewerCommand, Packet, ReplacedCommand, Replies, Reply, Request, read};
use crate::time::Deadline;

/// The commands that delete a key if it has a value, in the order in which an unknown server is
/// asked.
const DELETIONS: [ReplacedCommand; 2] = [ReplacedCommand::DelEx, ReplacedCommand::DelIfEq];

/// Runs commands on one key, of which one is newer than some servers. Returns `None` if the server
/// lacks that command, or the user may not run it. Then the command changed nothing, and the caller
/// runs a script instead.
///
/// The server is asked by sending the command. If the connection is lost meanwhile, a proxy may
/// have closed it because of the command, so it is not sent again. A pool of the application could
/// keep a connection that was closed, so it is not asked at all.
pub(crate) async fn run_newer(
    binding: &Arc<Binding>,
    replaced: ReplacedCommand,
    key: &KeyText,
    packets: Vec<Packet>,
    deadline: Deadline,
    repeatable: bool,
) -> Result<Option<Vec<Reply>>> {
    let facts = facts_of(binding, key);
    if binding.pool().is_external() || !facts.may_have(replaced) {
        return Ok(None);
    }
    let newer = replaced.newer();
    let place = packets.iter().position(|packet| NewerCommand::of(packet) == Some(newer));
    let command = place.and_then(|place| packets.get(place)).map_or("", |packet| packet.name);
    let about = |error: Error| error.about(command, None, Some(key.as_str()));
    // Boxed, because the futures of callers nest deeply and the compiler limits the depth.
    let run: BoxFuture<'_, Result<Replies>> =
        Box::pin(run(Arc::clone(binding), request_of(packets), deadline, repeatable, None));
    let replies = match run.await {
        Ok(replies) => read::many(replies),
        Err(error) => {
            if error.is_connection_lost() && !facts.has(replaced) {
                facts.learn(replaced, false);
            }
            return Err(about(error));
        }
    };
    // The node that answered, if the command was redirected.
    let facts = facts_of(binding, key);
    let Some(Reply::Error(said)) = place.and_then(|place| replies.get(place)) else {
        facts.learn(replaced, true);
        return Ok(Some(replies));
    };
    let error = Error::server(said);
    // A proxy lost its server: the command may have run.
    if error.is_connection_lost() {
        return Err(about(error));
    }
    let is_denied = error.code() == Some("NOPERM");
    if error.is_about_missing_command() || (is_denied && said.contains("to run")) {
        event!(debug, "a script replaces a command that the server rejects", command = newer.name);
        facts.learn(replaced, false);
        return Ok(None);
    }
    // For another error of the command, that of the script is the better one.
    // A full server rejects `SET`, although a renewal needs no memory. The script may run.
    if is_denied || matches!(error.code(), Some("ERR" | "OOM")) { Ok(None) } else { Err(about(error)) }
}

fn request_of(packets: Vec<Packet>) -> Request {
    match <[Packet; 1]>::try_from(packets) {
        Ok([packet]) => Request::One(packet),
        Err(packets) => Request::Pipeline(packets),
    }
}

/// Deletes a key if it has this value, and then runs more commands in the same round trip. Returns
/// the replies, of which the first is 1 or 0, or `None` if the server has no command for it; see
/// [`run_newer`].
pub(crate) async fn delete_if_equal(
    binding: &Arc<Binding>,
    key: &KeyText,
    value: &[u8],
    then: Option<Packet>,
    deadline: Deadline,
) -> Result<Option<Vec<Reply>>> {
    let facts = facts_of(binding, key);
    let mut order = DELETIONS;
    let is_valkey = || facts.abilities.software().is_some_and(|software| software.starts_with("valkey"));
    if facts.has(ReplacedCommand::DelIfEq) || (!facts.has(ReplacedCommand::DelEx) && is_valkey()) {
        order.reverse();
    }
    for replaced in order {
        let mut packet = Packet::new(replaced.newer().name, Keys::One(key.clone()));
        if replaced == ReplacedCommand::DelEx {
            packet = packet.if_equal(value);
        } else {
            packet.args.push(value);
        }
        let packets = std::iter::once(packet).chain(then.clone()).collect();
        // Not repeatable: after a first run, a second one finds nothing to delete.
        let replies = run_newer(binding, replaced, key, packets, deadline, false).await?;
        if replies.is_some() {
            return Ok(replies);
        }
    }
    Ok(None)
}

/// Explains the error of a server that lacks a command of the request.
pub(crate) fn explain_missing(error: Error, request: &Request, subject: &Subject, target: &Target) -> Error {
    let mut packets = request.packets().iter();
    let newer = packets.find_map(|packet| Some((packet, missing_in(packet, &error)?)));
    let Some((packet, newer)) = newer else { return error };
    let software = packet.keys.as_slice().first().and_then(|key| {
        let software = |binding: &Arc<Binding>| facts_of(binding, key).abilities.software();
        target.with_binding(subject.keyspace, software).ok().flatten()
    });
    error.of_missing_command(newer.name, &newer.servers(), software.as_deref())
}

/// Explains the error of a server that refused a whole transaction. It does not say for which
/// command, and only the newest is certain to be missing.
pub(crate) fn explain_missing_in(error: Error, packets: &[Packet], binding: &Binding) -> Error {
    let newer = packets.iter().filter_map(|packet| Some((packet, missing_in(packet, &error)?)));
    let Some((packet, newest)) = newer.max_by_key(|(_, newer)| newer.since()) else { return error };
    let key = packet.keys.as_slice().first();
    let software = key.and_then(|key| facts_of(binding, key).abilities.software());
    error.of_missing_command(newest.name, &newest.servers(), software.as_deref())
}

/// Returns the newer command of a packet that the server lacks, according to the error.
fn missing_in(packet: &Packet, error: &Error) -> Option<NewerCommand> {
    if error.is_about_unknown_command() {
        // A server that knows functions may reject what one of them does.
        let is_of_function = packet.name.starts_with("FCALL") && error.is_about_command_of_script();
        return NewerCommand::of(packet).filter(|_| !is_of_function);
    }
    // A server that knows the command may lack an option. An old one takes an option of XADD for
    // the ID.
    let is_option = error.is_about_missing_command() || (error.is_about_stream_id() && packet.name == "XADD");
    if is_option { NewerCommand::of_option(packet) } else { None }
}

/// Explains the error of a server that lacks a command which no packet shows.
pub(crate) fn missing_command(error: Error, command: &str, binding: &Binding, key: &KeyText) -> Error {
    match NewerCommand::named(command) {
        Some(newer) if error.is_about_unknown_command() => {
            let software = facts_of(binding, key).abilities.software();
            error.of_missing_command(newer.name, &newer.servers(), software.as_deref())
        }
        _ => error,
    }
}
