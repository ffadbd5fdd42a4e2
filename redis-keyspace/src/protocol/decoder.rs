//! Decodes replies from a stream of bytes.
//!
//! The decoder is resumable. It processes each element once, no matter in how many reads a reply
//! arrives. So decoding takes linear time.

use bytes::{Buf, Bytes, BytesMut};

use super::reply::Reply;
use crate::error::unwrapped;

/// The maximum nesting depth of replies. Replies of Redis have a single-digit depth.
const MAX_DEPTH: usize = 64;
/// The maximum length of a line with a status, an error or a number.
const MAX_LINE: usize = 64 * 1024;
/// The maximum length of a bulk string. The default limit of servers is 512 MiB.
const MAX_BULK: usize = 1 << 30;
/// The maximum number of elements of a list or map.
const MAX_ELEMENTS: usize = 1 << 31;
/// The most memory that is reserved for an announced length. The buffer grows further as bytes
/// arrive.
const MAX_RESERVE: usize = 1 << 20;

/// How much a connection reads at once.
pub(crate) const READ_SIZE: usize = 32 * 1024;
/// A bulk string of this length or more is not copied out of the read buffer. The reply keeps the
/// buffer alive, which is at most about twice as long as the string.
pub(crate) const SHARED: usize = 64 * 1024;

/// The bytes are not a reply. The stream is unusable, because the start of the next reply is
/// unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Decodes replies from a buffer that is filled piece by piece.
#[derive(Debug)]
pub(crate) struct Decoder {
    open: Vec<Aggregate>,
    /// The maximum length of a bulk string that is kept.
    longest: usize,
    /// The bulk string that is being dropped: its length, and how many bytes of it and its CR LF
    /// are still missing.
    dropping: Option<(usize, usize)>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(MAX_BULK)
    }
}

#[derive(Debug)]
struct Aggregate {
    shape: Shape,
    missing: usize,
    items: Vec<Reply>,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Array,
    Map,
    Push,
    /// Metadata about the reply that follows. This crate requests none.
    Attribute,
}

enum Element {
    Whole(Reply),
    /// The start of a bulk string that is not kept.
    TooLong(usize),
    Open(Shape, usize),
}

impl Decoder {
    /// Creates a decoder that keeps bulk strings up to this length.
    pub(crate) fn new(longest: usize) -> Self {
        Self { open: Vec::new(), longest: longest.min(MAX_BULK), dropping: None }
    }

    /// Also keeps bulk strings up to this length.
    pub(crate) fn keep_up_to(&mut self, length: usize) {
        self.longest = self.longest.max(length.min(MAX_BULK));
    }

    /// Drops the bytes that have arrived of a bulk string that is too long. Returns a placeholder
    /// when the whole string was dropped.
    fn drop_bulk(&mut self, buffer: &mut BytesMut) -> Option<Element> {
        let (length, missing) = self.dropping?;
        let arrived = missing.min(buffer.len());
        buffer.advance(arrived);
        self.dropping = Some((length, missing - arrived)).filter(|_| arrived < missing);
        self.dropping.is_none().then_some(Element::Whole(Reply::TooLong(length)))
    }

    /// Removes the next whole reply from `buffer`. Returns `None` if more bytes are needed.
    pub(crate) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Reply>, Malformed> {
        loop {
            let element = match self.dropping {
                Some(_) => self.drop_bulk(buffer),
                None => element(buffer, self.longest)?,
            };
            let Some(element) = element else { return Ok(None) };
            let mut reply = match element {
                Element::TooLong(length) => {
                    self.dropping = Some((length, length + 2));
                    continue;
                }
                Element::Whole(reply) => reply,
                Element::Open(Shape::Attribute, 0) => continue,
                Element::Open(shape, 0) => shape.close(Vec::new()),
                Element::Open(shape, missing) => {
                    if self.open.len() == MAX_DEPTH {
                        return Err(Malformed("a reply nested too deeply"));
                    }
                    let items = Vec::with_capacity(missing.min(MAX_RESERVE / size_of::<Reply>()));
                    self.open.push(Aggregate { shape, missing, items });
                    continue;
                }
            };
            // A finished element may finish the aggregate around it, and so on outwards.
            loop {
                let Some(aggregate) = self.open.last_mut() else { return Ok(Some(reply)) };
                aggregate.items.push(reply);
                aggregate.missing -= 1;
                if aggregate.missing > 0 {
                    break;
                }
                let Some(Aggregate { shape, items, .. }) = self.open.pop() else { break };
                if matches!(shape, Shape::Attribute) {
                    break;
                }
                reply = shape.close(items);
            }
        }
    }
}

impl Shape {
    fn close(self, items: Vec<Reply>) -> Reply {
        match self {
            Self::Array => Reply::Array(items),
            Self::Map | Self::Attribute => Reply::Map(items),
            Self::Push => Reply::Push(items),
        }
    }
}

/// Removes one element from the buffer. Leaves the buffer unchanged if the element is incomplete.
fn element(buffer: &mut BytesMut, longest: usize) -> Result<Option<Element>, Malformed> {
    let Some(end) = buffer.iter().position(|&byte| byte == b'\r') else {
        return if buffer.len() > MAX_LINE { Err(Malformed("a line that is too long")) } else { Ok(None) };
    };
    if end + 1 >= buffer.len() {
        return Ok(None);
    }
    let Some((&marker, line)) = buffer.get(..end).and_then(<[u8]>::split_first) else {
        return Err(Malformed("an empty line"));
    };
    if buffer.get(end + 1) != Some(&b'\n') {
        return Err(Malformed("a line that ends in CR without LF"));
    }
    let whole = match marker {
        b'+' if line == b"OK" => Reply::Ok,
        b'+' => Reply::Status(text(line)),
        b'-' => Reply::Error(error(line)),
        b':' => Reply::Int(number(line)?),
        b'_' => Reply::Nil,
        b'#' => match line {
            b"t" => Reply::Bool(true),
            b"f" => Reply::Bool(false),
            _ => return Err(Malformed("a boolean that is neither t nor f")),
        },
        b',' => Reply::Double(double(line)?),
        b'(' => Reply::Bulk(Bytes::copy_from_slice(line)),
        b'$' | b'=' | b'!' => {
            let Some(length) = length(line)? else {
                buffer.advance(end + 2);
                return Ok(Some(Element::Whole(Reply::Nil)));
            };
            if length > MAX_BULK {
                return Err(Malformed("a bulk string of more than 1 GiB"));
            }
            if length > longest {
                buffer.advance(end + 2);
                return Ok(Some(Element::TooLong(length)));
            }
            let start = end + 2;
            let Some(body) = buffer.get(start..start + length + 2) else {
                let missing = (start + length + 2).saturating_sub(buffer.len());
                // Also makes room for the next read. Otherwise the last read would move the string.
                buffer.reserve(missing.min(MAX_RESERVE) + READ_SIZE);
                return Ok(None);
            };
            let Some(body) = body.strip_suffix(b"\r\n") else {
                return Err(Malformed("a bulk string whose length is wrong"));
            };
            if marker == b'$' && length >= SHARED {
                buffer.advance(start);
                let bulk = buffer.split_to(length).freeze();
                buffer.advance(2);
                return Ok(Some(Element::Whole(Reply::Bulk(bulk))));
            }
            let reply = match marker {
                // `txt:` or `mkd:` comes before a verbatim string.
                b'=' => Reply::Bulk(Bytes::copy_from_slice(body.get(4..).unwrap_or_default())),
                b'!' => Reply::Error(error(body)),
                _ => Reply::Bulk(Bytes::copy_from_slice(body)),
            };
            buffer.advance(start + length + 2);
            return Ok(Some(Element::Whole(reply)));
        }
        b'*' | b'~' | b'%' | b'>' | b'|' => {
            let Some(length) = length(line)? else {
                buffer.advance(end + 2);
                return Ok(Some(Element::Whole(Reply::Nil)));
            };
            let (shape, elements) = match marker {
                b'%' => (Shape::Map, length.checked_mul(2)),
                b'|' => (Shape::Attribute, length.checked_mul(2)),
                b'>' => (Shape::Push, Some(length)),
                _ => (Shape::Array, Some(length)),
            };
            let elements = elements.filter(|&elements| elements <= MAX_ELEMENTS);
            let elements = elements.ok_or(Malformed("a list with too many elements"))?;
            buffer.advance(end + 2);
            return Ok(Some(Element::Open(shape, elements)));
        }
        _ => return Err(Malformed("a reply of unknown type")),
    };
    buffer.advance(end + 2);
    Ok(Some(Element::Whole(whole)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Converts an error so that it starts with its code.
fn error(bytes: &[u8]) -> String {
    unwrapped(&String::from_utf8_lossy(bytes)).into_owned()
}

fn number(line: &[u8]) -> Result<i64, Malformed> {
    std::str::from_utf8(line).ok().and_then(|line| line.parse().ok()).ok_or(Malformed("an invalid number"))
}

/// Parses a length. Returns `None` for -1, which is nil in RESP2.
fn length(line: &[u8]) -> Result<Option<usize>, Malformed> {
    if line == b"-1" {
        return Ok(None);
    }
    usize::try_from(number(line)?).map(Some).map_err(|_| Malformed("a negative length"))
}

fn double(line: &[u8]) -> Result<f64, Malformed> {
    std::str::from_utf8(line).ok().and_then(|line| line.parse().ok()).ok_or(Malformed("an invalid double"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode_all(bytes: &[u8], step: usize) -> Result<Vec<Reply>, Malformed> {
        let (mut decoder, mut buffer, mut replies) = (Decoder::default(), BytesMut::new(), Vec::new());
        for chunk in bytes.chunks(step.max(1)) {
            buffer.extend_from_slice(chunk);
            while let Some(reply) = decoder.decode(&mut buffer)? {
                replies.push(reply);
            }
        }
        Ok(replies)
    }

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn chunking_does_not_change_the_replies() {
        let bytes =
            b"+OK\r\n+QUEUED\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*2\r\n*1\r\n:1\r\n$0\r\n\r\n*0\r\n\
            %1\r\n+k\r\n~1\r\n#t\r\n_\r\n,1.5\r\n,inf\r\n=7\r\ntxt:abc\r\n(123\r\n|1\r\n+ttl\r\n:3\r\n:9\r\n\
            >2\r\n+a\r\n+b\r\n!5\r\nERR x\r\n*-1\r\n";
        let expected = vec![
            Reply::Ok,
            Reply::Status("QUEUED".into()),
            Reply::Error("ERR no".into()),
            Reply::Int(-7),
            bulk("a\r\n"),
            Reply::Nil,
            Reply::Array(vec![Reply::Array(vec![Reply::Int(1)]), bulk("")]),
            Reply::Array(vec![]),
            Reply::Map(vec![Reply::Status("k".into()), Reply::Array(vec![Reply::Bool(true)])]),
            Reply::Nil,
            Reply::Double(1.5),
            Reply::Double(f64::INFINITY),
            bulk("abc"),
            bulk("123"),
            Reply::Int(9),
            Reply::Push(vec![Reply::Status("a".into()), Reply::Status("b".into())]),
            Reply::Error("ERR x".into()),
            Reply::Nil,
        ];
        // The bulk string `$3\r\na\r\n\r\n` contains a CR LF: its length counts, not the line end.
        for step in 1..=bytes.len() {
            assert_eq!(decode_all(bytes, step).unwrap(), expected, "in steps of {step}");
        }
    }

    #[test]
    fn a_long_string_shares_the_buffer_and_what_follows_is_intact() {
        for length in [SHARED - 1, SHARED, SHARED + 1, 5 * SHARED] {
            let value: Vec<u8> = (b'a'..=b'z').cycle().take(length).collect();
            let mut bytes = format!(":1\r\n*2\r\n${length}\r\n").into_bytes();
            bytes.extend_from_slice(&value);
            bytes.extend_from_slice(b"\r\n$2\r\nab\r\n+OK\r\n");
            let list = vec![Reply::Bulk(Bytes::from(value)), bulk("ab")];
            let expected = [Reply::Int(1), Reply::Array(list), Reply::Ok];
            for step in [1000, READ_SIZE, length, bytes.len() - 1, bytes.len()] {
                let replies = decode_all(&bytes, step).unwrap();
                assert_eq!(replies, expected, "{length} in steps of {step}");
            }
        }
    }

    #[test]
    fn malformed_replies_are_rejected() {
        for bytes in [
            &b"?\r\n"[..],
            b"\r\n",
            b"$x\r\n",
            b"$-2\r\n",
            b"$3\r\nabcde",
            b":1.5\r\n",
            b"#x\r\n",
            b"+a\rb",
            b"$99999999999\r\n",
            b"%9223372036854775807\r\n",
        ] {
            assert!(decode_all(bytes, 1).is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
        assert!(decode_all(&b"*1\r\n".repeat(1000), 7).is_err(), "nesting is bounded");
    }

    #[test]
    fn a_bulk_string_that_is_too_long_is_dropped_as_it_arrives() {
        let bytes = b"$5\r\nabcde\r\n$6\r\nabcdef\r\n*2\r\n$2\r\nab\r\n$7\r\n\r\n\r\n\r\nx\r\n:1\r\n";
        for step in 1..=bytes.len() {
            let (mut decoder, mut buffer, mut replies) = (Decoder::new(5), BytesMut::new(), Vec::new());
            for chunk in bytes.chunks(step) {
                buffer.extend_from_slice(chunk);
                while let Some(reply) = decoder.decode(&mut buffer).unwrap() {
                    replies.push(reply);
                }
            }
            let list = Reply::Array(vec![bulk("ab"), Reply::TooLong(7)]);
            assert_eq!(
                replies,
                [bulk("abcde"), Reply::TooLong(6), list, Reply::Int(1)],
                "in steps of {step}"
            );
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), step in 1_usize..9) {
            let _ = decode_all(&bytes, step);
        }

        #[test]
        fn almost_valid_bytes_never_panic(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("*3\r\n"), Just("$5\r\n"), Just("hello\r\n"), Just(":1\r\n"), Just("%2\r\n"), Just("_\r\n"),
                    Just("|1\r\n"), Just(">1\r\n"), Just("*-1\r\n"), Just("$1048576\r\n"), Just("\r"), Just("\n"),
                ],
                0..40,
            ),
            step in 1_usize..9,
        ) {
            let _ = decode_all(parts.concat().as_bytes(), step);
        }
    }
}
