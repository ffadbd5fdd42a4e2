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
use crate::value::Value;

const VERSION: [u8; 2] = [0xFF, 0xFF];
const CHECKSUM: usize = 8;

const STRING: u8 = 0;
const LIST: u8 = 1;
const SET: u8 = 2;
const HASH: u8 = 3;
const SORTED_SET: u8 = 4;

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
    use crate::value::Value;

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
