//! What follows from a command that a node did not run.

use std::sync::Arc;

use super::base::Cluster;
use super::route::{NextStep, Route};
use super::shared::ClusterShared;
use crate::error::{Error, Redirect};
use crate::sync::lock;

impl Cluster {
    /// Learns from a failure, and returns what to do next.
    pub(crate) fn after(&self, failure: &Error) -> NextStep {
        match (failure.redirect(), failure.code()) {
            (Some(redirect), _) if redirect.has_moved => {
                self.shared.moved(redirect);
                NextStep::Follow(Route::BySlot)
            }
            (Some(redirect), _) => {
                let map = self.shared.map.load();
                let host = self.shared.host_of(redirect);
                NextStep::Follow(Route::Asking(self.shared.node_at(&map, &host, redirect.port)))
            }
            (None, Some("TRYAGAIN")) => NextStep::Soon,
            _ => {
                self.shared.trouble.notify_one();
                NextStep::Later
            }
        }
    }

    /// Replaces the connections to the node of a slot. It redirects to itself, so its name stands
    /// for another server now.
    pub(crate) fn renew(&self, slot: Option<u16>) {
        if let Some(node) = slot.and_then(|slot| self.shared.map.load().owner(slot).cloned()) {
            node.own.renew();
        }
        self.shared.trouble.notify_one();
    }
}

impl ClusterShared {
    /// The host of a redirection. If it names none, it is the host of the node that answered, which
    /// is the master of the slot as far as this process knew.
    fn host_of(&self, redirect: &Redirect) -> String {
        if !redirect.host.is_empty() {
            return redirect.host.clone();
        }
        let map = self.map.load();
        let answered = map.owner(redirect.slot).unwrap_or(&self.home);
        answered.address().map(|(host, _)| host.to_owned()).unwrap_or_default()
    }

    /// Changes the map at once, and has it refreshed.
    fn moved(&self, redirect: &Redirect) {
        let mut state = lock(&self.state);
        let map = self.map.load_full();
        let node = self.node_at(&map, &self.host_of(redirect), redirect.port);
        // Many commands may be redirected before the first of them changes the map.
        if map.owner(redirect.slot).is_some_and(|owner| Arc::ptr_eq(owner, &node)) {
            return;
        }
        let (new, slots) = map.moved(redirect.slot, &node);
        state.redirections += 1;
        let number = state.redirections;
        state.patches.retain(|(slot, ..)| slots.binary_search(slot).is_err());
        state.patches.extend(slots.into_iter().map(|slot| (slot, Arc::clone(&node), number)));
        self.replace(&mut state, &map, new);
        drop(state);
        self.trouble.notify_one();
    }
}
