//! The elements of a collection as one string of bytes: how a fill passes a whole collection to
//! waiting callers, and keeps its stale copy.
//!
//! Each element is its length in decimal digits, a colon, and its bytes.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::kind::DecodeError;
use crate::protocol::{Reply, read};

/// Appends an element.
pub(super) fn push(out: &mut Vec<u8>, element: &[u8]) {
    out.extend_from_slice(itoa::Buffer::new().format(element.len()).as_bytes());
    out.push(b':');
    out.extend_from_slice(element);
}

/// Returns the elements.
pub(super) fn parse(mut packed: &[u8]) -> Result<Vec<&[u8]>, DecodeError> {
    let mut elements = Vec::new();
    while !packed.is_empty() {
        let (element, rest) = first(packed).ok_or_else(|| DecodeError::new("not a list of elements"))?;
        elements.push(element);
        packed = rest;
    }
    Ok(elements)
}

/// Splits off the first element.
fn first(packed: &[u8]) -> Option<(&[u8], &[u8])> {
    let digits = packed.iter().position(|&byte| byte == b':')?;
    let (length, rest) = packed.split_at_checked(digits)?;
    let length: usize = str::from_utf8(length).ok()?.parse().ok()?;
    rest.get(1..)?.split_at_checked(length)
}

/// Returns the elements of a reply to a command that reads a whole collection. Members with scores
/// are pairs in RESP3, and alternate with their scores in RESP2.
pub(super) fn elements(reply: Reply) -> Result<Vec<Bytes>> {
    let mut elements = Vec::new();
    match read::checked(reply)? {
        Reply::Nil => {}
        Reply::Array(parts) | Reply::Map(parts) => {
            elements.reserve(parts.len());
            for part in parts {
                match part {
                    Reply::Array(pair) => {
                        for part in pair {
                            elements.push(element(part)?);
                        }
                    }
                    part => elements.push(element(part)?),
                }
            }
        }
        _ => return Err(unexpected()),
    }
    Ok(elements)
}

fn element(reply: Reply) -> Result<Bytes> {
    match reply {
        Reply::Bulk(bytes) => Ok(bytes),
        Reply::Double(score) => Ok(score.to_string().into()),
        Reply::Int(score) => Ok(score.to_string().into()),
        reply => read::checked(reply).and_then(|_| Err(unexpected())),
    }
}

/// Returns the bytes of a value: those at a key, or the packed elements of a collection. `None` if
/// the key does not exist.
pub(super) fn of_reply(reply: Reply) -> Result<Option<Bytes>> {
    match reply {
        reply @ (Reply::Array(_) | Reply::Map(_)) => {
            let elements = elements(reply)?;
            let mut packed = Vec::with_capacity(elements.iter().map(|element| element.len() + 4).sum());
            elements.iter().for_each(|element| push(&mut packed, element));
            Ok((!elements.is_empty()).then(|| packed.into()))
        }
        reply => read::to_bytes(reply),
    }
}

fn unexpected() -> Error {
    Error::protocol("the server's reply has an unexpected shape: a list of elements was expected")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_elements_are_read_back() {
        let elements: [&[u8]; 5] = [b"", b"a", b"3:abc", b"\0\xff:", &[b':'; 300]];
        let mut packed = Vec::new();
        elements.iter().for_each(|element| push(&mut packed, element));
        assert_eq!(parse(&packed).unwrap(), elements);
        assert_eq!(parse(b"").unwrap(), Vec::<&[u8]>::new());
    }

    #[test]
    fn other_bytes_are_an_error() {
        for bytes in [&b"abc"[..], b"3:ab", b":", b"-1:", b"1", b"99999999999999999999:a", b"1:ab"] {
            assert!(parse(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn replies_of_both_protocols_have_the_same_elements() {
        let bulk = |text: &'static str| Reply::Bulk(text.into());
        let pairs = Reply::Array(vec![Reply::Array(vec![bulk("a"), Reply::Double(1.5)])]);
        let flat = Reply::Array(vec![bulk("a"), bulk("1.5")]);
        assert_eq!(elements(pairs).unwrap(), elements(flat).unwrap());
        assert_eq!(of_reply(Reply::Array(Vec::new())).unwrap(), None);
        assert_eq!(of_reply(Reply::Map(vec![bulk("a"), bulk("")])).unwrap().as_deref(), Some(&b"1:a0:"[..]));
    }
}
