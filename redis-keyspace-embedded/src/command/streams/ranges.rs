//! XRANGE and XREVRANGE.

use bytes::Bytes;

use super::parse::{range_end, range_start};
use super::{entries, read_stream};
use crate::command::arguments::{first, integer, option};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::reply::{Answer, Failure, Reply};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("xrange", -4, 0, ONE_KEY, |context, arguments| xrange(context, arguments, false)),
    command("xrevrange", -4, 0, ONE_KEY, |context, arguments| xrange(context, arguments, true)),
];

fn xrange(context: &mut Context<'_>, arguments: &[Bytes], is_reversed: bool) -> Answer {
    let ([key, start, end], mut rest) = first(arguments)?;
    let (start, end) = if is_reversed { (end, start) } else { (start, end) };
    let (start, end) = (range_start(start)?, range_end(end)?);
    let mut count = usize::MAX;
    while !rest.is_empty() {
        let ([name, value], after) = first(rest)?;
        if option(name) != b"COUNT" {
            return Err(Failure::SYNTAX);
        }
        count = usize::try_from(integer(value)?).unwrap_or(0);
        rest = after;
    }
    let Some(stream) = read_stream(context, key)? else { return Ok(Reply::Array(Vec::new())) };
    if count == 0 {
        return Ok(Reply::NilArray);
    }
    let range = stream.range(start..=end);
    Ok(if is_reversed { entries(range.rev().take(count)) } else { entries(range.take(count)) })
}
