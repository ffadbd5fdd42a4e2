//! Which node serves a slot.

use std::sync::Arc;

use super::view::{ClusterView, ViewedNode};
use crate::key::SLOTS;

/// Marks a slot that no node serves.
const UNSERVED: u16 = u16::MAX;

/// The nodes of a cluster, and the master of each slot.
#[derive(Debug)]
pub(super) struct SlotMap<N> {
    /// An index into `nodes` for each slot.
    owners: Box<[u16]>,
    nodes: Vec<MappedNode<N>>,
    /// The number of slots of each node, in the order of the nodes.
    counts: Vec<usize>,
}

/// A node of the map.
#[derive(Debug)]
pub(super) struct MappedNode<N> {
    pub(super) node: Arc<N>,
    /// Empty if only a redirection named the node so far.
    pub(super) id: String,
    /// The index of its master, if it is a replica.
    master: Option<u16>,
}

impl<N> Clone for MappedNode<N> {
    fn clone(&self) -> Self {
        Self { node: Arc::clone(&self.node), id: self.id.clone(), master: self.master }
    }
}

impl<N> Clone for SlotMap<N> {
    fn clone(&self) -> Self {
        Self { owners: self.owners.clone(), nodes: self.nodes.clone(), counts: self.counts.clone() }
    }
}

impl<N> Default for SlotMap<N> {
    fn default() -> Self {
        Self { owners: vec![UNSERVED; SLOTS.into()].into(), nodes: Vec::new(), counts: Vec::new() }
    }
}

impl<N> SlotMap<N> {
    /// Creates the map of a view. `node` returns the node for an entry of the view.
    pub(super) fn of(view: &ClusterView, mut node: impl FnMut(&ViewedNode) -> Arc<N>) -> Self {
        let mut map = Self::default();
        for range in &view.ranges {
            let Some(master) = &range.master else { continue };
            let owner = map.add(node(master), &master.id, None);
            if let Some(owners) = map.owners.get_mut(range.first.into()..=range.last.into()) {
                owners.fill(owner);
            }
            for replica in &range.replicas {
                map.add(node(replica), &replica.id, Some(owner));
            }
        }
        map.count();
        map
    }

    /// Counts the slots of each node.
    pub(super) fn count(&mut self) {
        self.counts = vec![0; self.nodes.len()];
        for owner in &self.owners {
            if let Some(count) = self.counts.get_mut(usize::from(*owner)) {
                *count += 1;
            }
        }
    }

    /// Adds a node unless the map contains it, and returns its index.
    fn add(&mut self, node: Arc<N>, id: &str, master: Option<u16>) -> u16 {
        let known = self.nodes.iter().position(|known| Arc::ptr_eq(&known.node, &node));
        let place = known.unwrap_or_else(|| {
            self.nodes.push(MappedNode { node, id: id.to_owned(), master });
            self.nodes.len() - 1
        });
        // A cluster has at most as many nodes as slots.
        u16::try_from(place).unwrap_or(UNSERVED)
    }

    /// Whether no view was applied yet.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns the master of a slot.
    #[inline]
    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<N>> {
        let owner = self.owners.get(usize::from(slot))?;
        Some(&self.nodes.get(usize::from(*owner))?.node)
    }

    pub(super) fn nodes(&self) -> &[MappedNode<N>] {
        &self.nodes
    }

    /// The number of slots of each node, in the order of the nodes.
    pub(super) fn slot_counts(&self) -> &[usize] {
        &self.counts
    }

    /// The number of slots without a master.
    pub(super) fn unserved(&self) -> usize {
        usize::from(SLOTS) - self.counts.iter().sum::<usize>()
    }

    /// The nodes that serve slots.
    pub(super) fn masters(&self) -> impl Iterator<Item = &Arc<N>> {
        self.nodes.iter().zip(&self.counts).filter(|(_, count)| **count > 0).map(|(entry, _)| &entry.node)
    }

    /// The replicas of the master of a slot.
    pub(super) fn replicas(&self, slot: u16) -> impl Iterator<Item = &Arc<N>> + Clone {
        let owner = self.owners.get(usize::from(slot)).copied();
        let is_of_owner = move |entry: &&MappedNode<N>| entry.master.is_some() && entry.master == owner;
        self.nodes.iter().filter(is_of_owner).map(|entry| &entry.node)
    }

    /// Each master with its replicas.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&Arc<N>, Vec<&Arc<N>>)> {
        let of = move |master: usize| {
            let is_of = move |entry: &&MappedNode<N>| entry.master.map(usize::from) == Some(master);
            self.nodes.iter().filter(is_of).map(|entry| &entry.node).collect()
        };
        let masters = self.nodes.iter().zip(&self.counts).enumerate().filter(|(_, (_, count))| **count > 0);
        masters.map(move |(nth, (entry, _))| (&entry.node, of(nth)))
    }

    /// Whether the node serves a slot.
    pub(super) fn is_master(&self, node: &Arc<N>) -> bool {
        self.masters().any(|master| Arc::ptr_eq(master, node))
    }

    /// Whether other nodes have replaced a master in a later map: nodes that served no slots
    /// before. Slots that are moved usually go to other masters.
    pub(super) fn is_replaced(&self, master: &Arc<N>, later: &Self) -> bool {
        let owns = |slot: &u16| self.owner(*slot).is_some_and(|owner| Arc::ptr_eq(owner, master));
        let mut successors: Vec<Option<&Arc<N>>> =
            (0..SLOTS).filter(owns).map(|slot| later.owner(slot)).collect();
        successors.dedup_by_key(|successor| successor.map(Arc::as_ptr));
        let is_new =
            |successor: &Option<&Arc<N>>| successor.is_some_and(|successor| !self.is_master(successor));
        !successors.is_empty() && successors.iter().all(is_new)
    }

    /// Moves a slot to a node, and returns which slots moved. If the node was a replica of the
    /// master of the slot, it has replaced its master, so all its slots moved. Afterwards,
    /// [`count`](Self::count) must be called.
    pub(super) fn move_slot(&mut self, slot: u16, to: &Arc<N>) -> Vec<u16> {
        let old = self.owners.get(usize::from(slot)).copied().unwrap_or(UNSERVED);
        let new = self.add(Arc::clone(to), "", None);
        let is_promoted = old != UNSERVED
            && self.nodes.get(usize::from(new)).is_some_and(|entry| entry.master == Some(old));
        if !is_promoted {
            if let Some(owner) = self.owners.get_mut(usize::from(slot)) {
                *owner = new;
            }
            return vec![slot];
        }
        let mut moved = Vec::new();
        for (nth, owner) in (0..SLOTS).zip(self.owners.iter_mut()) {
            if nth == slot || *owner == old {
                *owner = new;
                moved.push(nth);
            }
        }
        for (nth, entry) in self.nodes.iter_mut().enumerate() {
            if nth == usize::from(old) || entry.master == Some(old) {
                entry.master = Some(new);
            }
        }
        if let Some(entry) = self.nodes.get_mut(usize::from(new)) {
            entry.master = None;
        }
        moved
    }

    /// Sets the master of single slots, which redirections named.
    pub(super) fn patch<'p>(&mut self, patches: impl Iterator<Item = (u16, &'p Arc<N>)>)
    where
        N: 'p,
    {
        for (slot, node) in patches {
            let owner = self.add(Arc::clone(node), "", None);
            if let Some(place) = self.owners.get_mut(usize::from(slot)) {
                *place = owner;
            }
        }
        self.count();
    }

    /// Whether both maps have the same master for each slot.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        (0..SLOTS).all(|slot| match (self.owner(slot), other.owner(slot)) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::cluster::view::SlotRange;

    fn viewed(id: &str) -> ViewedNode {
        ViewedNode { id: id.to_owned(), host: "h".to_owned(), port: 1 }
    }

    fn range(first: u16, last: u16, master: &str, replica: &str) -> SlotRange {
        SlotRange { first, last, master: Some(viewed(master)), replicas: vec![viewed(replica)] }
    }

    /// Two masters, `a` and `b`, each with a replica.
    fn map() -> (SlotMap<String>, impl Fn(&str) -> Arc<String>) {
        let nodes: Vec<_> = ["a", "b", "c", "d"].map(|id| Arc::new(id.to_owned())).into();
        let find = move |id: &str| nodes.iter().find(|node| node.as_str() == id).map(Arc::clone).unwrap();
        let ranges = vec![range(0, 99, "a", "c"), range(100, 199, "b", "d"), range(200, 299, "a", "c")];
        (SlotMap::of(&ClusterView { ranges }, |node| find(&node.id)), find)
    }

    impl SlotMap<String> {
        /// The map after a slot has moved, and which slots moved.
        fn moved(&self, slot: u16, to: &Arc<String>) -> (Self, Vec<u16>) {
            let mut map = self.clone();
            let moved = map.move_slot(slot, to);
            map.count();
            (map, moved)
        }
    }

    fn owner(map: &SlotMap<String>, slot: u16) -> Option<&str> {
        map.owner(slot).map(|node| node.as_str())
    }

    #[test]
    fn a_slot_has_the_master_that_the_view_names() {
        let (map, _) = map();
        let owners = [0, 99, 100, 200, 299, 300, 16_383].map(|slot| owner(&map, slot));
        assert_eq!(owners, [Some("a"), Some("a"), Some("b"), Some("a"), Some("a"), None, None]);
        assert_eq!(map.masters().map(|node| node.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(map.slot_counts(), [200, 0, 100, 0]);
        assert_eq!(map.unserved(), 16_084);
        assert_eq!(owner(&map, 20_000), None);
    }

    #[test]
    fn one_slot_moves_to_another_master() {
        let (map, find) = map();
        let (changed, moved) = map.moved(5, &find("b"));
        assert_eq!(moved, [5]);
        assert_eq!([4, 5, 6].map(|slot| owner(&changed, slot)), [Some("a"), Some("b"), Some("a")]);
        let new = Arc::new("e".to_owned());
        let (changed, moved) = changed.moved(300, &new);
        assert_eq!((moved, owner(&changed, 300)), (vec![300], Some("e")));
        assert!(!changed.agrees_with(&map));
    }

    #[test]
    fn all_slots_move_to_a_promoted_replica() {
        let (map, find) = map();
        let (changed, moved) = map.moved(5, &find("c"));
        assert_eq!(moved.len(), 200);
        assert_eq!(
            [0, 99, 150, 250].map(|slot| owner(&changed, slot)),
            [Some("c"), Some("c"), Some("b"), Some("c")]
        );
        // And back: the old master is a replica of the new one now.
        let (back, moved) = changed.moved(250, &find("a"));
        assert_eq!(moved.len(), 200);
        assert!(back.agrees_with(&map));
    }

    #[test]
    fn a_promoted_replica_replaces_its_master_and_another_master_does_not() {
        let (map, find) = map();
        let promoted = map.moved(5, &find("c")).0;
        assert!(map.is_replaced(&find("a"), &promoted));
        assert!(!map.is_replaced(&find("b"), &promoted), "it serves its slots");
        let mut drained = map.moved(0, &find("b")).0;
        let b = find("b");
        drained.patch((0..300).map(|slot| (slot, &b)));
        assert!(!map.is_replaced(&find("a"), &drained));
        assert!(!map.is_replaced(&find("c"), &promoted), "it was no master");
        // Some slots of a node that is down may be moved away before.
        let mut both = map.moved(5, &find("c")).0;
        both.patch([(5, &b)].into_iter());
        assert!(!map.is_replaced(&find("a"), &both));
    }

    #[test]
    fn patches_replace_single_slots() {
        let (mut map, find) = map();
        let (b, new) = (find("b"), Arc::new("e".to_owned()));
        map.patch([(0, &b), (1, &new)].into_iter());
        assert_eq!([0, 1, 2].map(|slot| owner(&map, slot)), [Some("b"), Some("e"), Some("a")]);
    }
}
