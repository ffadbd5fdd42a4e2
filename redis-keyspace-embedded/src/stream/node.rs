//! The nodes of a stream. Approximate trimming removes whole nodes.

use bytes::Bytes;

use super::id::EntryId;
use crate::compact::NodeSize;
use crate::number::parse_i64;

/// The size that no setting exceeds.
const MAX_BYTES: usize = 1 << 30;

/// An entry of a stream.
#[derive(Clone, Debug)]
pub(crate) struct StreamEntry {
    pub(crate) id: EntryId,
    /// Fields and values in turn.
    pub(crate) fields: Vec<Bytes>,
}

/// A part of a stream.
#[derive(Clone, Debug)]
pub(super) struct StreamNode {
    /// The entries that are not deleted.
    pub(super) entries: Vec<StreamEntry>,
    deleted: usize,
    /// The size of the node on a real server.
    bytes: usize,
    first: EntryId,
    last: EntryId,
    /// The fields of the first entry. Entries with the same fields take less space.
    fields: Vec<Bytes>,
}

impl StreamNode {
    pub(super) fn new(entry: StreamEntry) -> Self {
        const HEADER_AND_END: usize = 7;
        let fields: Vec<Bytes> = entry.fields.iter().step_by(2).cloned().collect();
        // The number of entries, of deleted entries and of fields, the fields, and a zero.
        let numbers = [1, 0, fields.len(), 0].map(count_size).iter().sum::<usize>();
        let bytes = HEADER_AND_END + numbers + fields.iter().map(|field| text_size(field)).sum::<usize>();
        let (first, last) = (entry.id, entry.id);
        let mut node = Self { entries: Vec::new(), deleted: 0, bytes, first, last, fields };
        node.push(entry);
        node
    }

    /// Whether another entry fits.
    pub(super) fn has_room(&self, fields: &[Bytes], size: NodeSize) -> bool {
        let added: usize = fields.iter().map(Bytes::len).sum();
        let bytes = if size.bytes == 0 { MAX_BYTES } else { size.bytes.min(MAX_BYTES) };
        let has_space = self.bytes.saturating_add(added) < bytes;
        has_space && (size.entries == 0 || self.entries.len() + self.deleted < size.entries)
    }

    pub(super) fn push(&mut self, entry: StreamEntry) {
        let has_same_fields = entry.fields.iter().step_by(2).eq(&self.fields);
        let count = entry.fields.len() / 2;
        let values = entry.fields.iter().skip(1).step_by(2).map(|value| text_size(value)).sum::<usize>();
        let fields = entry.fields.iter().step_by(2).map(|field| text_size(field)).sum::<usize>();
        let difference = |own: u64, first: u64| integer_size(own.wrapping_sub(first).cast_signed());
        let ids = difference(entry.id.ms, self.first.ms) + difference(entry.id.seq, self.first.seq);
        // A number of flags comes first, and the number of parts last.
        self.bytes += count_size(0) + ids + values;
        self.bytes += match has_same_fields {
            true => count_size(count + 3),
            false => count_size(count) + fields + count_size(2 * count + 4),
        };
        self.last = entry.id;
        self.entries.push(entry);
    }

    /// Returns the last ID, also if its entry is deleted.
    pub(super) fn last_id(&self) -> EntryId {
        self.last
    }

    /// Returns the place of the first entry from `id` on.
    pub(super) fn place(&self, id: EntryId) -> usize {
        self.entries.partition_point(|entry| entry.id < id)
    }

    /// Deletes the entries before this place.
    pub(super) fn delete_before(&mut self, place: usize) -> usize {
        let deleted = self.entries.drain(..place.min(self.entries.len())).count();
        self.deleted += deleted;
        deleted
    }

    /// Deletes an entry. Returns whether it existed.
    pub(super) fn delete(&mut self, id: EntryId) -> bool {
        let place = self.place(id);
        let exists = self.entries.get(place).is_some_and(|entry| entry.id == id);
        if exists {
            self.entries.remove(place);
            self.deleted += 1;
        }
        exists
    }
}

/// Returns the size of a text in a listpack.
fn text_size(text: &[u8]) -> usize {
    if let Some(number) = parse_i64(text) {
        return integer_size(number);
    }
    let header = match text.len() {
        0..64 => 1,
        64..4096 => 2,
        _ => 5,
    };
    with_back_length(header + text.len())
}

fn count_size(count: usize) -> usize {
    integer_size(i64::try_from(count).unwrap_or(i64::MAX))
}

fn integer_size(number: i64) -> usize {
    with_back_length(match number {
        0..128 => 1,
        -4096..4096 => 2,
        -0x8000..0x8000 => 3,
        -0x80_0000..0x80_0000 => 4,
        -0x8000_0000..0x8000_0000 => 5,
        _ => 9,
    })
}

/// Each element ends with its length.
fn with_back_length(size: usize) -> usize {
    size + match size {
        0..128 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}
