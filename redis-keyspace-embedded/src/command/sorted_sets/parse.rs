//! Parses ranges of scores and members.

use std::ops::Bound;

use bytes::Bytes;

use crate::number::{is_space, parse_lua};
use crate::reply::Failure;
use crate::sorted_set::{LexBound, LexRange, ScoreRange};

pub(super) fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, Failure> {
    let not_a_float = Failure::new("ERR min or max is not a float");
    match (score_bound(min), score_bound(max)) {
        (Some(min), Some(max)) => Ok(ScoreRange { min, max }),
        _ => Err(not_a_float),
    }
}

fn score_bound(text: &[u8]) -> Option<Bound<f64>> {
    match text.strip_prefix(b"(") {
        Some(text) => score(text).map(Bound::Excluded),
        None => score(text).map(Bound::Included),
    }
}

/// Parses a score like `strtod`, with fewer checks than in ZADD: empty text is 0, spaces may come
/// first, and a number that is too large is infinite.
fn score(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    match text.last() {
        None => Some(0.0),
        Some(&last) if is_space(last) => None,
        Some(_) => parse_lua(text).filter(|score| !score.is_nan()),
    }
}

pub(super) fn lex_range<'a>(min: &'a Bytes, max: &'a Bytes) -> Result<LexRange<'a>, Failure> {
    match (lex_bound(min), lex_bound(max)) {
        (Some(min), Some(max)) => Ok(LexRange { min, max }),
        _ => Err(Failure::new("ERR min or max not valid string range item")),
    }
}

fn lex_bound(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        [b'-'] | [b'-', 0, ..] => Some(LexBound::Lowest),
        [b'+'] | [b'+', 0, ..] => Some(LexBound::Highest),
        [b'[', member @ ..] => Some(LexBound::Included(member)),
        [b'(', member @ ..] => Some(LexBound::Excluded(member)),
        _ => None,
    }
}
