//! Slots, and moving them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{RealCluster, call};
use crate::resp::{Client, Reply};
use crate::wait::{PATIENCE, until};

/// The number of keys that one MIGRATE moves.
const KEYS_AT_ONCE: usize = 100;
/// The number of slots that are moved before the next ones.
const SLOTS_AT_ONCE: usize = 512;
/// The limit of MIGRATE, in milliseconds.
const MIGRATE_LIMIT: &str = "60000";

/// Returns a hash tag with braces whose keys are in a slot: `{1a}`.
pub fn slot_tag(slot: u16) -> String {
    assert!(slot < 16_384, "slot {slot} does not exist");
    let tags = (0_u32..).map(|number| format!("{number:x}"));
    let tag = tags.into_iter().find(|tag| checksum(tag.as_bytes()) % 16_384 == slot);
    format!("{{{}}}", tag.expect("some tag has each slot"))
}

/// CRC-16/XMODEM, the checksum of slots.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(
            sum ^ u16::from(*byte) << 8,
            |sum, _| if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 },
        )
    })
}

/// A slot that is on the way from one master to another, as [`RealCluster::begin_move`] returns it.
///
/// Dropping it leaves the slot as it is: the source answers ASK for keys that it does not have.
#[derive(Debug)]
#[must_use = "the slot stays half-way until `finish` or `cancel`"]
pub struct SlotMove<'a> {
    cluster: &'a RealCluster,
    slot: u16,
    from: usize,
    to: usize,
    moved: AtomicUsize,
}

impl SlotMove<'_> {
    /// Returns the index of the master that has the slot until [`finish`](Self::finish).
    pub fn from(&self) -> usize {
        self.from
    }

    /// Returns the index of the master that gets the slot.
    pub fn to(&self) -> usize {
        self.to
    }

    /// Moves keys of the slot, at most this many. Returns how many it moved.
    pub fn move_keys(&self, at_most: usize) -> usize {
        let moved = self.cluster.migrate(self.slot, self.from, self.to, at_most);
        self.moved.fetch_add(moved, Ordering::Relaxed);
        moved
    }

    /// Moves the keys that are left, gives the slot to the target, and waits until all live nodes
    /// agree.
    pub fn finish(self) {
        self.move_keys(usize::MAX);
        let Self { cluster, slot, from, to, .. } = self;
        cluster.hand_over(&[slot], from, to);
        cluster.owned_by(&[slot], to);
    }

    /// Leaves the slot where it was. Panics if a key was moved, or created on the target.
    pub fn cancel(self) {
        let Self { cluster, slot, from, to, moved } = self;
        let moved = moved.into_inner();
        assert_eq!(moved, 0, "slot {slot}: keys were moved, so the move cannot be cancelled");
        let created = cluster.keys_in(&[slot], to)[0];
        assert_eq!(
            created, 0,
            "slot {slot}: keys were created on node {to}, so the move cannot be cancelled"
        );
        for node in [to, from] {
            cluster.order(node, &["CLUSTER", "SETSLOT", &slot.to_string(), "STABLE"]);
        }
        cluster.owned_by(&[slot], from);
    }
}

impl RealCluster {
    /// Moves a slot with its keys to another master, and waits until all live nodes agree on the
    /// owner and its config epoch.
    pub fn move_slot(&self, slot: u16, to: usize) {
        self.begin_move(slot, to).finish();
    }

    /// Prepares the move of a slot to another master. From now on, its old master answers ASK for
    /// keys that it does not have.
    pub fn begin_move(&self, slot: u16, to: usize) -> SlotMove<'_> {
        self.refuse_if_shared();
        // A move from an owner that another node does not know yet can destroy the keys.
        self.agreed();
        let from = self.master_of(slot);
        assert_ne!(from, to, "node {to} has slot {slot} already");
        self.mark(&[slot], from, to);
        SlotMove { cluster: self, slot, from, to, moved: AtomicUsize::new(0) }
    }

    /// Moves many slots of one master.
    pub(super) fn move_slots(&self, slots: &[u16], from: usize, to: usize) {
        for slots in slots.chunks(SLOTS_AT_ONCE) {
            self.mark(slots, from, to);
            for (&slot, keys) in slots.iter().zip(self.keys_in(slots, from)) {
                if keys > 0 {
                    self.migrate(slot, from, to, usize::MAX);
                }
            }
            self.hand_over(slots, from, to);
        }
        self.owned_by(slots, to);
    }

    /// Marks slots on the target first: the source redirects clients to it at once.
    fn mark(&self, slots: &[u16], from: usize, to: usize) {
        let (source, target) = (self.id(from), self.id(to));
        self.set_slots(to, slots, &["IMPORTING", &source], |_| false);
        self.set_slots(from, slots, &["MIGRATING", &target], |_| false);
    }

    /// Gives slots without keys on the source to the target.
    fn hand_over(&self, slots: &[u16], from: usize, to: usize) {
        let owner = self.id(to);
        // The target first: without an owner that knows it, a slot could be lost.
        self.set_slots(to, slots, &["NODE", &owner], |_| false);
        // A source without any slot left becomes a replica, maybe between two of these commands.
        // It refuses the others, and learns the owner from its new master.
        self.set_slots(from, slots, &["NODE", &owner], |error| error.contains("only with masters"));
        let others = self.views().expect("live nodes answer").into_iter();
        for other in others.filter(|view| view.node != from && view.node != to && view.myself().is("master"))
        {
            self.set_slots(other.node, slots, &["NODE", &owner], |_| false);
        }
    }

    /// Runs CLUSTER SETSLOT for each slot, and panics on errors that are not expected.
    fn set_slots(&self, node: usize, slots: &[u16], action: &[&str], expected: impl Fn(&str) -> bool) {
        for (slot, reply) in slots.iter().zip(self.for_each_slot(node, "SETSLOT", slots, action)) {
            match reply {
                Reply::Status(status) if status == "OK" => {}
                Reply::Error(error) if expected(&error) => {}
                other => panic!("node {node}: CLUSTER SETSLOT {slot} {}: {other}", action.join(" ")),
            }
        }
    }

    /// Returns the number of keys of each slot on a node.
    fn keys_in(&self, slots: &[u16], node: usize) -> Vec<i64> {
        let counts = self.for_each_slot(node, "COUNTKEYSINSLOT", slots, &[]).into_iter();
        counts
            .map(|count| match count {
                Reply::Integer(count) => count,
                other => panic!("node {node}: CLUSTER COUNTKEYSINSLOT: {other}"),
            })
            .collect()
    }

    /// Runs `CLUSTER command slot words..` for each slot, in one write.
    fn for_each_slot(&self, node: usize, command: &str, slots: &[u16], words: &[&str]) -> Vec<Reply> {
        let numbers: Vec<String> = slots.iter().map(u16::to_string).collect();
        let commands: Vec<Vec<&str>> =
            numbers.iter().map(|slot| [&["CLUSTER", command, slot][..], words].concat()).collect();
        let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
        let mut client = self.node(node).client();
        client.send_all(&commands).expect("the node takes commands");
        slots.iter().map(|_| client.receive().expect("the node answers")).collect()
    }

    /// Moves keys of a marked slot, and returns how many.
    fn migrate(&self, slot: u16, from: usize, to: usize, at_most: usize) -> usize {
        let (mut client, port) = (self.node(from).client(), self.node(to).port().to_string());
        let (mut moved, started) = (0, Instant::now());
        while moved < at_most {
            let keys = keys_of(&mut client, slot, KEYS_AT_ONCE.min(at_most - moved));
            if keys.is_empty() {
                break;
            }
            let words = ["MIGRATE", "127.0.0.1", &port, "", "0", MIGRATE_LIMIT, "KEYS"].map(str::as_bytes);
            let command: Vec<&[u8]> = words.into_iter().chain(keys.iter().map(Vec::as_slice)).collect();
            match call(&mut client, &command) {
                Ok(Reply::Status(status)) if status == "OK" => moved += keys.len(),
                Ok(Reply::Status(status)) if status == "NOKEY" => {} // they expired meanwhile
                // On a busy machine, a node may think for a moment that too many others are down.
                Ok(Reply::Error(error)) if error.contains("CLUSTERDOWN") && started.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                other => panic!("MIGRATE of slot {slot} from node {from} to node {to}: {other:?}"),
            }
        }
        moved
    }

    /// Waits until all live nodes agree, and a node owns slots that no node moves any more.
    fn owned_by(&self, slots: &[u16], owner: usize) {
        let id = self.id(owner);
        until("all nodes know the owner of the slots", || {
            let view = self.agreement()?;
            let line = view.line(&id).ok_or("the owner is not a member")?;
            if let Some(slot) = slots.iter().find(|slot| !line.owns(**slot)) {
                return Err(format!("slot {slot} does not belong to node {owner}"));
            }
            for view in self.views()? {
                if let Some(slot) = view.myself().open.iter().find(|slot| slots.contains(slot)) {
                    return Err(format!("node {} still moves slot {slot}", view.node));
                }
            }
            Ok(())
        });
    }
}

fn keys_of(client: &mut Client, slot: u16, at_most: usize) -> Vec<Vec<u8>> {
    let command = ["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), &at_most.to_string()];
    let Ok(Reply::Array(keys)) = call(client, &command) else {
        panic!("CLUSTER GETKEYSINSLOT {slot} lists keys")
    };
    let bytes = |key| if let Reply::Bytes(key) = key { key } else { panic!("a key is a string: {key:?}") };
    keys.into_iter().map(bytes).collect()
}
