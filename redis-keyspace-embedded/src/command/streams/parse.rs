//! Parses IDs and trimming options.

use bytes::Bytes;

use crate::command::arguments::{integer, option};
use crate::compact::NodeSize;
use crate::number::{is_space, parse_i64};
use crate::reply::Failure;
use crate::stream::{EntryId, Keep, Trim};

const INVALID_ID: Failure = Failure::new("ERR Invalid stream ID specified as stream command argument");

/// An ID in XADD.
#[derive(Clone, Copy)]
pub(super) enum NewId {
    /// `*`
    Automatic,
    /// `5-*`
    AutomaticNumber(u64),
    Given(EntryId),
}

/// Parses an ID such as `5-1`. `seq` is the default of its second part.
pub(super) fn entry_id(text: &[u8], seq: u64) -> Result<EntryId, Failure> {
    match new_id(text, seq)? {
        NewId::Given(id) => Ok(id),
        _ => Err(INVALID_ID),
    }
}

/// Parses an ID, of which the second part can be `*`.
pub(super) fn new_id(text: &[u8], default_seq: u64) -> Result<NewId, Failure> {
    const MAX_TEXT: usize = 127;
    if text.len() > MAX_TEXT {
        return Err(INVALID_ID);
    }
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let mut parts = text.splitn(2, |&byte| byte == b'-');
    let ms = parts.next().and_then(unsigned).ok_or(INVALID_ID)?;
    let seq = match parts.next() {
        None => default_seq,
        Some(b"*") => return Ok(NewId::AutomaticNumber(ms)),
        Some(seq) => unsigned(seq).ok_or(INVALID_ID)?,
    };
    Ok(NewId::Given(EntryId { ms, seq }))
}

/// Parses an ID or one of `-` and `+`.
pub(super) fn id_or_end(text: &[u8], seq: u64) -> Result<EntryId, Failure> {
    match text {
        b"-" => Ok(EntryId::ZERO),
        b"+" => Ok(EntryId::MAX),
        _ => entry_id(text, seq),
    }
}

/// Parses the start of a range. An exclusive one begins with `(`.
pub(super) fn range_start(text: &[u8]) -> Result<EntryId, Failure> {
    match text {
        [b'(', text @ ..] if !text.is_empty() => {
            entry_id(text, 0)?.next().ok_or(Failure::new("ERR invalid start ID for the interval"))
        }
        _ => id_or_end(text, 0),
    }
}

pub(super) fn range_end(text: &[u8]) -> Result<EntryId, Failure> {
    match text {
        [b'(', text @ ..] if !text.is_empty() => {
            entry_id(text, u64::MAX)?.previous().ok_or(Failure::new("ERR invalid end ID for the interval"))
        }
        _ => id_or_end(text, u64::MAX),
    }
}

/// Parses a number like `strtoull`: spaces, a plus sign and zeros may come first.
fn unsigned(text: &[u8]) -> Option<u64> {
    if let Some(number) = parse_i64(text) {
        return u64::try_from(number).ok();
    }
    let start = text.iter().position(|&byte| !is_space(byte))?;
    let text = text.get(start..)?;
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    digits.iter().all(u8::is_ascii_digit).then_some(())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The options of XADD and XTRIM.
pub(super) struct TrimOptions<'a> {
    pub(super) trim: Option<Trim>,
    pub(super) only_present: bool,
    /// The arguments after the options.
    pub(super) rest: &'a [Bytes],
}

impl<'a> TrimOptions<'a> {
    /// Parses the options. Those of XADD end before the first argument that is none.
    pub(super) fn parse(arguments: &'a [Bytes], is_add: bool, node: NodeSize) -> Result<Self, Failure> {
        let mut rest = arguments;
        let (mut keep, mut is_approximate, mut limit, mut only_present) = (None, false, None, false);
        while let Some((word, after)) = rest.split_first() {
            match (option(word).as_slice(), after) {
                (b"MAXLEN" | b"MINID", [first, others @ ..]) => {
                    if keep.is_some() {
                        return Err(Failure::new(
                            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                        ));
                    }
                    let (value, others) = match (first.as_ref(), others) {
                        (b"~" | b"=", [value, others @ ..]) => {
                            is_approximate = first.as_ref() == b"~";
                            (value, others)
                        }
                        _ => (first, others),
                    };
                    keep = Some(if option(word) == b"MAXLEN" {
                        let count = usize::try_from(integer(value)?);
                        Keep::Last(count.map_err(|_| Failure::new("ERR The MAXLEN argument must be >= 0."))?)
                    } else {
                        Keep::From(entry_id(value, 0)?)
                    });
                    rest = others;
                }
                (b"LIMIT", [value, others @ ..]) => {
                    let value = integer(value)?;
                    if value < 0 {
                        return Err(Failure::new("ERR The LIMIT argument must be >= 0."));
                    }
                    limit = Some(value);
                    rest = others;
                }
                (b"NOMKSTREAM", _) if is_add => {
                    only_present = true;
                    rest = after;
                }
                _ if is_add => break,
                _ => return Err(Failure::SYNTAX),
            }
        }
        // The ID comes next, and an error of it is found first.
        if let Some(text) = rest.first().filter(|text| text.as_ref() != b"*") {
            new_id(text, 0)?;
        }
        if keep.is_none() && limit.is_some_and(|limit| limit > 0) {
            return Err(Failure::new(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if keep.is_none() && !is_add {
            return Err(Failure::new("ERR syntax error, XTRIM must be called with a trimming strategy"));
        }
        if limit.is_some() && !is_approximate {
            return Err(Failure::new("ERR syntax error, LIMIT cannot be used without the special ~ option"));
        }
        let limit = match limit {
            Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
            None if is_approximate => default_limit(node),
            None => 0,
        };
        let trim = keep.map(|keep| Trim { keep, is_approximate, limit });
        Ok(Self { trim, only_present, rest })
    }
}

/// The greatest number of entries that approximate trimming removes: those of 100 nodes.
fn default_limit(node: NodeSize) -> usize {
    match node.entries.saturating_mul(100) {
        0 => 10_000,
        entries => entries.min(1_000_000),
    }
}
