//! The order in which a scan visits the nodes of a cluster.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::seen::SeenKeys;
use crate::client::Binding;
use crate::connect::{ClusterLayout, Node, ServerRun};
use crate::error::{Error, ErrorKind, Result};
use crate::key::{SLOTS, slot_within};
use crate::time::{Backoff, Deadline};

/// How often slots are read again because they moved. A cluster that keeps moving the same slots
/// can't be scanned.
const ROUNDS: u32 = 32;
/// How often nodes may restart during a scan.
const RESTARTS: u32 = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The nodes that a scan still has to visit.
///
/// A key that exists during the whole scan is found, also if its slot moves meanwhile. The scan
/// visits all masters in rounds. It compares who served each slot before and after a round. The
/// next round reads those slots again for which this has changed. A slot that is being moved during
/// the whole round is read at its master first, and then at the next one: a key that was not found
/// at the first has moved before the second was read.
pub(super) struct NodeWalk {
    /// The slots to read in this round.
    pending: Vec<bool>,
    /// Who served the slots before this round.
    before: ClusterLayout,
    visits: VecDeque<Visit>,
    current: Option<Current>,
    /// The keys that were found in slots that are being moved. They may be found at both nodes.
    moving: HashMap<u16, SeenKeys>,
    /// The slots that are read again from now on, until the caller has taken them.
    reread: Vec<u16>,
    /// The masters that could not be read in this round, and the last error.
    failed: HashSet<usize>,
    failure: Option<Error>,
    rounds: u32,
    /// How often a node was read from its start again, because another run of it answered.
    restarts: u32,
    pauses: Backoff,
}

/// A visit of one node.
#[derive(Debug, Clone, Copy)]
struct Visit {
    /// The index of the node among the masters.
    master: usize,
    /// Whether the node is visited for the slots that are being moved to it.
    takes_over: bool,
}

/// The node that is being read.
struct Current {
    visit: Visit,
    node: Arc<Node>,
    cursor: u64,
    server: Option<ServerRun>,
}

/// The next page of a scan.
pub(super) struct NodePage {
    pub(super) node: Arc<Node>,
    pub(super) cursor: u64,
    /// The run of the node that the cursor belongs to.
    pub(super) server: Option<ServerRun>,
}

impl NodeWalk {
    pub(super) async fn start(binding: &Binding, deadline: Deadline) -> Result<Self> {
        let before = layout(binding, deadline).await?;
        let mut walk = Self {
            pending: vec![true; SLOTS.into()],
            before,
            visits: VecDeque::new(),
            current: None,
            moving: HashMap::new(),
            reread: Vec::new(),
            failed: HashSet::new(),
            failure: None,
            rounds: 0,
            restarts: 0,
            pauses: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
        };
        walk.plan();
        Ok(walk)
    }

    /// The masters at the start of this round.
    pub(super) fn masters(&self) -> &[Arc<Node>] {
        self.before.masters()
    }

    /// Plans the visits of a round: all masters of the slots, and then the nodes that take them
    /// over.
    fn plan(&mut self) {
        let pending = || (0..SLOTS).filter(|slot| self.is_pending(*slot));
        let owners: HashSet<_> = pending().filter_map(|slot| self.before.owner(slot)).collect();
        let targets: HashSet<_> =
            pending().flat_map(|slot| self.before.targets(slot).iter().copied()).collect();
        let visits = |masters: HashSet<usize>, takes_over| {
            let mut masters: Vec<_> = masters.into_iter().collect();
            masters.sort_unstable();
            masters.into_iter().map(move |master| Visit { master, takes_over })
        };
        self.visits = visits(owners, false).chain(visits(targets, true)).collect();
    }

    fn is_pending(&self, slot: u16) -> bool {
        self.pending.get(usize::from(slot)).copied().unwrap_or_default()
    }

    /// Returns the next page, or `None` if all keys were read. `timeout` limits each round trip.
    pub(super) async fn next(
        &mut self,
        binding: &Binding,
        timeout: Option<Duration>,
    ) -> Result<Option<NodePage>> {
        loop {
            if let Some(Current { node, cursor, server, .. }) = &self.current {
                return Ok(Some(NodePage { node: Arc::clone(node), cursor: *cursor, server: *server }));
            }
            if let Some(visit) = self.visits.pop_front() {
                let node = self.masters().get(visit.master).cloned();
                self.current = node.map(|node| Current { visit, node, cursor: 0, server: None });
            } else if !self.begin_round(binding, timeout).await? {
                return Ok(None);
            }
        }
    }

    /// Begins a round for the slots that are not read completely. Returns `false` if all are.
    async fn begin_round(&mut self, binding: &Binding, timeout: Option<Duration>) -> Result<bool> {
        let after = layout(binding, binding.deadline(timeout)).await?;
        let mut again = 0;
        for slot in 0..SLOTS {
            let is_complete = self.before.agrees_with(&after, slot)
                && self.before.owner(slot).is_some_and(|owner| !self.failed.contains(&owner))
                && self.before.targets(slot).iter().all(|target| !self.failed.contains(target));
            if let Some(pending) = self.pending.get_mut(usize::from(slot)) {
                *pending &= !is_complete;
                again += u32::from(*pending);
            }
        }
        if again == 0 {
            return Ok(false);
        }
        self.rounds += 1;
        let failure = self.failure.take().filter(|_| self.rounds > binding.retries);
        if let Some(failure) = failure {
            return Err(failure);
        }
        if self.rounds > ROUNDS {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "{again} slots of the cluster moved while they were scanned, in each of {ROUNDS} attempts; scan again \
                     when the cluster is stable"
                ),
            ));
        }
        event!(debug, "slots are scanned again, because they moved", slots = again);
        sleep(self.pauses.pause()).await;
        self.before = layout(binding, binding.deadline(timeout)).await?;
        self.failed.clear();
        self.plan();
        self.read_again((0..SLOTS).filter(|slot| self.is_pending(*slot)).collect());
        Ok(true)
    }

    /// Forgets what was found in these slots.
    fn read_again(&mut self, slots: Vec<u16>) {
        slots.iter().for_each(|slot| drop(self.moving.remove(slot)));
        self.reread.extend(slots);
    }

    /// Returns the slots that are read again from now on.
    pub(super) fn take_reread(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.reread)
    }

    fn is_visited_for(&self, visit: Visit, slot: u16) -> bool {
        let is_of_node = if visit.takes_over {
            self.before.targets(slot).contains(&visit.master)
        } else {
            self.before.owner(slot) == Some(visit.master)
        };
        is_of_node && self.is_pending(slot)
    }

    /// Records that a page was read, and returns those of its keys that count. If another run of
    /// the node answered, its cursor was not valid: no key counts, and the node is read from its
    /// start.
    pub(super) fn page_was_read(
        &mut self,
        namespace: &str,
        mut keys: Vec<String>,
        cursor: Option<u64>,
        server: ServerRun,
    ) -> Result<Vec<String>> {
        let Some(current) = &mut self.current else { return Ok(Vec::new()) };
        let has_restarted = current.server.is_some_and(|run| run != server);
        current.server = Some(server);
        let visit = current.visit;
        self.restarts += u32::from(has_restarted);
        if self.restarts > RESTARTS {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "nodes of the cluster restarted or were replaced more than {RESTARTS} times during the scan; scan again \
                     when it is stable"
                ),
            ));
        }
        if has_restarted {
            current.cursor = 0;
            if !visit.takes_over {
                self.read_again((0..SLOTS).filter(|slot| self.is_visited_for(visit, *slot)).collect());
            }
            return Ok(Vec::new());
        }
        match cursor {
            Some(cursor) => current.cursor = cursor,
            None => self.current = None,
        }
        keys.retain(|key| self.accepts(visit, namespace, key));
        Ok(keys)
    }

    /// Whether this key is one of those that the node is visited for. A node may also hold keys of
    /// slots that it does not serve. A key of a slot that is being moved is accepted once.
    fn accepts(&mut self, visit: Visit, namespace: &str, key: &str) -> bool {
        let slot = slot_within(namespace, key);
        self.is_visited_for(visit, slot)
            && (self.before.targets(slot).is_empty() || self.moving.entry(slot).or_default().is_new(key))
    }

    /// Records that the current node can't be read. The next round tries again, because the node
    /// may have been replaced.
    pub(super) fn node_failed(&mut self, error: Error) {
        if let Some(Current { visit, .. }) = self.current.take() {
            self.failed.insert(visit.master);
            self.failure = Some(error);
        }
    }
}

async fn layout(binding: &Binding, deadline: Deadline) -> Result<ClusterLayout> {
    match binding.pool().cluster() {
        Some(cluster) => cluster.layout(deadline).await,
        None => Err(Error::protocol("the server is not a cluster")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::ServerFacts;

    /// A walk that reads a slot at the node that the slot is being moved to.
    fn walk_at_target(slot: u16) -> NodeWalk {
        let before = ClusterLayout::moving(slot);
        let node = before.masters().last().cloned().unwrap();
        let visit = Visit { master: 1, takes_over: true };
        NodeWalk {
            pending: vec![true; SLOTS.into()],
            before,
            visits: VecDeque::new(),
            current: Some(Current { visit, node, cursor: 0, server: None }),
            moving: HashMap::new(),
            reread: Vec::new(),
            failed: HashSet::new(),
            failure: None,
            rounds: 0,
            restarts: 0,
            pauses: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
        }
    }

    #[tokio::test]
    async fn a_key_of_a_page_that_did_not_count_is_found_later() {
        let mut walk = walk_at_target(slot_within("", "key"));
        let facts = ServerFacts::new(&crate::config::Settings::default());
        let [first, second] = [(); 2].map(|()| facts.note_server(&Default::default()));
        let mut read = |keys: &[&str], cursor, run| {
            let keys = keys.iter().map(|&key| key.to_owned()).collect();
            walk.page_was_read("", keys, cursor, run).unwrap()
        };
        assert!(read(&[], Some(5), first).is_empty());
        assert!(read(&["key"], Some(6), second).is_empty(), "another run answered");
        assert_eq!(read(&["key", "other"], Some(7), second), ["key"], "the other key is not in this slot");
        assert!(read(&["key"], None, second).is_empty(), "it was returned already");
    }
}
