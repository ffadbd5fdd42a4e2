//! Arguments in wire form.

use bytes::Bytes;

use super::wire_buffer::WireBuffer;

/// Arguments that are already in wire form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Args {
    pub(super) count: usize,
    bytes: Vec<u8>,
    long: Option<Box<LongValue>>,
}

/// A long value. It is stored separately, so that sending it copies nothing.
#[derive(Debug, Clone)]
struct LongValue {
    /// After how many bytes of the other arguments the value is sent.
    at: usize,
    value: Bytes,
}

/// A value of this length or more is stored separately, if it is the first such value of a list of
/// arguments. For shorter ones, more writes would cost more than copying.
const LONG: usize = 32 * 1024;

/// The room for the length of an argument: `$`, 20 digits and CR LF.
const ROOM: usize = 24;

impl Args {
    /// Creates an empty list with room for values and options of this length.
    pub(crate) fn with_room(length: usize) -> Self {
        Self { bytes: Vec::with_capacity(ROOM + length), ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn push(&mut self, argument: &[u8]) {
        write_bulk(&mut self.bytes, &[argument]);
        self.count += 1;
    }

    /// Adds an argument that is in wire form already, with its length.
    #[inline]
    pub(super) fn push_encoded(&mut self, argument: &'static [u8]) {
        self.bytes.extend_from_slice(argument);
        self.count += 1;
    }

    /// Adds a number of elements. Servers reject more than a signed number can hold.
    pub(crate) fn push_count(&mut self, count: u64) {
        self.push_int(count.min(i64::MAX.unsigned_abs()));
    }

    pub(crate) fn push_int(&mut self, argument: impl itoa::Integer) {
        self.push(itoa::Buffer::new().format(argument).as_bytes());
    }

    /// Adds an argument that `write` appends to the buffer in place, so that the value is never
    /// copied to another buffer. Its length is written afterwards, into space reserved in front of
    /// the value.
    pub(crate) fn push_with<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        const USUAL: usize = 296; // a small value and its options fit without another allocation
        self.push_usual(USUAL, write)
    }

    /// Like [`push_with`](Self::push_with), for a value that usually has this length at most.
    pub(crate) fn push_usual<E>(
        &mut self,
        usual: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        const USUAL_OPTIONS: usize = 32; // CR LF, and a TTL
        let start = self.bytes.len();
        self.bytes.reserve(ROOM + usual);
        self.bytes.resize(start + ROOM, 0);
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        let length = self.bytes.len() - start - ROOM;
        if length >= LONG && self.long.is_none() {
            let whole = std::mem::take(&mut self.bytes);
            self.bytes.reserve(start + ROOM + USUAL_OPTIONS);
            self.bytes.extend_from_slice(whole.get(..start).unwrap_or_default());
            write_length(&mut self.bytes, b'$', length);
            let value = Bytes::from(whole).slice(start + ROOM..);
            self.long = Some(Box::new(LongValue { at: self.bytes.len(), value }));
        } else {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(length).as_bytes();
            let header = 1 + digits.len() + 2;
            // The header goes to the start of the reserved space; the value moves up to it.
            if let Some(room) = self.bytes.get_mut(start..start + header) {
                let (marker, rest) = room.split_at_mut(1);
                let (place, end) = rest.split_at_mut(digits.len());
                marker.fill(b'$');
                place.copy_from_slice(digits);
                end.copy_from_slice(b"\r\n");
            }
            self.bytes.copy_within(start + ROOM.., start + header);
            self.bytes.truncate(start + header + length);
        }
        self.bytes.extend_from_slice(b"\r\n");
        self.count += 1;
        Ok(())
    }

    /// Adds the arguments of another list.
    pub(crate) fn append(&mut self, more: Self) {
        if self.count == 0 {
            *self = more;
            return;
        }
        self.count += more.count;
        match more.long {
            Some(mut long) if self.long.is_none() => {
                long.at += self.bytes.len();
                self.long = Some(long);
                self.bytes.extend_from_slice(&more.bytes);
            }
            Some(long) => {
                let (before, after) = more.bytes.split_at_checked(long.at).unwrap_or_default();
                [before, &long.value, after].into_iter().for_each(|part| self.bytes.extend_from_slice(part));
            }
            None => self.bytes.extend_from_slice(&more.bytes),
        }
    }

    /// Adds a copy of the arguments of another list.
    pub(super) fn extend(&mut self, more: &Self) {
        if more.long.is_some() {
            return more.iter().for_each(|argument| self.push(argument));
        }
        self.bytes.extend_from_slice(&more.bytes);
        self.count += more.count;
    }

    /// Whether a long value is stored separately.
    pub(super) fn has_long(&self) -> bool {
        self.long.is_some()
    }

    /// Iterates over the arguments.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let rest = self.bytes.get(at..)?;
            let end = rest.iter().position(|&byte| byte == b'\r')?;
            let length: usize = std::str::from_utf8(rest.get(1..end)?).ok()?.parse().ok()?;
            let start = at + end + 2;
            let (argument, end) = match &self.long {
                Some(long) if long.at == start => (&long.value[..], start),
                _ => (self.bytes.get(start..start + length)?, start + length),
            };
            at = end + 2;
            Some(argument)
        })
    }

    /// The number of bytes that are sent.
    #[inline]
    pub(super) fn wire_length(&self) -> usize {
        self.bytes.len() + self.long.as_ref().map_or(0, |long| long.value.len())
    }

    /// The number of bytes that are sent, without a long value.
    #[inline]
    pub(super) fn copied_length(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the bytes that are sent.
    #[inline]
    pub(super) fn write_to(&self, out: &mut WireBuffer) {
        let Some(long) = &self.long else { return out.bytes.extend_from_slice(&self.bytes) };
        let (before, after) = self.bytes.split_at_checked(long.at).unwrap_or_default();
        out.bytes.extend_from_slice(before);
        out.share(&long.value);
        out.bytes.extend_from_slice(after);
    }
}

/// Appends a bulk string that consists of several parts.
pub(super) fn write_bulk(out: &mut Vec<u8>, parts: &[impl AsRef<[u8]>]) {
    let length: usize = parts.iter().map(|part| part.as_ref().len()).sum();
    out.reserve(length + MOST_OF_LINE);
    write_length(out, b'$', length);
    for part in parts {
        out.extend_from_slice(part.as_ref());
    }
    out.extend_from_slice(b"\r\n");
}

/// What a line with a length and the end of a bulk string usually need at most.
const MOST_OF_LINE: usize = 8;

/// Appends a line with a length: `$3` or `*3`.
pub(super) fn write_length(out: &mut Vec<u8>, marker: u8, length: usize) {
    // Almost all lengths have one or two digits.
    match u8::try_from(length) {
        Ok(length @ 0..10) => out.extend_from_slice(&[marker, b'0' + length, b'\r', b'\n']),
        Ok(length @ 10..100) => {
            out.extend_from_slice(&[marker, b'0' + length / 10, b'0' + length % 10, b'\r', b'\n']);
        }
        _ => {
            out.push(marker);
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_written_in_place_has_its_length_in_front() {
        for length in [0_usize, 1, 9, 10, 99, 100, 1000, LONG - 1, LONG, 70_000] {
            for values in 1..=3 {
                let value = vec![b'x'; length];
                let (mut in_place, mut copied) = (Args::default(), Args::default());
                for _ in 0..values {
                    in_place.push(b"before");
                    in_place
                        .push_with(|out| {
                            out.extend_from_slice(&value);
                            Ok::<_, ()>(())
                        })
                        .unwrap();
                    in_place.push(b"after");
                    for argument in [b"before", &value[..], b"after"] {
                        copied.push(argument);
                    }
                }
                let expected = [&b"before"[..], &value, b"after"].repeat(values);
                assert_eq!(in_place.iter().collect::<Vec<_>>(), expected);
                let wire = |args: &Args| {
                    let mut out = WireBuffer::default();
                    args.write_to(&mut out);
                    out.drain(1000)
                };
                assert_eq!(wire(&in_place), wire(&copied));
                assert_eq!(in_place.wire_length(), wire(&in_place).len());
                assert_eq!(in_place.long.is_some(), length >= LONG);
                assert_eq!(in_place.wire_length(), copied.wire_length());
            }
        }
    }

    #[test]
    fn lists_are_appended() {
        let of = |lengths: &[usize]| {
            let mut args = Args::default();
            for length in lengths {
                args.push_with(|out| {
                    out.resize(out.len() + length, b'x');
                    Ok::<_, ()>(())
                })
                .unwrap();
            }
            args
        };
        let lists: [&[usize]; 5] = [&[], &[3], &[3, LONG, 4], &[LONG, LONG + 1], &[5, 6]];
        for first in lists {
            for second in lists {
                let mut args = of(first);
                args.append(of(second));
                let expected: Vec<usize> = first.iter().chain(second).copied().collect();
                assert_eq!(args.iter().map(<[u8]>::len).collect::<Vec<_>>(), expected);
                assert_eq!(args.len(), expected.len());
                assert_eq!(args.wire_length(), of(&expected).wire_length());
            }
        }
    }

    #[test]
    fn a_value_that_fails_half_way_is_removed() {
        let mut args = Args::default();
        args.push(b"before");
        let result = args.push_with(|out| {
            out.extend_from_slice(b"half");
            Err("no")
        });
        assert_eq!(result, Err("no"));
        assert_eq!(args.iter().collect::<Vec<_>>(), [b"before"]);
    }
}
