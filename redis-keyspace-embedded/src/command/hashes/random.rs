//! Random fields.

use bytes::Bytes;

use super::access::read;
use crate::command::arguments::{first, option};
use crate::command::bounded::negatable;
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::command::sample::{Sample, places};
use crate::reply::{Answer, Failure, Reply};
use crate::resp::Protocol;

pub(in crate::command) const TABLE: &[Spec] = &[command("hrandfield", -2, 0, ONE_KEY, hrandfield)];

fn hrandfield(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], rest) = first(arguments)?;
    let (seed, limit) = (context.state.next_random(), context.output_limit());
    let Some((count, options)) = rest.split_first() else {
        let Some(hash) = read(context, key)? else { return Ok(Reply::Nil) };
        let place = places(Sample::Distinct(1), hash.len(), seed).next();
        let field = place.and_then(|place| hash.iter().nth(place)).map(|(field, _)| field.clone());
        return Ok(Reply::bulk_or_nil(field));
    };
    let count = negatable(count)?;
    let with_values = match options {
        [] => false,
        [name] if option(name) == b"WITHVALUES" => true,
        _ => return Err(Failure::SYNTAX),
    };
    if with_values && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(Failure::new("ERR value is out of range"));
    }
    let nested = context.protocol() == Protocol::Resp3;
    let sample = Sample::of(count, limit);
    let Some(hash) = read(context, key)? else { return Ok(Reply::Array(Vec::new())) };
    let all: Vec<(&Bytes, &Bytes)> = hash.iter().collect();
    let mut replies = Vec::new();
    for (field, value) in places(sample, all.len(), seed).filter_map(|place| all.get(place).copied()) {
        let field = Reply::Bulk(field.clone());
        let value = Reply::Bulk(value.clone());
        match (with_values, nested) {
            (false, _) => replies.push(field),
            (true, true) => replies.push(Reply::Array(vec![field, value])),
            (true, false) => replies.extend([field, value]),
        }
    }
    Ok(Reply::Array(replies))
}
