//! Searches by distance.

use std::cmp::Ordering;
use std::ops::Bound;

use bytes::Bytes;

use super::places::place;
use super::{Coordinates, distance, position, unit};
use crate::command::arguments::{first, float, integer, option};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::{ONE_KEY, TWO_KEYS};
use crate::command::sorted_sets::{read, store};
use crate::geohash::{Position, Shape, center_of};
use crate::number::to_i64;
use crate::reply::{Answer, Failure, Reply};
use crate::sorted_set::{ScoreRange, SortedSet, Step};

pub(in crate::command) const TABLE: &[Spec] = &[
    command("geosearch", -7, 0, ONE_KEY, |context, arguments| {
        let ([key], options) = first(arguments)?;
        search(context, key, "geosearchstore", |name, sorted| GeoQuery::parse(options, sorted, name, None))
    }),
    command("geosearchstore", -8, 0, TWO_KEYS, |context, arguments| {
        let ([target, source], options) = first(arguments)?;
        search(context, source, "geosearchstore", |name, sorted| {
            GeoQuery::parse(options, sorted, name, Some(target))
        })
    }),
    command("georadius", -6, 0, ONE_KEY, |context, arguments| around_position(context, arguments, true)),
    command("georadius_ro", -6, 0, ONE_KEY, |context, arguments| around_position(context, arguments, false)),
    command("georadiusbymember", -5, 0, ONE_KEY, |context, arguments| {
        around_member(context, arguments, true)
    }),
    command("georadiusbymember_ro", -5, 0, ONE_KEY, |context, arguments| {
        around_member(context, arguments, false)
    }),
];

/// Runs GEORADIUS.
fn around_position(context: &mut Context<'_>, arguments: &[Bytes], may_store: bool) -> Answer {
    let ([key, longitude, latitude, radius, name], options) = first(arguments)?;
    search(context, key, "georadiusstore", |_, _| {
        let center = position(longitude, latitude)?;
        let area = circle(radius, name)?;
        GeoQuery::new(center, area, Options::of_radius(options, may_store)?)
    })
}

/// Runs GEORADIUSBYMEMBER.
fn around_member(context: &mut Context<'_>, arguments: &[Bytes], may_store: bool) -> Answer {
    let ([key, member, radius, name], options) = first(arguments)?;
    search(context, key, "georadiusstore", |_, sorted| {
        // If the key does not exist, only the options are checked.
        let (center, area) = match sorted {
            None => (Position { longitude: 0.0, latitude: 0.0 }, SearchArea::EMPTY),
            Some(sorted) => (member_place(sorted, member)?, circle(radius, name)?),
        };
        GeoQuery::new(center, area, Options::of_radius(options, may_store)?)
    })
}

/// Runs a search. `parse` gets the name by which the client called it, and the set. `event` is the
/// notification if it stores the result.
fn search<'a>(
    context: &mut Context<'_>,
    key: &[u8],
    event: &'static str,
    parse: impl FnOnce(&[u8], Option<&SortedSet>) -> Result<GeoQuery<'a>, Failure>,
) -> Answer {
    let coordinates = Coordinates::of(context);
    let name = context.called.first().cloned().unwrap_or_default();
    let sorted = read(context, key)?;
    let query = parse(&name, sorted)?;
    let found = sorted.map(|sorted| query.run(sorted)).unwrap_or_default();
    let Some(target) = query.options.target else {
        return Ok(Reply::Array(found.into_iter().map(|found| query.reply(found, coordinates)).collect()));
    };
    let score = |found: &Found| if query.options.stores_distance { found.distance } else { found.score };
    let found: SortedSet = found.into_iter().map(|found| (found.member.clone(), score(&found))).collect();
    store(context, target, event, found)
}

/// Where a search looks.
struct SearchArea {
    shape: Shape,
    /// The length of the unit in meters.
    meters: f64,
}

impl SearchArea {
    const EMPTY: Self = Self { shape: Shape::Circle { radius: 0.0 }, meters: 1.0 };
}

/// The options that all searches have.
#[derive(Default)]
struct Options<'a> {
    order: Option<Step>,
    /// The greatest number of results, if it is not 0.
    count: usize,
    is_any_enough: bool,
    has_distance: bool,
    has_hash: bool,
    has_coordinates: bool,
    /// The key to store the result at.
    target: Option<&'a Bytes>,
    stores_distance: bool,
}

impl<'a> Options<'a> {
    /// Reads one option, whose values are the next arguments. Returns the rest of these.
    fn read(&mut self, word: &[u8], after: &'a [Bytes]) -> Result<&'a [Bytes], Failure> {
        match (word, after) {
            (b"WITHDIST", _) => self.has_distance = true,
            (b"WITHHASH", _) => self.has_hash = true,
            (b"WITHCOORD", _) => self.has_coordinates = true,
            (b"ANY", _) => self.is_any_enough = true,
            (b"ASC", _) => self.order = Some(Step::Up),
            (b"DESC", _) => self.order = Some(Step::Down),
            (b"COUNT", [number, after @ ..]) => {
                self.count = usize::try_from(integer(number)?).unwrap_or(0);
                if self.count == 0 {
                    return Err(Failure::new("ERR COUNT must be > 0"));
                }
                return Ok(after);
            }
            _ => return Err(Failure::SYNTAX),
        }
        Ok(after)
    }

    /// Reads the options of GEORADIUS.
    fn of_radius(arguments: &'a [Bytes], may_store: bool) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut rest = arguments;
        while let Some((word, after)) = rest.split_first() {
            rest = match (option(word).as_slice(), after) {
                (word @ (b"STORE" | b"STOREDIST"), [target, after @ ..]) if may_store => {
                    options.target = Some(target);
                    options.stores_distance = word == b"STOREDIST";
                    after
                }
                (word, after) => options.read(word, after)?,
            };
        }
        options.check_stored("STORE option in GEORADIUS")?;
        Ok(options)
    }

    /// Fails if the result is stored with details.
    fn check_stored(&self, name: &str) -> Result<(), Failure> {
        let has_details = self.has_distance || self.has_hash || self.has_coordinates;
        if self.target.is_none() || !has_details {
            return Ok(());
        }
        Err(Failure::text(format!(
            "ERR {name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
        )))
    }
}

/// A search.
struct GeoQuery<'a> {
    center: Position,
    area: SearchArea,
    options: Options<'a>,
}

/// A result. The distance is in the unit of the search.
struct Found {
    member: Bytes,
    score: f64,
    position: Position,
    distance: f64,
}

impl<'a> GeoQuery<'a> {
    fn new(center: Position, area: SearchArea, mut options: Options<'a>) -> Result<Self, Failure> {
        if options.is_any_enough && options.count == 0 {
            return Err(Failure::new("ERR the ANY argument requires COUNT argument"));
        }
        if options.count > 0 && !options.is_any_enough {
            options.order = options.order.or(Some(Step::Up)); // the nearest ones
        }
        Ok(Self { center, area, options })
    }

    /// Parses the arguments of GEOSEARCH. `sorted` is the set that is searched, and errors quote
    /// `name`.
    fn parse(
        arguments: &'a [Bytes],
        sorted: Option<&SortedSet>,
        name: &[u8],
        target: Option<&'a Bytes>,
    ) -> Result<Self, Failure> {
        let (mut center, mut from_member) = (None, false);
        let mut area: Option<SearchArea> = None;
        let mut options = Options { target, ..Options::default() };
        let mut rest = arguments;
        while let Some((word, after)) = rest.split_first() {
            let shape = area.as_ref().map(|area| &area.shape);
            let is_circle = matches!(shape, Some(Shape::Circle { .. }));
            let is_polygon = matches!(shape, Some(Shape::Polygon { .. }));
            rest = match (option(word).as_slice(), after) {
                (b"STOREDIST", _) if target.is_some() => {
                    options.stores_distance = true;
                    after
                }
                (b"FROMMEMBER", [member, after @ ..]) if !is_polygon && (center.is_none() || from_member) => {
                    from_member = true;
                    // If the key does not exist, the rest of the options is checked nevertheless.
                    center = match sorted {
                        None => Position::new(0.0, 0.0),
                        Some(sorted) => Some(member_place(sorted, member)?),
                    };
                    after
                }
                (b"FROMLONLAT", [longitude, latitude, after @ ..]) if !is_polygon && !from_member => {
                    center = Some(position(longitude, latitude)?);
                    after
                }
                (b"BYRADIUS", [radius, name, after @ ..]) if shape.is_none() || is_circle => {
                    area = Some(circle(radius, name)?);
                    after
                }
                (b"BYBOX", [width, height, name, after @ ..]) if !is_circle && !is_polygon => {
                    area = Some(rectangle(width, height, name)?);
                    after
                }
                // An option of Valkey 9.0. The corners decide where the center is.
                (b"BYPOLYGON", [count, after @ ..])
                    if is_polygon || (shape.is_none() && center.is_none()) =>
                {
                    let (corners, after) = polygon(count, after)?;
                    area = Some(SearchArea { shape: Shape::Polygon { corners }, meters: 1.0 });
                    after
                }
                (word, after) => options.read(word, after)?,
            };
        }
        options.check_stored("GEOSEARCHSTORE")?;
        if let Some(SearchArea { shape: Shape::Polygon { corners }, .. }) = &area {
            center = Some(center_of(corners));
        }
        let center = center.ok_or_else(|| {
            Failure::quoting("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ", name, "")
        })?;
        let area = area.ok_or_else(|| {
            Failure::quoting("ERR exactly one of BYRADIUS and BYBOX can be specified for ", name, "")
        })?;
        Self::new(center, area, options)
    }

    fn run(&self, sorted: &SortedSet) -> Vec<Found> {
        let ranges = self.area.shape.score_ranges(self.center).into_iter();
        let members = ranges.flat_map(|[start, end]| {
            let range = ScoreRange { min: Bound::Included(start), max: Bound::Excluded(end) };
            sorted.ranks(sorted.ranks_by_score(&range), Step::Up)
        });
        let found = members.filter_map(|(member, score)| {
            let position = Position::from_score(score);
            let distance = self.area.shape.distance_within(self.center, position)?;
            Some(Found { member: member.clone(), score, position, distance: distance / self.area.meters })
        });
        let count = if self.options.count == 0 { usize::MAX } else { self.options.count };
        let mut found: Vec<Found> =
            found.take(if self.options.is_any_enough { count } else { usize::MAX }).collect();
        if let Some(order) = self.options.order {
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
        if !(self.options.has_distance || self.options.has_hash || self.options.has_coordinates) {
            return member;
        }
        let mut parts = vec![member];
        if self.options.has_distance {
            parts.push(distance(found.distance));
        }
        if self.options.has_hash {
            parts.push(Reply::Integer(to_i64(found.score)));
        }
        if self.options.has_coordinates {
            parts.push(coordinates.reply(found.position));
        }
        Reply::Array(parts)
    }
}

/// Returns the place of a member that must exist.
fn member_place(sorted: &SortedSet, member: &[u8]) -> Result<Position, Failure> {
    place(sorted, member).ok_or(Failure::new("ERR could not decode requested zset member"))
}

fn circle(radius: &[u8], name: &[u8]) -> Result<SearchArea, Failure> {
    let radius = length(radius, "ERR need numeric radius")?;
    if radius < 0.0 {
        return Err(Failure::new("ERR radius cannot be negative"));
    }
    let meters = unit(name)?;
    Ok(SearchArea { shape: Shape::Circle { radius: radius * meters }, meters })
}

fn rectangle(width: &[u8], height: &[u8], name: &[u8]) -> Result<SearchArea, Failure> {
    let width = length(width, "ERR need numeric width")?;
    let height = length(height, "ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return Err(Failure::new("ERR height or width cannot be negative"));
    }
    let meters = unit(name)?;
    let (width, height) = (width * meters, height * meters);
    Ok(SearchArea { shape: Shape::Rectangle { width, height }, meters })
}

/// Reads as many corners as `count` says. Returns them and the rest of the arguments.
fn polygon<'a>(count: &[u8], arguments: &'a [Bytes]) -> Result<(Vec<Position>, &'a [Bytes]), Failure> {
    let count = integer(count).ok().and_then(|count| i32::try_from(count).ok());
    let count = count.ok_or(Failure::new("ERR invalid number of vertices"))?;
    let few = Failure::new("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
    let count = usize::try_from(count).ok().filter(|count| *count >= 3);
    let Some((corners, rest)) = count.and_then(|count| arguments.split_at_checked(count * 2)) else {
        return Err(few);
    };
    let (corners, _) = corners.as_chunks::<2>();
    let corners = corners.iter().map(|[longitude, latitude]| position(longitude, latitude));
    Ok((corners.collect::<Result<_, _>>()?, rest))
}

fn length(argument: &[u8], error: &'static str) -> Result<f64, Failure> {
    float(argument).map_err(|_| Failure::new(error))
}
