//! Encoded commands that wait to be written.

use std::collections::VecDeque;

use bytes::Bytes;

/// Encoded commands, in order. Long values are not copied into the buffer, which shares them with
/// their commands.
#[derive(Debug, Default)]
pub(crate) struct WireBuffer {
    pub(super) bytes: Vec<u8>,
    /// Long values, and after how many of `bytes` each of them is sent.
    shared: VecDeque<(usize, Bytes)>,
    /// The length of the long values.
    shared_length: usize,
}

impl WireBuffer {
    /// The number of bytes that are sent.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.shared_length
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of bytes that fit without an allocation, apart from long values.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Removes everything, and keeps the allocation.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.shared.clear();
        self.shared_length = 0;
    }

    /// Returns all bytes, unless there are long values.
    #[inline]
    pub(crate) fn plain(&mut self) -> Option<&mut Vec<u8>> {
        self.shared.is_empty().then_some(&mut self.bytes)
    }

    /// Adds a long value.
    pub(super) fn share(&mut self, value: &Bytes) {
        self.shared.push_back((self.bytes.len(), value.clone()));
        self.shared_length += value.len();
    }

    /// Returns bytes that follow the first `start` bytes. They are empty only at the end.
    #[inline]
    pub(crate) fn chunk(&self, start: usize) -> &[u8] {
        if self.shared.is_empty() {
            return self.bytes.get(start..).unwrap_or_default();
        }
        self.chunk_between_shared(start)
    }

    #[cold]
    fn chunk_between_shared(&self, mut start: usize) -> &[u8] {
        let mut from = 0;
        for (at, value) in &self.shared {
            let between = self.bytes.get(from..*at).unwrap_or_default();
            for part in [between, value] {
                match part.get(start..) {
                    Some(rest) if !rest.is_empty() => return rest,
                    _ => start -= part.len(),
                }
            }
            from = *at;
        }
        self.bytes.get(from + start..).unwrap_or_default()
    }

    /// Returns all bytes.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        while all.len() < self.len() {
            all.extend_from_slice(self.chunk(all.len()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_yields_the_bytes_that_follow() {
        let mut buffer = WireBuffer::default();
        let mut expected = Vec::new();
        // A long value at the start, two in a row, and one at the end.
        for part in [&b"1"[..], b"", b"abc", b"234", b"", b"56789", b"de", b"0", b"", b"1"] {
            if part.first().is_some_and(u8::is_ascii_digit) {
                buffer.share(&Bytes::copy_from_slice(part));
            } else {
                buffer.bytes.extend_from_slice(part);
            }
            expected.extend_from_slice(part);
            assert_eq!(buffer.len(), expected.len());
            for start in 0..=expected.len() {
                let chunk = buffer.chunk(start);
                assert_eq!(chunk.is_empty(), start == expected.len(), "{start}");
                assert!(expected[start..].starts_with(chunk), "{start}");
            }
            assert_eq!(buffer.to_vec(), expected);
        }
        buffer.clear();
        assert!(buffer.is_empty() && buffer.chunk(0).is_empty());
    }
}
