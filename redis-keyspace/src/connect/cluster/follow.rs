//! What follows from a command that a node did not run.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::base::Cluster;
use super::map::SlotMap;
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
                self.shared.moved(std::iter::once(redirect), answered);
                NextStep::Follow(Route::BySlot)
            }
            (Some(redirect), _) => {
                let host = self.shared.host_of(redirect, answered);
                NextStep::Follow(Route::Asking(self.shared.joining_node(&host, redirect.port)))
            }
            (None, Some("TRYAGAIN")) => NextStep::Soon,
            // The node will know soon where the other one is. Others may know it already.
            (None, Some("MOVED" | "ASK")) => {
                self.shared.origin().trouble().notify_one();
                NextStep::Soon
            }
            _ => {
                self.shared.origin().trouble().notify_one();
                NextStep::Later
            }
        }
    }
}

impl Cluster {
    /// Learns from the redirections of commands that were sent together. Afterwards,
    /// [`after`](Self::after) finds the map changed already.
    pub(crate) fn follow_all<'e>(
        &self,
        failures: impl Iterator<Item = &'e Error>,
        answered: Option<&Arc<Node>>,
    ) {
        let redirects = failures.filter_map(Error::redirect).filter(|redirect| redirect.has_moved);
        self.shared.moved(redirects, answered);
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

    /// Changes the map at once, and has it refreshed. Many redirections change it once.
    fn moved<'r>(&self, redirects: impl Iterator<Item = &'r Redirect>, answered: Option<&Arc<Node>>) {
        let mut state = lock(&self.state);
        let map = self.map.load_full();
        if map.is_empty() {
            // A map of one slot would look complete to those that wait for the first one.
            self.origin().trouble().notify_one();
            return;
        }
        let mut new: Option<SlotMap<Node>> = None;
        let mut moved: HashMap<u16, Arc<Node>> = HashMap::new();
        let mut is_renewed = false;
        for redirect in redirects {
            let host = self.host_of(redirect, answered);
            let current = new.as_ref().unwrap_or(&map);
            let node = self.node_at(current, &state.joining, &host, redirect.port);
            if answered.is_some_and(|answered| Arc::ptr_eq(answered, &node)) {
                // It redirects to itself, so its name stands for another server now.
                if !std::mem::replace(&mut is_renewed, true) {
                    node.own.renew();
                }
                continue;
            }
            // Many commands may be redirected before the first of them changes the map.
            if current.owner(redirect.slot).is_some_and(|owner| Arc::ptr_eq(owner, &node)) {
                continue;
            }
            let new = new.get_or_insert_with(|| SlotMap::clone(&map));
            let slots = new.move_slot(redirect.slot, &node);
            moved.extend(slots.into_iter().map(|slot| (slot, Arc::clone(&node))));
        }
        if let Some(mut new) = new {
            new.count();
            state.redirections += 1;
            let number = state.redirections;
            let since = Instant::now();
            state.patches.retain(|patch| !moved.contains_key(&patch.slot));
            let patch = |(slot, node)| Patch { slot, node, number, since };
            state.patches.extend(moved.into_iter().map(patch));
            self.replace(&mut state, &map, new);
        } else if !is_renewed {
            return;
        }
        drop(state);
        self.origin().trouble().notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::cluster::view::{ClusterView, SlotRange, ViewedNode};

    fn moved(slot: u16, port: u16) -> Redirect {
        Redirect { slot, host: "127.0.0.1".to_owned(), port, has_moved: true }
    }

    #[tokio::test]
    async fn a_redirection_before_the_first_map_makes_no_map_of_one_slot() {
        let shared = ClusterShared::for_tests();
        shared.moved([&moved(5, 7001)].into_iter(), None);
        assert!(shared.map.load().is_empty());
        assert!(lock(&shared.state).patches.is_empty());

        // Afterwards, it changes the map at once.
        let node = ViewedNode { id: "a".to_owned(), host: "127.0.0.1".to_owned(), port: 7000 };
        let range = SlotRange { first: 0, last: 16_383, master: Some(node), replicas: Vec::new() };
        shared.apply(&ClusterView { ranges: vec![range] }, &shared.home, 0);
        shared.moved([&moved(5, 7001)].into_iter(), None);
        let map = shared.map.load();
        let ports =
            [4, 5, 6].map(|slot| map.owner(slot).and_then(|node| node.address()).map(|(_, port)| port));
        assert_eq!(ports, [Some(7000), Some(7001), Some(7000)]);
    }

    #[tokio::test]
    async fn many_redirections_change_the_map_once() {
        let shared = ClusterShared::for_tests();
        let node = ViewedNode { id: "a".to_owned(), host: "127.0.0.1".to_owned(), port: 7000 };
        let range = SlotRange { first: 0, last: 16_383, master: Some(node), replicas: Vec::new() };
        shared.apply(&ClusterView { ranges: vec![range] }, &shared.home, 0);
        let before = *shared.changes.borrow();
        let redirects: Vec<_> = (0..5000).map(|slot| moved(slot, 7001)).collect();
        shared.moved(redirects.iter(), None);
        assert_eq!(*shared.changes.borrow(), before + 1);
        let map = shared.map.load();
        let port = |slot| map.owner(slot).and_then(|node| node.address()).map(|(_, port)| port);
        assert_eq!([0, 4999, 5000].map(port), [Some(7001), Some(7001), Some(7000)]);
        assert_eq!(map.slot_counts(), [11_384, 5000]);
        // They are known already.
        shared.moved(redirects.iter(), None);
        assert_eq!((*shared.changes.borrow(), lock(&shared.state).redirections), (before + 1, 1));
    }

    #[tokio::test]
    async fn what_a_node_counted_stays_when_it_leaves() {
        let shared = ClusterShared::for_tests();
        let view = |ports: &[u16]| {
            let node =
                |port: &u16| ViewedNode { id: port.to_string(), host: "127.0.0.1".to_owned(), port: *port };
            let mut nodes = ports.iter().map(node);
            let range = SlotRange { first: 0, last: 16_383, master: nodes.next(), replicas: nodes.collect() };
            ClusterView { ranges: vec![range] }
        };
        let totals = || {
            let map = shared.map.load();
            let is_back = |node: &Arc<Node>| map.nodes().iter().any(|entry| Arc::ptr_eq(&entry.node, node));
            lock(&shared.state).left.totals(is_back).connects
        };
        shared.apply(&view(&[7000, 7001]), &shared.home, 0);
        let node = shared.node_of_id("7001").unwrap();
        node.facts.connects.fetch_add(3, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(totals(), 0);
        shared.apply(&view(&[7000]), &shared.home, 0);
        node.facts.connects.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(totals(), 4, "it is still used");
        drop(node);
        assert_eq!(totals(), 3, "as it was when it left");
        // Another node leaves, which is remembered by a slot.
        shared.moved([&moved(5, 7002)].into_iter(), None);
        let node = Arc::clone(shared.map.load().owner(5).unwrap());
        node.facts.connects.fetch_add(5, std::sync::atomic::Ordering::Relaxed);
        let redirections = lock(&shared.state).redirections;
        lock(&shared.state).patches.clear();
        shared.apply(&view(&[7000]), &shared.home, redirections);
        assert_eq!(totals(), 8);
    }
}
