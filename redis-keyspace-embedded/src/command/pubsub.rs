//! PUBLISH, SUBSCRIBE and their forms for patterns and shards, and PUBSUB.

use bytes::Bytes;

use super::arguments::exactly;
use super::context::{Context, Spec, command};
use super::flags::{ALL_KEYS, CONTAINER, NO_KEYS, ONE_KEY, SUBSCRIBED};
use crate::reply::{Answer, Failure, Reply};
use crate::subscriptions::{SubscriptionKind, matches};

pub(super) const TABLE: &[Spec] = &[
    command("publish", 3, 0, NO_KEYS, |context, arguments| publish(context, arguments, false)),
    command("spublish", 3, 0, ONE_KEY, |context, arguments| publish(context, arguments, true)),
    command("subscribe", -2, SUBSCRIBED, NO_KEYS, |context, names| {
        subscribe(context, names, SubscriptionKind::Channel)
    }),
    command("psubscribe", -2, SUBSCRIBED, NO_KEYS, |context, names| {
        subscribe(context, names, SubscriptionKind::Pattern)
    }),
    command("ssubscribe", -2, SUBSCRIBED, ALL_KEYS, |context, names| {
        subscribe(context, names, SubscriptionKind::Shard)
    }),
    command("unsubscribe", -1, SUBSCRIBED, NO_KEYS, |context, names| {
        unsubscribe(context, names, SubscriptionKind::Channel)
    }),
    command("punsubscribe", -1, SUBSCRIBED, NO_KEYS, |context, names| {
        unsubscribe(context, names, SubscriptionKind::Pattern)
    }),
    command("sunsubscribe", -1, SUBSCRIBED, ALL_KEYS, |context, names| {
        unsubscribe(context, names, SubscriptionKind::Shard)
    }),
    command("pubsub", -2, CONTAINER, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("pubsub|channels", -2, 0, NO_KEYS, |context, arguments| {
        active(context, arguments, SubscriptionKind::Channel)
    }),
    command("pubsub|shardchannels", -2, 0, NO_KEYS, |context, arguments| {
        active(context, arguments, SubscriptionKind::Shard)
    }),
    command("pubsub|numsub", -2, 0, NO_KEYS, |context, channels| {
        counts(context, channels, SubscriptionKind::Channel)
    }),
    command("pubsub|shardnumsub", -2, 0, NO_KEYS, |context, channels| {
        counts(context, channels, SubscriptionKind::Shard)
    }),
    command("pubsub|numpat", 2, 0, NO_KEYS, |context, _| {
        Ok(Reply::count(context.state.subscribers.patterns.len()))
    }),
];

fn publish(context: &mut Context<'_>, arguments: &[Bytes], is_shard: bool) -> Answer {
    let [channel, message] = exactly(arguments)?;
    let limit = context.shared.output_limits.of(true);
    let recipients = context.state.publish(channel, message, is_shard, limit, &mut context.overflowing);
    Ok(Reply::count(recipients))
}

/// Returns the channels that have subscribers.
fn active(context: &mut Context<'_>, arguments: &[Bytes], kind: SubscriptionKind) -> Answer {
    let pattern = match arguments {
        [] => None,
        [pattern] => Some(pattern),
        _ => return Err(bad_subcommand(context)),
    };
    let channels = context.state.subscribers.of(kind).keys();
    let fits = |channel: &&Bytes| pattern.is_none_or(|pattern| matches(pattern, channel));
    Ok(Reply::Array(channels.filter(fits).cloned().map(Reply::Bulk).collect()))
}

/// Returns each channel with the number of its subscribers.
fn counts(context: &mut Context<'_>, channels: &[Bytes], kind: SubscriptionKind) -> Answer {
    let subscribers = context.state.subscribers.of(kind);
    let count = |channel: &Bytes| Reply::count(subscribers.get(channel).map_or(0, |clients| clients.len()));
    let counts = channels.iter().flat_map(|channel| [Reply::Bulk(channel.clone()), count(channel)]);
    Ok(Reply::Array(counts.collect()))
}

/// The error for arguments that a subcommand does not accept.
fn bad_subcommand(context: &Context<'_>) -> Failure {
    let [container, sub] = [0, 1].map(|place| context.called.get(place).cloned().unwrap_or_default());
    let sub =
        Failure::quoting("ERR unknown subcommand or wrong number of arguments for '", &sub, "'. Try ").0;
    let container = Failure::quoting("", &container.to_ascii_uppercase(), " HELP.").0;
    Failure::text([sub, container].concat())
}

fn subscribe(context: &mut Context<'_>, names: &[Bytes], kind: SubscriptionKind) -> Answer {
    let id = context.client.id;
    let mut replies = Vec::with_capacity(names.len());
    for name in names {
        // A copy: a slice of a request would keep the whole read buffer alive.
        let own = Bytes::copy_from_slice(name);
        let Some(peer) = context.state.clients.get_mut(&id) else { break };
        peer.subscriptions.of_mut(kind).insert(own.clone());
        context.state.subscribers.join(kind, own, id);
        context.client.subscribed = true;
        replies.push(confirm(subscribed(kind), Some(name), peer.subscriptions.count(kind)));
    }
    Ok(Reply::Several(replies))
}

fn subscribed(kind: SubscriptionKind) -> &'static str {
    match kind {
        SubscriptionKind::Channel => "subscribe",
        SubscriptionKind::Pattern => "psubscribe",
        SubscriptionKind::Shard => "ssubscribe",
    }
}

fn unsubscribed(kind: SubscriptionKind) -> &'static str {
    match kind {
        SubscriptionKind::Channel => "unsubscribe",
        SubscriptionKind::Pattern => "punsubscribe",
        SubscriptionKind::Shard => "sunsubscribe",
    }
}

fn unsubscribe(context: &mut Context<'_>, names: &[Bytes], kind: SubscriptionKind) -> Answer {
    let Some(peer) = context.state.clients.get(&context.client.id) else {
        return Ok(Reply::Several(Vec::new()));
    };
    let left = peer.subscriptions.count(kind);
    let all: Vec<Bytes>;
    let names = if names.is_empty() {
        all = peer.subscriptions.of(kind).iter().cloned().collect();
        &all
    } else {
        names
    };
    let mut replies = Vec::with_capacity(names.len());
    for name in names {
        let left = leave(context, name, kind);
        replies.push(confirm(unsubscribed(kind), Some(name), left));
    }
    if replies.is_empty() {
        replies.push(confirm(unsubscribed(kind), None, left));
    }
    Ok(Reply::Several(replies))
}

/// Ends all subscriptions of the client, without a reply.
pub(super) fn leave_all(context: &mut Context<'_>) {
    for kind in SubscriptionKind::ALL {
        let peer = context.state.clients.get(&context.client.id);
        let names: Vec<Bytes> =
            peer.map(|peer| peer.subscriptions.of(kind).iter().cloned().collect()).unwrap_or_default();
        for name in &names {
            leave(context, name, kind);
        }
    }
}

/// Ends a subscription. Returns the number of remaining ones.
fn leave(context: &mut Context<'_>, name: &Bytes, kind: SubscriptionKind) -> usize {
    let id = context.client.id;
    context.state.subscribers.leave(kind, name, id);
    let Some(peer) = context.state.clients.get_mut(&id) else { return 0 };
    peer.subscriptions.of_mut(kind).remove(name);
    context.client.subscribed = !peer.subscriptions.is_empty();
    peer.subscriptions.count(kind)
}

fn confirm(what: &'static str, name: Option<&Bytes>, subscriptions: usize) -> Reply {
    let name = Reply::bulk_or_nil(name.cloned());
    Reply::Push(vec![Reply::text(what), name, Reply::count(subscriptions)])
}
