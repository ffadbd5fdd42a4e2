//! What is known about the commands of the server that a command runs on.

use std::sync::Arc;

use super::binding::Binding;
use crate::connect::ServerFacts;
use crate::key::{KeyText, slot_within};
use crate::protocol::{ReplacedCommand, Request};

/// Returns what is known about the server of a key, as far as it is known which one that is.
pub(super) fn facts_of(binding: &Binding, key: &KeyText) -> Arc<ServerFacts> {
    let pool = binding.pool();
    let owner = pool.cluster().and_then(|cluster| {
        let slot = slot_within(&binding.namespace, key.as_str());
        cluster.owners(std::iter::once(slot)).pop()?
    });
    owner.map_or_else(|| Arc::clone(&pool.facts), |node| Arc::clone(&node.facts))
}

/// Whether the server of a command may have a newer command.
pub(crate) fn may_have(binding: &Binding, request: &Request, newer: ReplacedCommand) -> bool {
    facts_of_request(binding, request).may_have(newer)
}

/// Records that the server of a command lacks a newer command.
pub(crate) fn learn_missing(binding: &Binding, request: &Request, newer: ReplacedCommand) {
    facts_of_request(binding, request).learn(newer, false);
}

fn facts_of_request(binding: &Binding, request: &Request) -> Arc<ServerFacts> {
    let key = request.requested().find_map(|packet| packet.keys.as_slice().first());
    key.map_or_else(|| Arc::clone(&binding.pool().facts), |key| facts_of(binding, key))
}
