//! Commands that read a list.

use std::collections::VecDeque;

use bytes::Bytes;

use super::access::read;
use crate::command::arguments::{exactly, first, integer, option, range};
use crate::command::bounded::at_least;
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::reply::{Answer, Failure, Reply};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("llen", 2, 0, ONE_KEY, |context, arguments| {
        let [key] = exactly(arguments)?;
        Ok(Reply::count(read(context, key)?.map_or(0, VecDeque::len)))
    }),
    command("lrange", 4, 0, ONE_KEY, |context, arguments| {
        let [key, start, stop] = exactly(arguments)?;
        let (start, stop) = (integer(start)?, integer(stop)?);
        let Some(list) = read(context, key)? else { return Ok(Reply::Array(Vec::new())) };
        let part = list.range(range(start, stop, list.len()));
        Ok(Reply::Array(part.cloned().map(Reply::Bulk).collect()))
    }),
    command("lindex", 3, 0, ONE_KEY, |context, arguments| {
        let [key, index] = exactly(arguments)?;
        let Some(list) = read(context, key)? else { return Ok(Reply::Nil) };
        let element = place(integer(index)?, list.len()).and_then(|place| list.get(place));
        Ok(Reply::bulk_or_nil(element.cloned()))
    }),
    command("lpos", -3, 0, ONE_KEY, lpos),
];

/// Returns the place of an index, which counts from the end if it is negative.
pub(super) fn place(index: i64, len: usize) -> Option<usize> {
    let len = i64::try_from(len).ok()?;
    let place = if index < 0 { len.saturating_add(index) } else { index };
    usize::try_from(place).ok().filter(|_| place < len)
}

/// The options of LPOS.
struct Search {
    rank: i64,
    count: Option<usize>,
    max_len: usize,
}

impl Search {
    fn parse(mut rest: &[Bytes]) -> Result<Self, Failure> {
        let mut search = Self { rank: 1, count: None, max_len: 0 };
        while !rest.is_empty() {
            let ([name, value], after) = first(rest)?;
            match option(name).as_slice() {
                b"RANK" => {
                    search.rank = integer(value)?;
                    if search.rank == 0 {
                        return Err(Failure::new(
                            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second \
                             ... or use negative to start from the end of the list",
                        ));
                    }
                }
                b"COUNT" => search.count = Some(at_least(value, 0, "ERR COUNT can't be negative")?),
                b"MAXLEN" => search.max_len = at_least(value, 0, "ERR MAXLEN can't be negative")?,
                _ => return Err(Failure::SYNTAX),
            }
            rest = after;
        }
        Ok(search)
    }

    /// Returns the positions of `element` that the options select.
    fn run(&self, list: &VecDeque<Bytes>, element: &Bytes) -> Vec<Reply> {
        let compared = if self.max_len == 0 { list.len() } else { self.max_len };
        let wanted = match self.count {
            None => 1,
            Some(0) => list.len(),
            Some(count) => count,
        };
        let skipped = usize::try_from(self.rank.unsigned_abs()).unwrap_or(usize::MAX).saturating_sub(1);
        let positions: Box<dyn Iterator<Item = usize>> =
            if self.rank < 0 { Box::new((0..list.len()).rev()) } else { Box::new(0..list.len()) };
        let matches = positions.take(compared).filter(|position| list.get(*position) == Some(element));
        matches.skip(skipped).take(wanted).map(Reply::count).collect()
    }
}

fn lpos(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key, element], options) = first(arguments)?;
    let search = Search::parse(options)?;
    let found = read(context, key)?.map(|list| search.run(list, element)).unwrap_or_default();
    Ok(match search.count {
        Some(_) => Reply::Array(found),
        None => found.into_iter().next().unwrap_or(Reply::Nil),
    })
}
