//! PUBLISH, SUBSCRIBE and PUBSUB.

use bytes::Bytes;

use super::arguments::exactly;
use super::context::{Context, Spec, command};
use super::flags::{CONTAINER, NO_KEYS, SUBSCRIBED};
use crate::glob;
use crate::reply::{Answer, Failure, Reply};

pub(super) const TABLE: &[Spec] = &[
    command("publish", 3, 0, NO_KEYS, publish),
    command("subscribe", -2, SUBSCRIBED, NO_KEYS, subscribe),
    command("unsubscribe", -1, SUBSCRIBED, NO_KEYS, unsubscribe),
    command("pubsub", -2, CONTAINER, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("pubsub|channels", -2, 0, NO_KEYS, |context, arguments| {
        let channels = context.state.channels.keys();
        let fits = |channel: &&Bytes| match arguments {
            [pattern, ..] => glob::matches(pattern, channel),
            [] => true,
        };
        Ok(Reply::Array(channels.filter(fits).cloned().map(Reply::Bulk).collect()))
    }),
    command("pubsub|numsub", -2, 0, NO_KEYS, |context, channels| {
        let listeners = |channel: &Bytes| context.state.channels.get(channel).map_or(0, |ids| ids.len());
        let counts = channels
            .iter()
            .flat_map(|channel| [Reply::Bulk(channel.clone()), Reply::count(listeners(channel))]);
        Ok(Reply::Array(counts.collect()))
    }),
];

fn publish(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let [channel, message] = exactly(arguments)?;
    let Some(listeners) = context.state.channels.get(channel) else { return Ok(Reply::Integer(0)) };
    // The approximate size of the message on the wire.
    let size = [b"message", &channel[..], message].iter().map(|part| part.len() + 8).sum();
    let limit = context.shared.output_limits.of(true);
    for id in listeners {
        let Some(peer) = context.state.clients.get(id).filter(|_| !context.overflowing.contains(id)) else {
            continue;
        };
        let push = vec![Reply::text("message"), Reply::Bulk(channel.clone()), Reply::Bulk(message.clone())];
        if limit.is_reached(peer.messages.send(Reply::Push(push), size)) {
            context.overflowing.insert(*id);
        }
    }
    Ok(Reply::count(listeners.len()))
}

fn subscribe(context: &mut Context<'_>, channels: &[Bytes]) -> Answer {
    let id = context.client.id;
    let mut replies = Vec::with_capacity(channels.len());
    for channel in channels {
        let own = Bytes::copy_from_slice(channel);
        let Some(peer) = context.state.clients.get_mut(&id) else { break };
        peer.subscriptions.insert(own.clone());
        context.state.channels.entry(own).or_default().insert(id);
        context.client.subscribed = true;
        replies.push(confirm("subscribe", Some(channel), peer.subscriptions.len()));
    }
    Ok(Reply::Several(replies))
}

fn unsubscribe(context: &mut Context<'_>, channels: &[Bytes]) -> Answer {
    let id = context.client.id;
    let Some(peer) = context.state.clients.get(&id) else { return Ok(Reply::Several(Vec::new())) };
    let all: Vec<Bytes>;
    let channels = if channels.is_empty() {
        all = peer.subscriptions.iter().cloned().collect();
        &all
    } else {
        channels
    };
    let mut replies = Vec::with_capacity(channels.len());
    for channel in channels {
        let left = leave(context, channel);
        replies.push(confirm("unsubscribe", Some(channel), left));
    }
    if replies.is_empty() {
        replies.push(confirm("unsubscribe", None, 0));
    }
    Ok(Reply::Several(replies))
}

/// Ends all subscriptions of the client, without a reply.
pub(super) fn leave_all(context: &mut Context<'_>) {
    let peer = context.state.clients.get(&context.client.id);
    let channels: Vec<Bytes> =
        peer.map(|peer| peer.subscriptions.iter().cloned().collect()).unwrap_or_default();
    for channel in &channels {
        leave(context, channel);
    }
}

/// Ends a subscription. Returns the number of remaining ones.
fn leave(context: &mut Context<'_>, channel: &Bytes) -> usize {
    let id = context.client.id;
    context.state.leave(channel, id);
    let left = context.state.clients.get_mut(&id).map_or(0, |peer| {
        peer.subscriptions.remove(channel);
        peer.subscriptions.len()
    });
    context.client.subscribed = left > 0;
    left
}

fn confirm(what: &'static str, channel: Option<&Bytes>, subscriptions: usize) -> Reply {
    let channel = Reply::bulk_or_nil(channel.cloned());
    Reply::Push(vec![Reply::text(what), channel, Reply::count(subscriptions)])
}
