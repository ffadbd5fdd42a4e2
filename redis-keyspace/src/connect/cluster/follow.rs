//! What follows from a command that a node did not run.

use std::sync::Arc;

use tokio::time::Instant;

use super::base::Cluster;
use super::route::{NextStep, Route};
use super::shared::{ClusterShared, Patch};
use crate::connect::node::Node;
use crate::error::{Error, Redirect};
use crate::sync::lock;

impl Cluster {
    /// Learns from a failure, and returns what to do next. `answered` is the node that reported it,
    /// if it is known.
    pub(crate) fn after(&self, failure: &Error, answered: Option<&Arc<Node>>) -> NextStep {
        match (failure.redirect(), failure.code()) {
            (Some(redirect), _) if redirect.has_moved => {
                self.shared.moved(redirect, answered);
                NextStep::Follow(Route::BySlot)
            }
            (Some(redirect), _) => {
                let host = self.shared.host_of(redirect, answered);
                NextStep::Follow(Route::Asking(self.shared.joining_node(&host, redirect.port)))
            }
            (None, Some("TRYAGAIN")) => NextStep::Soon,
            _ => {
                self.shared.trouble.notify_one();
                NextStep::Later
            }
        }
    }
}

impl ClusterShared {
    /// The host of a redirection. If it names none, it is the host of the node that answered.
    fn host_of(&self, redirect: &Redirect, answered: Option<&Arc<Node>>) -> String {
        if !redirect.host.is_empty() {
            return redirect.host.clone();
        }
        let map = self.map.load();
        let answered = answered.or_else(|| map.owner(redirect.slot)).unwrap_or(&self.home);
        answered.address().map(|(host, _)| host.to_owned()).unwrap_or_default()
    }

    /// Changes the map at once, and has it refreshed.
    fn moved(&self, redirect: &Redirect, answered: Option<&Arc<Node>>) {
        let mut state = lock(&self.state);
        let map = self.map.load_full();
        if map.is_empty() {
            // A map of one slot would look complete to those that wait for the first one.
            self.trouble.notify_one();
            return;
        }
        let host = self.host_of(redirect, answered);
        let node = self.node_at(&map, &state.joining, &host, redirect.port);
        if answered.is_some_and(|answered| Arc::ptr_eq(answered, &node)) {
            // It redirects to itself, so its name stands for another server now.
            node.own.renew();
            self.trouble.notify_one();
            return;
        }
        // Many commands may be redirected before the first of them changes the map.
        if map.owner(redirect.slot).is_some_and(|owner| Arc::ptr_eq(owner, &node)) {
            return;
        }
        let (new, slots) = map.moved(redirect.slot, &node);
        state.redirections += 1;
        let number = state.redirections;
        let since = Instant::now();
        state.patches.retain(|patch| slots.binary_search(&patch.slot).is_err());
        let patch = |slot| Patch { slot, node: Arc::clone(&node), number, since };
        state.patches.extend(slots.into_iter().map(patch));
        self.replace(&mut state, &map, new);
        drop(state);
        self.trouble.notify_one();
    }
}
