//! Encoding of replies for the two protocol versions.

use bytes::{BufMut, BytesMut};

use super::protocol::Protocol;
use crate::number::format_double;
use crate::reply::Reply;

/// Appends `reply` to `out`, encoded for `protocol`.
pub(crate) fn write(out: &mut BytesMut, reply: &Reply, protocol: Protocol) {
    let resp3 = protocol == Protocol::Resp3;
    match reply {
        Reply::Status(text) => line(out, b'+', text),
        Reply::Error(text) => error(out, text),
        Reply::Integer(value) => number(out, b':', *value),
        Reply::Bulk(data) => bulk(out, data),
        Reply::Nil if resp3 => out.put_slice(b"_\r\n"),
        Reply::Nil => out.put_slice(b"$-1\r\n"),
        Reply::NilArray if resp3 => out.put_slice(b"_\r\n"),
        Reply::NilArray => out.put_slice(b"*-1\r\n"),
        Reply::Double(value) if resp3 => line(out, b',', format_double(*value).as_bytes()),
        Reply::Double(value) => bulk(out, format_double(*value).as_bytes()),
        Reply::Verbatim(text) if resp3 => {
            length(out, b'=', text.len().saturating_add(4));
            out.put_slice(b"txt:");
            out.put_slice(text);
            out.put_slice(b"\r\n");
        }
        Reply::Verbatim(text) => bulk(out, text),
        Reply::Array(items) => aggregate(out, b'*', items, protocol),
        Reply::Set(items) => aggregate(out, if resp3 { b'~' } else { b'*' }, items, protocol),
        Reply::Push(items) => aggregate(out, if resp3 { b'>' } else { b'*' }, items, protocol),
        Reply::Map(pairs) => {
            if resp3 {
                length(out, b'%', pairs.len());
            } else {
                length(out, b'*', pairs.len().saturating_mul(2));
            }
            for (key, value) in pairs {
                write(out, key, protocol);
                write(out, value, protocol);
            }
        }
        Reply::Several(replies) => replies.iter().for_each(|reply| write(out, reply, protocol)),
    }
}

fn aggregate(out: &mut BytesMut, marker: u8, items: &[Reply], protocol: Protocol) {
    length(out, marker, items.len());
    items.iter().for_each(|item| write(out, item, protocol));
}

fn bulk(out: &mut BytesMut, data: &[u8]) {
    length(out, b'$', data.len());
    out.put_slice(data);
    out.put_slice(b"\r\n");
}

fn line(out: &mut BytesMut, marker: u8, text: &[u8]) {
    out.put_u8(marker);
    out.put_slice(text);
    out.put_slice(b"\r\n");
}

/// Writes an error. Text quoted from a request may contain line ends, which would break the
/// protocol.
fn error(out: &mut BytesMut, text: &[u8]) {
    let ends = text.iter().rev().take_while(|&&byte| byte == b'\r' || byte == b'\n').count();
    let text = text.get(..text.len().saturating_sub(ends)).unwrap_or_default();
    out.put_u8(b'-');
    out.extend(text.iter().map(|&byte| if byte == b'\r' || byte == b'\n' { b' ' } else { byte }));
    out.put_slice(b"\r\n");
}

fn number(out: &mut BytesMut, marker: u8, value: i64) {
    line(out, marker, itoa::Buffer::new().format(value).as_bytes());
}

fn length(out: &mut BytesMut, marker: u8, value: usize) {
    line(out, marker, itoa::Buffer::new().format(value).as_bytes());
}
