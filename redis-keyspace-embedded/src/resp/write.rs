//! Encodes replies for both protocol versions.

use bytes::{BufMut, Bytes, BytesMut};

use super::protocol::Protocol;
use crate::number::format_double;
use crate::reply::{EncodedReply, Reply};

/// The reply does not fit into the output. A part of it may have been written.
#[derive(Debug)]
pub(crate) struct OutputFull;

/// Appends `reply` to `out`, encoded for `protocol`. Stops before `out` has `limit` bytes.
pub(crate) fn write(
    out: &mut BytesMut,
    reply: &Reply,
    protocol: Protocol,
    limit: usize,
) -> Result<(), OutputFull> {
    Encoder { out, resp3: protocol == Protocol::Resp3, limit }.reply(reply)
}

/// Returns `reply`, encoded for `protocol`.
pub(crate) fn encode(reply: &Reply, protocol: Protocol) -> Reply {
    let mut out = BytesMut::new();
    // Without a limit, every reply fits.
    drop(write(&mut out, reply, protocol, usize::MAX));
    encoded(out)
}

/// Returns the start of an array of `items` replies. Append the replies with [`write`].
pub(crate) fn array(items: usize) -> BytesMut {
    let mut out = BytesMut::new();
    drop(Encoder { out: &mut out, resp3: false, limit: usize::MAX }.length(b'*', items));
    out
}

/// Wraps the bytes of an encoded reply.
pub(crate) fn encoded(bytes: impl Into<Bytes>) -> Reply {
    Reply::Encoded(EncodedReply(bytes.into()))
}

struct Encoder<'o> {
    out: &'o mut BytesMut,
    resp3: bool,
    limit: usize,
}

impl Encoder<'_> {
    fn reply(&mut self, reply: &Reply) -> Result<(), OutputFull> {
        match reply {
            Reply::Status(text) => self.line(b'+', text),
            Reply::Error(text) => self.error(text),
            Reply::Integer(value) => self.line(b':', itoa::Buffer::new().format(*value).as_bytes()),
            Reply::Bulk(data) => self.bulk(data),
            Reply::Nil | Reply::NilArray if self.resp3 => self.put(b"_\r\n"),
            Reply::Nil => self.put(b"$-1\r\n"),
            Reply::NilArray => self.put(b"*-1\r\n"),
            Reply::Double(value) if self.resp3 => self.line(b',', format_double(*value).as_bytes()),
            Reply::Double(value) => self.bulk(format_double(*value).as_bytes()),
            Reply::Verbatim(text) if self.resp3 => {
                self.length(b'=', text.len().saturating_add(4))?;
                self.put(b"txt:")?;
                self.put(text)?;
                self.put(b"\r\n")
            }
            Reply::Verbatim(text) => self.bulk(text),
            Reply::Array(items) => self.aggregate(b'*', items),
            Reply::Set(items) => self.aggregate(if self.resp3 { b'~' } else { b'*' }, items),
            Reply::Push(items) => self.aggregate(if self.resp3 { b'>' } else { b'*' }, items),
            Reply::Map(pairs) => {
                if self.resp3 {
                    self.length(b'%', pairs.len())?;
                } else {
                    self.length(b'*', pairs.len().saturating_mul(2))?;
                }
                pairs.iter().try_for_each(|(key, value)| {
                    self.reply(key)?;
                    self.reply(value)
                })
            }
            Reply::Several(replies) => replies.iter().try_for_each(|reply| self.reply(reply)),
            Reply::Encoded(EncodedReply(bytes)) => self.put(bytes),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), OutputFull> {
        if self.out.len().saturating_add(bytes.len()) >= self.limit {
            return Err(OutputFull);
        }
        self.out.put_slice(bytes);
        Ok(())
    }

    fn aggregate(&mut self, marker: u8, items: &[Reply]) -> Result<(), OutputFull> {
        self.length(marker, items.len())?;
        items.iter().try_for_each(|item| self.reply(item))
    }

    fn bulk(&mut self, data: &[u8]) -> Result<(), OutputFull> {
        self.length(b'$', data.len())?;
        self.put(data)?;
        self.put(b"\r\n")
    }

    fn line(&mut self, marker: u8, text: &[u8]) -> Result<(), OutputFull> {
        self.put(&[marker])?;
        self.put(text)?;
        self.put(b"\r\n")
    }

    /// Writes an error. Text quoted from a request may contain line ends, which would break the
    /// protocol.
    fn error(&mut self, text: &[u8]) -> Result<(), OutputFull> {
        let ends = text.iter().rev().take_while(|&&byte| byte == b'\r' || byte == b'\n').count();
        let text = text.get(..text.len().saturating_sub(ends)).unwrap_or_default();
        let line: Vec<u8> =
            text.iter().map(|&byte| if byte == b'\r' || byte == b'\n' { b' ' } else { byte }).collect();
        self.line(b'-', &line)
    }

    fn length(&mut self, marker: u8, value: usize) -> Result<(), OutputFull> {
        self.line(marker, itoa::Buffer::new().format(value).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{encode, write};
    use crate::reply::Reply;
    use crate::resp::Protocol;

    #[test]
    fn a_reply_that_does_not_fit_takes_no_more_memory_than_the_limit() {
        // The values share one allocation, but their encodings would not.
        let value = Reply::bulk(vec![b'x'; 1_000_000]);
        let reply = Reply::Array(vec![value; 1_000]);
        let mut out = BytesMut::new();
        assert!(write(&mut out, &reply, Protocol::Resp2, 5_000_000).is_err());
        assert!((4_000_000..5_000_000).contains(&out.len()), "{}", out.len());
    }

    #[test]
    fn the_limit_is_the_first_length_that_does_not_fit() {
        let reply = Reply::Map(vec![(Reply::text("a"), Reply::Array(vec![Reply::Integer(1), Reply::OK]))]);
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            let mut whole = BytesMut::new();
            write(&mut whole, &reply, protocol, usize::MAX).unwrap();
            let mut out = BytesMut::new();
            assert!(write(&mut out, &reply, protocol, whole.len()).is_err());
            out.clear();
            write(&mut out, &encode(&reply, protocol), protocol, whole.len() + 1).unwrap();
            assert_eq!(out, whole);
        }
    }
}
