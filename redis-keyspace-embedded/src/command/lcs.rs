//! LCS: the longest common subsequence of two strings.

use bytes::Bytes;

use super::arguments::{first, integer, option};
use super::context::{Context, Spec, command};
use super::flags::TWO_KEYS;
use crate::reply::{Answer, Failure, Reply};
use crate::resp::MAX_BULK;
use crate::value::Value;

pub(super) const TABLE: &[Spec] = &[command("lcs", -3, 0, TWO_KEYS, lcs)];

/// The options of LCS.
#[derive(Default)]
struct LcsOptions {
    has_length: bool,
    has_places: bool,
    has_match_lengths: bool,
    /// The length of the shortest match in the reply.
    shortest: i64,
}

impl LcsOptions {
    fn parse(mut rest: &[Bytes]) -> Result<Self, Failure> {
        let mut options = Self::default();
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            match (option(word).as_slice(), after) {
                (b"IDX", _) => options.has_places = true,
                (b"LEN", _) => options.has_length = true,
                (b"WITHMATCHLEN", _) => options.has_match_lengths = true,
                (b"MINMATCHLEN", [length, after @ ..]) => {
                    options.shortest = integer(length)?.max(0);
                    rest = after;
                }
                _ => return Err(Failure::SYNTAX),
            }
        }
        if options.has_length && options.has_places {
            return Err(Failure::new("ERR If you want both the length and indexes, please just use IDX."));
        }
        Ok(options)
    }
}

/// A part that both strings have, without a gap.
struct CommonPart {
    /// The first place in each string.
    starts: [usize; 2],
    length: usize,
}

impl CommonPart {
    fn reply(&self, has_length: bool) -> Reply {
        let places = self.starts.map(|start| {
            let last = start.saturating_add(self.length).saturating_sub(1);
            Reply::Array(vec![Reply::count(start), Reply::count(last)])
        });
        let length = has_length.then(|| Reply::count(self.length));
        Reply::Array(places.into_iter().chain(length).collect())
    }
}

fn lcs(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let (keys, rest): (&[Bytes; 2], _) = first(arguments)?;
    let db = context.db()?;
    let mut strings = Vec::new();
    for key in keys {
        strings.push(match db.entry(key).map(|entry| &entry.value) {
            None => Bytes::new(),
            Some(Value::String(data)) => data.clone(),
            Some(_) => return Err(Failure::new("ERR The specified keys must contain string values")),
        });
    }
    let options = LcsOptions::parse(rest)?;
    let [one, other] = strings.as_slice() else { return Err(Failure::SYNTAX) };
    let lengths = Lengths::of(one, other)?;
    if options.has_length {
        return Ok(Reply::count(lengths.total()));
    }
    let parts = lengths.parts(one, other);
    if !options.has_places {
        // The parts are in reverse order.
        let parts = parts.iter().rev().filter_map(|part| {
            let [start, _] = part.starts;
            one.get(start..start.saturating_add(part.length))
        });
        return Ok(Reply::bulk(parts.collect::<Vec<_>>().concat()));
    }
    let is_long = |part: &&CommonPart| i64::try_from(part.length).unwrap_or(i64::MAX) >= options.shortest;
    let matches = parts.iter().filter(is_long).map(|part| part.reply(options.has_match_lengths));
    Ok(Reply::Map(vec![
        (Reply::text("matches"), Reply::Array(matches.collect())),
        (Reply::text("len"), Reply::count(lengths.total())),
    ]))
}

/// The length of the longest common subsequence of each two beginnings of the strings.
struct Lengths {
    rows: Vec<Vec<u32>>,
}

impl Lengths {
    fn of(one: &[u8], other: &[u8]) -> Result<Self, Failure> {
        let cells = one.len().saturating_add(1).saturating_mul(other.len().saturating_add(1));
        let bytes = cells.saturating_mul(size_of::<u32>());
        if i64::try_from(bytes).unwrap_or(i64::MAX) > MAX_BULK {
            return Err(Failure::new(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ));
        }
        let mut rows: Vec<Vec<u32>> = vec![vec![0; other.len().saturating_add(1)]];
        for byte in one {
            let above = rows.last().map(Vec::as_slice).unwrap_or_default();
            let (mut row, mut left): (Vec<u32>, u32) = (vec![0], 0);
            for ((&diagonal, &up), candidate) in above.iter().zip(above.iter().skip(1)).zip(other) {
                left = if byte == candidate { diagonal.saturating_add(1) } else { left.max(up) };
                row.push(left);
            }
            rows.push(row);
        }
        Ok(Self { rows })
    }

    fn at(&self, row: usize, column: usize) -> u32 {
        self.rows.get(row).and_then(|row| row.get(column)).copied().unwrap_or(0)
    }

    fn total(&self) -> usize {
        let total = self.rows.last().and_then(|row| row.last()).copied().unwrap_or(0);
        usize::try_from(total).unwrap_or(usize::MAX)
    }

    /// Returns the parts of a longest common subsequence, last one first. Of several subsequences,
    /// it is the one of a real server.
    fn parts(&self, one: &[u8], other: &[u8]) -> Vec<CommonPart> {
        let mut parts: Vec<CommonPart> = Vec::new();
        let (mut row, mut column) = (one.len(), other.len());
        let mut continues = false;
        while let (Some(up), Some(left)) = (row.checked_sub(1), column.checked_sub(1)) {
            if one.get(up) == other.get(left) {
                match parts.last_mut().filter(|_| continues) {
                    Some(part) => {
                        part.starts = [up, left];
                        part.length = part.length.saturating_add(1);
                    }
                    None => parts.push(CommonPart { starts: [up, left], length: 1 }),
                }
                (row, column, continues) = (up, left, true);
            } else if self.at(up, column) > self.at(row, left) {
                (row, continues) = (up, false);
            } else {
                (column, continues) = (left, false);
            }
        }
        parts
    }
}
