//! Encoded commands that wait to be written.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// Encoded commands, in order. Long values are not copied into the buffer, which shares them with
/// their commands. Bytes that were written are removed from the front.
#[derive(Debug, Default)]
pub(crate) struct WireBuffer {
    pub(super) bytes: Vec<u8>,
    /// How many of `bytes` were written.
    written: usize,
    /// Long values, and after how many of `bytes` each of them is sent.
    shared: VecDeque<(usize, Bytes)>,
    /// The length of the long values.
    shared_length: usize,
}

impl WireBuffer {
    /// The number of bytes that are not written.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.written + self.shared_length
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of bytes that fit without an allocation, apart from long values.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Removes everything, and keeps the allocation. Returns how many bytes were written, apart
    /// from long values.
    pub(crate) fn clear(&mut self) -> usize {
        self.bytes.clear();
        self.shared.clear();
        self.shared_length = 0;
        std::mem::take(&mut self.written)
    }

    /// Returns all bytes, unless there are long values.
    #[inline]
    pub(crate) fn plain(&self) -> Option<&[u8]> {
        self.shared.is_empty().then(|| self.chunk())
    }

    /// Adds a long value.
    pub(super) fn share(&mut self, value: &Bytes) {
        self.shared.push_back((self.bytes.len(), value.clone()));
        self.shared_length += value.len();
    }

    /// Returns the bytes to write next. They are empty only at the end.
    #[inline]
    pub(crate) fn chunk(&self) -> &[u8] {
        match self.shared.front() {
            Some((at, value)) if *at == self.written => value,
            Some((at, _)) => self.bytes.get(self.written..*at).unwrap_or_default(),
            None => self.bytes.get(self.written..).unwrap_or_default(),
        }
    }

    /// Removes bytes of the [`chunk`](Self::chunk).
    #[inline]
    pub(crate) fn wrote(&mut self, count: usize) {
        match self.shared.front_mut() {
            Some((at, value)) if *at == self.written => {
                self.shared_length -= count;
                value.advance(count);
                if value.is_empty() {
                    self.shared.pop_front();
                }
            }
            _ => self.written += count,
        }
    }
}

#[cfg(test)]
impl WireBuffer {
    /// Writes everything, in steps of at most this length.
    pub(crate) fn drain(&mut self, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !self.is_empty() {
            let chunk = self.chunk();
            assert!(!chunk.is_empty());
            let count = chunk.len().min(step);
            all.extend_from_slice(&chunk[..count]);
            self.wrote(count);
        }
        assert!(self.chunk().is_empty());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_are_written_once_and_in_order() {
        // A long value at the start, two in a row, and one at the end.
        let parts = [&b"1"[..], b"", b"abc", b"234", b"56789", b"de", b"0", b"", b"1"];
        for count in 0..=parts.len() {
            for step in 1..8 {
                let mut buffer = WireBuffer::default();
                for part in &parts[..count] {
                    if part.first().is_some_and(u8::is_ascii_digit) {
                        buffer.share(&Bytes::copy_from_slice(part));
                    } else {
                        buffer.bytes.extend_from_slice(part);
                    }
                }
                let expected = parts[..count].concat();
                assert_eq!(buffer.len(), expected.len());
                assert_eq!(buffer.plain().is_some(), count == 0);
                assert_eq!(buffer.drain(step), expected, "{count} parts in steps of {step}");
                assert_eq!(buffer.clear(), b"abcde".iter().filter(|byte| expected.contains(byte)).count());
                assert!(buffer.is_empty() && buffer.chunk().is_empty());
            }
        }
    }
}
