//! Cursors: SCAN, and its variants for collections.

use bytes::Bytes;

use super::arguments::{first, integer, option};
use crate::compact::CompactSizes;
use crate::glob;
use crate::reply::{Failure, Reply};
use crate::value::Value;

/// Parses a cursor like `strtoul` in C: with an optional sign, and up to the first zero byte. No
/// text is 0.
pub(super) fn parse(argument: &[u8]) -> Result<u64, Failure> {
    let text = argument.split(|&byte| byte == 0).next().unwrap_or_default();
    let cursor = match text {
        [] => Some(0),
        [b'-', digits @ ..] => decimal(digits).map(u64::wrapping_neg),
        [b'+', digits @ ..] | digits => decimal(digits),
    };
    cursor.ok_or(Failure::new("ERR invalid cursor"))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let is_number = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// Returns a page and the next cursor.
pub(super) fn reply(next: u64, items: Vec<Reply>) -> Reply {
    Reply::Array(vec![Reply::bulk(next.to_string()), Reply::Array(items)])
}

/// The options of SSCAN, HSCAN and ZSCAN.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pattern: Option<&'a Bytes>,
    pub(super) count: usize,
    /// Whether HSCAN omits the values.
    pub(super) no_values: bool,
}

impl<'a> Page<'a> {
    /// Parses the options. Only HSCAN has NOVALUES.
    pub(super) fn parse(mut rest: &'a [Bytes], is_hash: bool) -> Result<Self, Failure> {
        let mut page = Self { pattern: None, count: 10, no_values: false };
        while let Some((name, after)) = rest.split_first() {
            let name = option(name);
            if is_hash && name == b"NOVALUES" {
                page.no_values = true;
                rest = after;
                continue;
            }
            let ([value], after) = first(after)?;
            match name.as_slice() {
                b"MATCH" => page.pattern = Some(value),
                b"COUNT" => {
                    let count = usize::try_from(integer(value)?).ok();
                    page.count = count.filter(|&count| count > 0).ok_or(Failure::SYNTAX)?;
                }
                _ => return Err(Failure::SYNTAX),
            }
            rest = after;
        }
        Ok(page)
    }

    /// Whether the page has all items, whatever the cursor. It does for a small collection, as on a
    /// real server.
    pub(super) fn is_whole(value: &Value, sizes: &CompactSizes) -> bool {
        matches!(value.encoding(sizes), "listpack" | "listpackex" | "intset")
    }

    /// Whether the pattern matches an item.
    pub(super) fn selects(&self, item: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, item))
    }
}
