//! Which connections receive which messages.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::glob;

/// The three kinds of subscriptions. A name in one kind is not a name in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionKind {
    Channel,
    Pattern,
    /// A channel of SSUBSCRIBE and SPUBLISH.
    Shard,
}

impl SubscriptionKind {
    pub(crate) const ALL: [Self; 3] = [Self::Channel, Self::Pattern, Self::Shard];
}

/// A value for each kind of subscription.
#[derive(Debug, Default)]
pub(crate) struct PerKind<T> {
    pub(crate) channels: T,
    pub(crate) patterns: T,
    pub(crate) shards: T,
}

impl<T> PerKind<T> {
    pub(crate) fn of(&self, kind: SubscriptionKind) -> &T {
        match kind {
            SubscriptionKind::Channel => &self.channels,
            SubscriptionKind::Pattern => &self.patterns,
            SubscriptionKind::Shard => &self.shards,
        }
    }

    pub(crate) fn of_mut(&mut self, kind: SubscriptionKind) -> &mut T {
        match kind {
            SubscriptionKind::Channel => &mut self.channels,
            SubscriptionKind::Pattern => &mut self.patterns,
            SubscriptionKind::Shard => &mut self.shards,
        }
    }
}

/// The names that one connection has subscribed to.
pub(crate) type Subscriptions = PerKind<BTreeSet<Bytes>>;

impl Subscriptions {
    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shards.is_empty()
    }

    /// Returns the number in the confirmation of a subscription. Channels and patterns count
    /// together, as on a real server.
    pub(crate) fn count(&self, kind: SubscriptionKind) -> usize {
        match kind {
            SubscriptionKind::Shard => self.shards.len(),
            SubscriptionKind::Channel | SubscriptionKind::Pattern => {
                self.channels.len().saturating_add(self.patterns.len())
            }
        }
    }
}

/// The connections that have subscribed to each name.
pub(crate) type Subscribers = PerKind<BTreeMap<Bytes, BTreeSet<u64>>>;

/// Whether a channel matches a pattern. As on a real server, `*` does not match the empty name.
pub(crate) fn matches(pattern: &[u8], channel: &[u8]) -> bool {
    if channel.is_empty() { pattern.is_empty() } else { glob::matches(pattern, channel) }
}

/// A connection that receives a message, and the pattern if it is a pattern that matches.
pub(crate) type Recipient<'a> = (u64, Option<&'a Bytes>);

impl Subscribers {
    pub(crate) fn join(&mut self, kind: SubscriptionKind, name: Bytes, client: u64) {
        self.of_mut(kind).entry(name).or_default().insert(client);
    }

    pub(crate) fn leave(&mut self, kind: SubscriptionKind, name: &Bytes, client: u64) {
        let names = self.of_mut(kind);
        if let Some(clients) = names.get_mut(name) {
            clients.remove(&client);
            if clients.is_empty() {
                names.remove(name);
            }
        }
    }

    /// Returns the recipients of a message, once for each subscription that matches.
    pub(crate) fn recipients<'a>(
        &'a self,
        channel: &'a Bytes,
        is_shard: bool,
    ) -> impl Iterator<Item = Recipient<'a>> {
        let direct = if is_shard { &self.shards } else { &self.channels };
        let direct = direct.get(channel).into_iter().flatten().map(|&client| (client, None));
        let patterns = self.patterns.iter().filter(move |(pattern, _)| {
            // Patterns do not apply to sharded channels.
            !is_shard && matches(pattern, channel)
        });
        let by_pattern = patterns
            .flat_map(|(pattern, clients)| clients.iter().map(move |&client| (client, Some(pattern))));
        direct.chain(by_pattern)
    }
}
