//! MEMORY USAGE.

use bytes::Bytes;

use super::arguments::{first, integer, option};
use super::context::{Context, Spec, command};
use super::flags::{CONTAINER, NO_KEYS};
use crate::payload::encode;
use crate::reply::{Answer, Failure, Reply};

const SECOND_WORD: (i64, i64, i64) = (2, 2, 1);

/// About what a real server needs for a key and its value in addition to their bytes.
const OVERHEAD: usize = 48;

pub(super) const TABLE: &[Spec] = &[
    command("memory", -2, CONTAINER, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("memory|usage", -3, 0, SECOND_WORD, usage),
];

/// Estimates the memory of a key by the size of its dump. No elements are sampled.
fn usage(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], rest) = first(arguments)?;
    match rest {
        [] => {}
        [name, samples] if option(name) == b"SAMPLES" => {
            if integer(samples)? < 0 {
                return Err(Failure::SYNTAX);
            }
        }
        _ => return Err(Failure::SYNTAX),
    }
    let entry = context.db()?.entry(key);
    Ok(entry.map_or(Reply::Nil, |entry| Reply::count(OVERHEAD + key.len() + encode(&entry.value).len())))
}
