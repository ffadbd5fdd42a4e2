//! Positions of single members.

use bytes::Bytes;

use super::{Coordinates, distance, position, unit};
use crate::command::arguments::{exactly, first, option};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::ONE_KEY;
use crate::command::sorted_sets::add::zadd;
use crate::command::sorted_sets::read;
use crate::geohash::Position;
use crate::reply::{Answer, Failure, Reply};
use crate::sorted_set::SortedSet;

pub(in crate::command) const TABLE: &[Spec] = &[
    command("geoadd", -5, 0, ONE_KEY, geoadd),
    command("geodist", -4, 0, ONE_KEY, |context, arguments| {
        let (places, meters) = match arguments {
            [places @ .., name] if arguments.len() == 4 => (places, unit(name)?),
            places => (places, 1.0),
        };
        let [key, from, to] = exactly(places)?;
        let Some(sorted) = read(context, key)? else { return Ok(Reply::Nil) };
        Ok(match (place(sorted, from), place(sorted, to)) {
            (Some(from), Some(to)) => distance(from.distance(to) / meters),
            _ => Reply::Nil,
        })
    }),
    command("geopos", -2, 0, ONE_KEY, |context, arguments| {
        let ([key], members) = first(arguments)?;
        let coordinates = Coordinates::of(context);
        let sorted = read(context, key)?;
        let position = |member: &Bytes| sorted.and_then(|sorted| place(sorted, member));
        let reply = |member| position(member).map_or(Reply::NilArray, |place| coordinates.reply(place));
        Ok(Reply::Array(members.iter().map(reply).collect()))
    }),
    command("geohash", -2, 0, ONE_KEY, |context, arguments| {
        let ([key], members) = first(arguments)?;
        let sorted = read(context, key)?;
        let position = |member: &Bytes| sorted.and_then(|sorted| place(sorted, member));
        let reply = |member| position(member).map_or(Reply::Nil, |place| Reply::bulk(place.to_text()));
        Ok(Reply::Array(members.iter().map(reply).collect()))
    }),
];

/// Returns the position of a member.
pub(super) fn place(sorted: &SortedSet, member: &[u8]) -> Option<Position> {
    sorted.score(member).map(Position::from_score)
}

/// Runs ZADD with the positions as scores.
fn geoadd(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key], rest) = first(arguments)?;
    let is_option = |word: &&Bytes| matches!(option(word).as_slice(), b"NX" | b"XX" | b"CH");
    let (options, places) = rest.split_at(rest.iter().take_while(is_option).count());
    let has = |name: &[u8]| options.iter().any(|word| option(word) == name);
    let (places, []) = places.as_chunks::<3>() else { return Err(Failure::SYNTAX) };
    if has(b"NX") && has(b"XX") {
        return Err(Failure::SYNTAX);
    }
    let mut arguments = vec![key.clone()];
    arguments.extend_from_slice(options);
    for [longitude, latitude, member] in places {
        let score = position(longitude, latitude)?.to_score();
        arguments.extend([Bytes::from(format!("{score:.0}")), member.clone()]);
    }
    zadd(context, &arguments, false)
}
