//! Streams.

mod group;
mod id;
mod node;
mod radix;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;

pub(crate) use group::{Group, PendingEntry};
pub(crate) use id::EntryId;
pub(crate) use node::StreamEntry;
use node::StreamNode;
use radix::radix_nodes;

use crate::compact::NodeSize;

/// Entries in the order of their IDs, and consumer groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// The nodes by the first ID of each, which may be that of a deleted entry.
    nodes: BTreeMap<EntryId, StreamNode>,
    length: usize,
    last_id: EntryId,
    max_deleted: EntryId,
    added: i64,
    groups: BTreeMap<Bytes, Group>,
    node_size: NodeSize,
}

/// What trimming keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keep {
    /// This many entries.
    Last(usize),
    /// The entries from this ID on.
    From(EntryId),
}

/// How to trim a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trim {
    pub(crate) keep: Keep,
    /// Whether only whole nodes are removed.
    pub(crate) is_approximate: bool,
    /// The greatest number of entries that are removed, if it is not 0.
    pub(crate) limit: usize,
}

impl Stream {
    /// Sets the size of nodes for the entries that are added from now on.
    pub(crate) fn set_node_size(&mut self, size: NodeSize) {
        self.node_size = size;
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn last_id(&self) -> EntryId {
        self.last_id
    }

    pub(crate) fn max_deleted(&self) -> EntryId {
        self.max_deleted
    }

    /// Returns the number of entries that were ever added.
    pub(crate) fn added(&self) -> i64 {
        self.added
    }

    /// Returns the ID of the first entry, or zero.
    pub(crate) fn first_id(&self) -> EntryId {
        self.range(EntryId::ZERO..=EntryId::MAX).next().map_or(EntryId::ZERO, |entry| entry.id)
    }

    /// Returns the number of parts of the index of a real server, and the number of its nodes.
    pub(crate) fn index_size(&self) -> [usize; 2] {
        let keys: Vec<[u8; 16]> = self.nodes.keys().map(|id| id.to_key()).collect();
        [keys.len(), radix_nodes(&keys)]
    }

    /// Adds an entry. Its ID must be greater than the last one.
    pub(crate) fn add(&mut self, id: EntryId, fields: &[Bytes]) {
        // Copies: slices of a request would keep the whole read buffer alive.
        let entry =
            StreamEntry { id, fields: fields.iter().map(|field| Bytes::copy_from_slice(field)).collect() };
        match self.nodes.last_entry() {
            Some(mut node) if node.get().has_room(fields, self.node_size) => node.get_mut().push(entry),
            _ => drop(self.nodes.insert(id, StreamNode::new(entry))),
        }
        self.length += 1;
        self.added = self.added.saturating_add(1);
        self.last_id = id;
    }

    /// Sets what a stream remembers of entries that it no longer has.
    pub(crate) fn restore_history(&mut self, last_id: EntryId, max_deleted: EntryId, added: i64) {
        (self.last_id, self.max_deleted, self.added) = (last_id, max_deleted, added);
    }

    /// Deletes an entry. Returns whether it existed.
    pub(crate) fn delete(&mut self, id: EntryId) -> bool {
        let Some((&key, node)) = self.nodes.range_mut(..=id).next_back() else { return false };
        if !node.delete(id) {
            return false;
        }
        if node.entries.is_empty() {
            self.nodes.remove(&key);
        }
        self.length -= 1;
        self.max_deleted = self.max_deleted.max(id);
        true
    }

    /// Removes entries from the start. Returns their number.
    pub(crate) fn trim(&mut self, trim: Trim) -> usize {
        let mut deleted = 0;
        while let Some(mut node) = self.nodes.first_entry() {
            let entries = node.get().entries.len();
            let (is_removed, surplus) = match trim.keep {
                Keep::Last(count) if self.length <= count => break,
                Keep::Last(count) => (self.length - entries >= count, self.length - count),
                Keep::From(id) => (node.get().last_id() < id, node.get().place(id)),
            };
            if trim.limit > 0 && deleted + entries > trim.limit {
                break;
            }
            let removed = match is_removed {
                true => {
                    node.remove();
                    entries
                }
                false if trim.is_approximate => break,
                false => node.get_mut().delete_before(surplus),
            };
            deleted += removed;
            self.length -= removed;
            if !is_removed {
                break;
            }
        }
        deleted
    }

    /// Returns the entries with these IDs.
    pub(crate) fn range(
        &self,
        ids: RangeInclusive<EntryId>,
    ) -> impl DoubleEndedIterator<Item = &StreamEntry> {
        let (start, end) = ids.into_inner();
        // The node before may contain the start.
        let first = self.nodes.range(..=start).next_back().map_or(start, |(&key, _)| key);
        let nodes = (start <= end).then(|| self.nodes.range(first..=end)).into_iter().flatten();
        nodes.flat_map(move |(_, node)| {
            let (from, to) =
                (node.place(start), end.next().map_or(node.entries.len(), |end| node.place(end)));
            node.entries.get(from..to).unwrap_or_default()
        })
    }

    pub(crate) fn entry(&self, id: EntryId) -> Option<&StreamEntry> {
        self.range(id..=id).next()
    }

    /// Returns the ID of the last entry that was not deleted.
    pub(crate) fn last_entry_id(&self) -> Option<EntryId> {
        self.range(EntryId::ZERO..=EntryId::MAX).next_back().map(|entry| entry.id)
    }

    pub(crate) fn groups(&self) -> &BTreeMap<Bytes, Group> {
        &self.groups
    }

    pub(crate) fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    pub(crate) fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.get_mut(name)
    }

    /// Adds a group. Returns whether its name was free.
    pub(crate) fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        let is_free = !self.groups.contains_key(name);
        if is_free {
            self.groups.insert(Bytes::copy_from_slice(name), group);
        }
        is_free
    }

    pub(crate) fn remove_group(&mut self, name: &[u8]) -> bool {
        self.groups.remove(name).is_some()
    }

    /// Returns the entries after the last one that was delivered to the group, and delivers them.
    /// Without `pending`, they need no acknowledgement.
    pub(crate) fn deliver(
        &mut self,
        name: &[u8],
        count: usize,
        pending: Option<&PendingEntry>,
    ) -> Vec<StreamEntry> {
        let Some(last) = self.group(name).map(|group| group.last_id) else { return Vec::new() };
        let Some(start) = last.next() else { return Vec::new() };
        let entries: Vec<StreamEntry> = self.range(start..=EntryId::MAX).take(count).cloned().collect();
        for entry in &entries {
            let has_gap = self.has_gap(entry.id);
            let estimate = self.entries_until(entry.id);
            let has_entries = self.added > 0;
            let Some(group) = self.groups.get_mut(name) else { break };
            group.entries_read = match group.entries_read {
                Some(read) if !has_gap => Some(read.saturating_add(1)),
                _ if has_entries => estimate,
                read => read,
            };
            group.last_id = entry.id;
            if let Some(pending) = pending {
                group.assign(entry.id, pending.clone());
            }
        }
        entries
    }

    /// Whether an entry was deleted at or after this ID, and after the first entry.
    fn has_gap(&self, from: EntryId) -> bool {
        let is_possible = self.length > 0 && self.max_deleted != EntryId::ZERO;
        is_possible && from <= self.max_deleted && self.first_id() <= self.max_deleted
    }

    /// Returns the number of entries that were added up to this ID, if it is known.
    fn entries_until(&self, id: EntryId) -> Option<i64> {
        let length = i64::try_from(self.length).unwrap_or(i64::MAX);
        if self.added == 0 {
            return Some(0);
        }
        if self.length == 0 && id <= self.last_id {
            return Some(self.added);
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.added);
        }
        let first = self.first_id();
        let is_whole = self.max_deleted == EntryId::ZERO || self.max_deleted < first;
        match id.cmp(&first) {
            std::cmp::Ordering::Less if is_whole => Some(self.added - length),
            std::cmp::Ordering::Equal if is_whole => Some(self.added - length + 1),
            _ => None,
        }
    }

    /// Returns the number of entries that a group has not read, if it is known.
    pub(crate) fn lag(&self, group: &Group) -> Option<i64> {
        if self.added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_gap(group.last_id) => Some(read),
            _ => self.entries_until(group.last_id),
        };
        read.map(|read| self.added - read)
    }
}
