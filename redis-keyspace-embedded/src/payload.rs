//! A value as bytes, for DUMP and RESTORE.
//!
//! The payload is not that of a real server. Its version is one that no real server has, so real
//! servers and this one refuse each other's payloads.

use std::collections::VecDeque;

use bytes::Bytes;
use sha1_smol::Sha1;

use crate::hash::Hash;
use crate::ordered::Ordered;
use crate::sorted_set::SortedSet;
use crate::stream::{EntryId, Group, PendingEntry, Stream};
use crate::value::Value;

const VERSION: [u8; 2] = [0xFF, 0xFF];
const CHECKSUM: usize = 8;

const STRING: u8 = 0;
const LIST: u8 = 1;
const SET: u8 = 2;
const HASH: u8 = 3;
const SORTED_SET: u8 = 4;
const STREAM: u8 = 5;

/// Why a payload was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadError {
    /// The version or the checksum is wrong.
    Foreign,
    /// The content cannot be decoded.
    Malformed,
}

/// Encodes a value.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut writer = Writer(Vec::new());
    match value {
        Value::String(data) => {
            writer.kind(STRING, 1);
            writer.bytes(data);
        }
        Value::List(list) => {
            writer.kind(LIST, list.len());
            list.iter().for_each(|element| writer.bytes(element));
        }
        Value::Set(set) => {
            writer.kind(SET, set.len());
            set.iter().for_each(|(member, ())| writer.bytes(member));
        }
        Value::Hash(hash) => {
            writer.kind(HASH, hash.len());
            for (field, value, expires) in hash.iter_with_expiries() {
                writer.bytes(field);
                writer.bytes(value);
                writer.0.extend(expires.unwrap_or(i64::MIN).to_le_bytes());
            }
        }
        Value::SortedSet(sorted) => {
            writer.kind(SORTED_SET, sorted.len());
            for (member, score) in sorted.iter() {
                writer.bytes(member);
                writer.0.extend(score.to_bits().to_le_bytes());
            }
        }
        Value::Stream(stream) => {
            writer.kind(STREAM, stream.len());
            writer.stream(stream);
        }
    }
    let mut payload = writer.0;
    payload.extend(VERSION);
    payload.extend(checksum(&payload));
    payload
}

/// Decodes a payload of [`encode`].
pub(crate) fn decode(payload: &[u8]) -> Result<Value, PayloadError> {
    let (checked, sum) = payload.split_last_chunk::<CHECKSUM>().ok_or(PayloadError::Foreign)?;
    let content = checked.strip_suffix(&VERSION).ok_or(PayloadError::Foreign)?;
    if *sum != checksum(checked) {
        return Err(PayloadError::Foreign);
    }
    Reader(content).value().ok_or(PayloadError::Malformed)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha1::from(bytes).digest().bytes();
    digest.first_chunk().copied().unwrap_or_default()
}

struct Writer(Vec<u8>);

impl Writer {
    fn kind(&mut self, kind: u8, count: usize) {
        self.0.push(kind);
        self.count(count);
    }

    fn count(&mut self, count: usize) {
        self.0.extend(u64::try_from(count).unwrap_or(u64::MAX).to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend(bytes);
    }

    fn number(&mut self, number: i64) {
        self.0.extend(number.to_le_bytes());
    }

    fn id(&mut self, id: EntryId) {
        self.0.extend([id.ms, id.seq].map(u64::to_le_bytes).concat());
    }

    fn stream(&mut self, stream: &Stream) {
        for entry in stream.range(EntryId::ZERO..=EntryId::MAX) {
            self.id(entry.id);
            self.count(entry.fields.len());
            entry.fields.iter().for_each(|field| self.bytes(field));
        }
        self.id(stream.last_id());
        self.id(stream.max_deleted());
        self.number(stream.added());
        self.count(stream.groups().len());
        for (name, group) in stream.groups() {
            self.bytes(name);
            self.id(group.last_id);
            self.number(group.entries_read.unwrap_or(-1));
            self.count(group.consumers().len());
            for (name, consumer) in group.consumers() {
                self.bytes(name);
                self.number(consumer.seen);
            }
            self.count(group.pending().len());
            for (id, pending) in group.pending() {
                self.id(*id);
                self.bytes(&pending.consumer);
                self.number(pending.time);
                self.number(pending.deliveries);
            }
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<[u8; 8]> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*number)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.number()?)).ok()
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = self.count()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Bytes::copy_from_slice(bytes))
    }

    fn signed(&mut self) -> Option<i64> {
        self.number().map(i64::from_le_bytes)
    }

    fn id(&mut self) -> Option<EntryId> {
        let [ms, seq] = [self.number()?, self.number()?].map(u64::from_le_bytes);
        Some(EntryId { ms, seq })
    }

    fn stream(&mut self, entries: usize) -> Option<Stream> {
        let mut stream = Stream::default();
        for _ in 0..entries {
            let id = self.id()?;
            let fields = self.count()?;
            let fields: Option<Vec<Bytes>> = (0..fields).map(|_| self.bytes()).collect();
            stream.add(id, &fields?);
        }
        stream.restore_history(self.id()?, self.id()?, self.signed()?);
        for _ in 0..self.count()? {
            let name = self.bytes()?;
            let last_id = self.id()?;
            let mut group =
                Group::new(last_id, self.signed().map(|read| Some(read).filter(|read| *read >= 0))?);
            for _ in 0..self.count()? {
                let name = self.bytes()?;
                group.add_consumer(&name, self.signed()?);
            }
            for _ in 0..self.count()? {
                let id = self.id()?;
                let (consumer, time, deliveries) = (self.bytes()?, self.signed()?, self.signed()?);
                group.assign(id, PendingEntry { consumer, time, deliveries });
            }
            stream.add_group(&name, group);
        }
        Some(stream)
    }

    /// Reads the value. Nothing may be left.
    fn value(mut self) -> Option<Value> {
        let (kind, rest) = self.0.split_first()?;
        self.0 = rest;
        let count = self.count()?;
        let value = match *kind {
            STRING => Value::String(self.bytes()?),
            LIST => {
                let mut list = VecDeque::new();
                for _ in 0..count {
                    list.push_back(self.bytes()?);
                }
                Value::List(list)
            }
            SET => {
                let mut set = Ordered::default();
                for _ in 0..count {
                    set.insert(&self.bytes()?, ());
                }
                Value::Set(set)
            }
            HASH => {
                let mut hash = Hash::default();
                for _ in 0..count {
                    let (field, value) = (self.bytes()?, self.bytes()?);
                    let expires = i64::from_le_bytes(self.number()?);
                    hash.insert(&field, value);
                    hash.set_expiry(&field, (expires != i64::MIN).then_some(expires));
                }
                Value::Hash(hash)
            }
            SORTED_SET => {
                let mut sorted = SortedSet::default();
                for _ in 0..count {
                    let member = self.bytes()?;
                    sorted.insert(&member, f64::from_bits(u64::from_le_bytes(self.number()?)));
                }
                Value::SortedSet(sorted)
            }
            STREAM => Value::Stream(Box::new(self.stream(count)?)),
            _ => return None,
        };
        (self.0.is_empty() && !value.is_empty()).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{PayloadError, decode, encode};
    use crate::hash::Hash;
    use crate::stream::{EntryId, Group, PendingEntry, Stream};
    use crate::value::Value;

    #[test]
    fn a_stream_keeps_its_groups() {
        let mut stream = Stream::default();
        for ms in 1..=3 {
            stream.add(EntryId { ms, seq: 0 }, &["field".into(), "value".into()]);
        }
        stream.delete(EntryId { ms: 3, seq: 0 });
        let mut group = Group::new(EntryId::ZERO, Some(0));
        group.add_consumer(b"consumer", 7);
        stream.add_group(b"group", group);
        let pending = PendingEntry { consumer: "consumer".into(), time: 8, deliveries: 1 };
        stream.deliver(b"group", 1, Some(&pending));
        let payload = encode(&Value::Stream(Box::new(stream)));
        let Ok(value) = decode(&payload) else { panic!("a stream") };
        assert_eq!(encode(&value), payload);
        let Value::Stream(stream) = value else { panic!("a stream") };
        assert_eq!((stream.len(), stream.added(), stream.last_id().ms), (2, 3, 3));
        let group = stream.group(b"group").unwrap();
        assert_eq!((group.last_id.ms, group.entries_read, group.pending().len()), (1, None, 1));
        assert_eq!(group.consumers()[&b"consumer"[..]].pending.len(), 1);
    }

    #[test]
    fn a_changed_payload_is_refused() {
        let mut hash = Hash::default();
        hash.insert(b"field", "value".into());
        hash.insert(b"", Bytes::from_static(b"\x00\xff"));
        hash.set_expiry(b"field", Some(5));
        let payload = encode(&Value::Hash(hash));
        let Ok(Value::Hash(hash)) = decode(&payload) else { panic!("a hash") };
        assert_eq!((hash.len(), hash.expiry(b"field"), hash.expiry(b"")), (2, Some(5), None));
        for place in 0..payload.len() {
            let mut changed = payload.clone();
            changed[place] ^= 1;
            assert_eq!(decode(&changed).unwrap_err(), PayloadError::Foreign, "{place}");
            assert!(decode(&payload[..place]).is_err());
        }
    }
}
