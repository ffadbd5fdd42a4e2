//! Searches by distance.

use std::cmp::Ordering;
use std::ops::Bound;

use bytes::Bytes;

use super::places::place;
use super::{Coordinates, distance, position, unit};
use crate::command::arguments::{first, float, integer, option};
use crate::command::context::{Spec, command};
use crate::command::flags::{ONE_KEY, TWO_KEYS};
use crate::command::sorted_sets::{read, store};
use crate::geohash::{Position, Shape};
use crate::number::to_i64;
use crate::reply::{Failure, Reply};
use crate::sorted_set::{ScoreRange, SortedSet, Step};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("geosearch", -7, 0, ONE_KEY, |context, arguments| {
        let ([key], options) = first(arguments)?;
        let coordinates = Coordinates::of(context);
        let name = context.called.first().cloned().unwrap_or_default();
        let sorted = read(context, key)?;
        let search = GeoQuery::parse(options, sorted, &name, false)?;
        let found = sorted.map(|sorted| search.run(sorted)).unwrap_or_default();
        Ok(Reply::Array(found.into_iter().map(|found| search.reply(found, coordinates)).collect()))
    }),
    command("geosearchstore", -8, 0, TWO_KEYS, |context, arguments| {
        let ([target, source], options) = first(arguments)?;
        let name = context.called.first().cloned().unwrap_or_default();
        let sorted = read(context, source)?;
        let search = GeoQuery::parse(options, sorted, &name, true)?;
        let found = sorted.map(|sorted| search.run(sorted)).unwrap_or_default();
        let score = |found: &Found| if search.stores_distance { found.distance } else { found.score };
        let found: SortedSet = found.into_iter().map(|found| (found.member.clone(), score(&found))).collect();
        store(context, target, "geosearchstore", found)
    }),
];

/// The options of GEOSEARCH.
struct GeoQuery {
    center: Position,
    shape: Shape,
    /// The length of the unit in meters.
    meters: f64,
    order: Option<Step>,
    /// The greatest number of results, if it is not 0.
    count: usize,
    is_any_enough: bool,
    has_distance: bool,
    has_hash: bool,
    has_coordinates: bool,
    stores_distance: bool,
}

/// A result. The distance is in the unit of the search.
struct Found {
    member: Bytes,
    score: f64,
    position: Position,
    distance: f64,
}

impl GeoQuery {
    /// Parses the options. `sorted` is the set that is searched, and errors quote `name`.
    fn parse(
        options: &[Bytes],
        sorted: Option<&SortedSet>,
        name: &[u8],
        stores: bool,
    ) -> Result<Self, Failure> {
        let mut center = None;
        let mut from_member = false;
        let mut shape: Option<(Shape, f64)> = None;
        let (mut order, mut count, mut is_any_enough) = (None, 0, false);
        let (mut has_distance, mut has_hash, mut has_coordinates) = (false, false, false);
        let mut stores_distance = false;
        let mut rest = options;
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            let is_circle = matches!(shape, Some((Shape::Circle { .. }, _)));
            match (option(word).as_slice(), after) {
                (b"WITHDIST", _) => has_distance = true,
                (b"WITHHASH", _) => has_hash = true,
                (b"WITHCOORD", _) => has_coordinates = true,
                (b"ANY", _) => is_any_enough = true,
                (b"ASC", _) => order = Some(Step::Up),
                (b"DESC", _) => order = Some(Step::Down),
                (b"STOREDIST", _) if stores => stores_distance = true,
                (b"COUNT", [number, after @ ..]) => {
                    count = usize::try_from(integer(number)?).unwrap_or(0);
                    if count == 0 {
                        return Err(Failure::new("ERR COUNT must be > 0"));
                    }
                    rest = after;
                }
                (b"FROMMEMBER", [member, after @ ..]) if center.is_none() || from_member => {
                    from_member = true;
                    // If the key does not exist, the rest of the options is checked nevertheless.
                    center = match sorted {
                        None => Position::new(0.0, 0.0),
                        Some(sorted) => {
                            let missing = Failure::new("ERR could not decode requested zset member");
                            Some(place(sorted, member).ok_or(missing)?)
                        }
                    };
                    rest = after;
                }
                (b"FROMLONLAT", [longitude, latitude, after @ ..]) if !from_member => {
                    center = Some(position(longitude, latitude)?);
                    rest = after;
                }
                (b"BYRADIUS", [radius, name, after @ ..]) if shape.is_none() || is_circle => {
                    let radius = length(radius, "ERR need numeric radius")?;
                    if radius < 0.0 {
                        return Err(Failure::new("ERR radius cannot be negative"));
                    }
                    let meters = unit(name)?;
                    shape = Some((Shape::Circle { radius: radius * meters }, meters));
                    rest = after;
                }
                (b"BYBOX", [width, height, name, after @ ..]) if !is_circle => {
                    let width = length(width, "ERR need numeric width")?;
                    let height = length(height, "ERR need numeric height")?;
                    if width < 0.0 || height < 0.0 {
                        return Err(Failure::new("ERR height or width cannot be negative"));
                    }
                    let meters = unit(name)?;
                    let (width, height) = (width * meters, height * meters);
                    shape = Some((Shape::Rectangle { width, height }, meters));
                    rest = after;
                }
                _ => return Err(Failure::SYNTAX),
            }
        }
        if stores && (has_distance || has_hash || has_coordinates) {
            return Err(Failure::new(
                "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
            ));
        }
        let center = center.ok_or_else(|| {
            Failure::quoting("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ", name, "")
        })?;
        let (shape, meters) = shape.ok_or_else(|| {
            Failure::quoting("ERR exactly one of BYRADIUS and BYBOX can be specified for ", name, "")
        })?;
        if is_any_enough && count == 0 {
            return Err(Failure::new("ERR the ANY argument requires COUNT argument"));
        }
        if count > 0 && !is_any_enough {
            order = order.or(Some(Step::Up)); // the nearest ones
        }
        Ok(Self {
            center,
            shape,
            meters,
            order,
            count,
            is_any_enough,
            has_distance,
            has_hash,
            has_coordinates,
            stores_distance,
        })
    }

    fn run(&self, sorted: &SortedSet) -> Vec<Found> {
        let ranges = self.shape.score_ranges(self.center).into_iter();
        let members = ranges.flat_map(|[start, end]| {
            let range = ScoreRange { min: Bound::Included(start), max: Bound::Excluded(end) };
            sorted.ranks(sorted.ranks_by_score(&range), Step::Up)
        });
        let found = members.filter_map(|(member, score)| {
            let position = Position::from_score(score);
            let distance = self.shape.distance_within(self.center, position)?;
            Some(Found { member: member.clone(), score, position, distance: distance / self.meters })
        });
        let count = if self.count == 0 { usize::MAX } else { self.count };
        let mut found: Vec<Found> = found.take(if self.is_any_enough { count } else { usize::MAX }).collect();
        if let Some(order) = self.order {
            found.sort_by(|one, other| {
                let by_distance = one.distance.partial_cmp(&other.distance).unwrap_or(Ordering::Equal);
                if order == Step::Up { by_distance } else { by_distance.reverse() }
            });
        }
        found.truncate(count);
        found
    }

    fn reply(&self, found: Found, coordinates: Coordinates) -> Reply {
        let member = Reply::Bulk(found.member);
        if !(self.has_distance || self.has_hash || self.has_coordinates) {
            return member;
        }
        let mut parts = vec![member];
        if self.has_distance {
            parts.push(distance(found.distance));
        }
        if self.has_hash {
            parts.push(Reply::Integer(to_i64(found.score)));
        }
        if self.has_coordinates {
            parts.push(coordinates.reply(found.position));
        }
        Reply::Array(parts)
    }
}

fn length(argument: &[u8], error: &'static str) -> Result<f64, Failure> {
    float(argument).map_err(|_| Failure::new(error))
}
