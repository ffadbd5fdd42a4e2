//! Arguments in wire form.

/// Arguments that are already in wire form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Args {
    pub(super) count: usize,
    bytes: Vec<u8>,
    gap: Gap,
}

/// Bytes that are not sent: the rest of the space that was reserved for the length of a long value.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    at: u32,
    length: u32,
}

/// A value of this length or more is not moved to close its gap.
const LONG: usize = 4 * 1024;

impl Args {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn push(&mut self, argument: &[u8]) {
        write_bulk(&mut self.bytes, &[argument]);
        self.count += 1;
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
        const ROOM: usize = 24; // `$`, 20 digits and CR LF
        const USUAL: usize = 296; // a small value and its options fit without another allocation
        let start = self.bytes.len();
        self.bytes.reserve(ROOM + USUAL);
        self.bytes.resize(start + ROOM, 0);
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        let length = self.bytes.len() - start - ROOM;
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
        match Gap::new(start + header, ROOM - header) {
            Some(gap) if length >= LONG && self.gap.length == 0 => self.gap = gap,
            _ => {
                self.bytes.copy_within(start + ROOM.., start + header);
                self.bytes.truncate(start + header + length);
            }
        }
        self.bytes.extend_from_slice(b"\r\n");
        self.count += 1;
        Ok(())
    }

    /// Iterates over the arguments, for connections that use the driver.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let [mut rest, after_gap] = self.parts();
        std::iter::from_fn(move || {
            let end = rest.iter().position(|&byte| byte == b'\r')?;
            let length: usize = std::str::from_utf8(rest.get(1..end)?).ok()?.parse().ok()?;
            let behind = rest.get(end + 2..)?;
            // The gap is between the length of a value and the value.
            let behind = if behind.is_empty() { after_gap } else { behind };
            let argument = behind.get(..length)?;
            rest = behind.get(length + 2..)?;
            Some(argument)
        })
    }

    /// The number of bytes that are sent.
    #[inline]
    pub(super) fn wire_length(&self) -> usize {
        let [before, after] = self.parts();
        before.len() + after.len()
    }

    /// Appends the bytes that are sent.
    #[inline]
    pub(super) fn write_to(&self, out: &mut Vec<u8>) {
        for part in self.parts() {
            out.extend_from_slice(part);
        }
    }

    /// The bytes that are sent.
    #[inline]
    fn parts(&self) -> [&[u8]; 2] {
        let (at, length) = (self.gap.at as usize, self.gap.length as usize);
        if length == 0 {
            return [&self.bytes, &[]];
        }
        let part = |range| self.bytes.get(range).unwrap_or_default();
        [part(0..at), part(at + length..self.bytes.len())]
    }
}

impl Gap {
    fn new(at: usize, length: usize) -> Option<Self> {
        Some(Self { at: u32::try_from(at).ok()?, length: u32::try_from(length).ok()? })
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
                assert_eq!(in_place.parts().concat(), copied.parts().concat());
                assert_eq!(in_place.wire_length(), copied.wire_length());
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
