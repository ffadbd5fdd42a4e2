//! Positions on the earth as scores of a sorted set.
//!
//! A score interleaves 26 bits of the latitude and of the longitude. So a range of scores is a
//! rectangle, and the size of the rectangle is a power of two.

use crate::number::to_i64;

const MAX_LONGITUDE: f64 = 180.0;
const MAX_LATITUDE: f64 = 85.05112878;
const EARTH_RADIUS: f64 = 6_372_797.560856;
/// Half of the equator in the projection of the map, in meters.
const MERCATOR_MAX: f64 = 20_037_726.37;
/// The number of bits of each coordinate in a score.
const SCORE_STEP: u32 = 26;

/// A position in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Position {
    pub(crate) longitude: f64,
    pub(crate) latitude: f64,
}

impl Position {
    /// Returns the position, or `None` if a coordinate is out of range.
    pub(crate) fn new(longitude: f64, latitude: f64) -> Option<Self> {
        let is_valid = longitude.abs() <= MAX_LONGITUDE && latitude.abs() <= MAX_LATITUDE;
        is_valid.then_some(Self { longitude, latitude })
    }

    pub(crate) fn to_score(self) -> f64 {
        Cell::around(self, SCORE_STEP, MAX_LATITUDE).bits as f64
    }

    pub(crate) fn from_score(score: f64) -> Self {
        let area = Cell { bits: to_bits(score), step: SCORE_STEP }.area();
        let [longitude, latitude] = [(area.longitude, MAX_LONGITUDE), (area.latitude, MAX_LATITUDE)]
            .map(|([min, max], limit)| ((min + max) / 2.0).clamp(-limit, limit));
        Self { longitude, latitude }
    }

    /// Returns the standard geohash, with 11 characters.
    pub(crate) fn to_text(self) -> String {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        // The range of latitudes differs from that of scores.
        let bits = Cell::around(self, SCORE_STEP, 90.0).bits;
        // 52 bits are 10 characters and a part of the 11th, which is 0.
        let places = (0..10).map(|place| (bits >> (47 - place * 5)) & 0x1f).chain([0]);
        let letters = places.filter_map(|place| ALPHABET.get(usize::try_from(place).ok()?));
        letters.map(|&letter| char::from(letter)).collect()
    }

    /// Returns the distance in meters on a sphere.
    pub(crate) fn distance(self, other: Self) -> f64 {
        let [from, to] = [self, other].map(|position| position.longitude.to_radians());
        let v = ((to - from) / 2.0).sin();
        if v == 0.0 {
            return self.latitude_distance(other);
        }
        let [from, to] = [self, other].map(|position| position.latitude.to_radians());
        let u = ((to - from) / 2.0).sin();
        let a = u * u + from.cos() * to.cos() * v * v;
        2.0 * EARTH_RADIUS * a.sqrt().asin()
    }

    fn latitude_distance(self, other: Self) -> f64 {
        let [from, to] = [self, other].map(|position| position.latitude.to_radians());
        EARTH_RADIUS * (to - from).abs()
    }
}

const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

/// Converts a score like C on x86-64, also if it is not that of a position.
fn to_bits(score: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    let convert = |number: f64| to_i64(number).cast_unsigned();
    match score {
        score if score < HALF => convert(score),
        score if score - HALF < HALF => convert(score - HALF) ^ (1 << 63),
        _ => 0,
    }
}

/// A rectangle of the grid that has `2^step` columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    /// The bits of the column at odd places, and those of the row at even places.
    bits: u64,
    step: u32,
}

/// The edges of a cell in degrees.
struct Area {
    longitude: [f64; 2],
    latitude: [f64; 2],
}

const ROWS: u64 = 0x5555_5555_5555_5555;
const COLUMNS: u64 = 0xAAAA_AAAA_AAAA_AAAA;

impl Cell {
    /// Returns the cell that contains the position.
    fn around(position: Position, step: u32, max_latitude: f64) -> Self {
        let index = |value: f64, limit: f64| {
            let offset = (value + limit) / (limit + limit);
            to_i64(offset * (1_u64 << step) as f64).cast_unsigned()
        };
        let row = index(position.latitude, max_latitude);
        let column = index(position.longitude, MAX_LONGITUDE);
        Self { bits: spread(row) | (spread(column) << 1), step }
    }

    fn area(self) -> Area {
        let edges = |index: u64, limit: f64| {
            let edge = |index: u64| -limit + (index as f64 / (1_u64 << self.step) as f64) * (limit + limit);
            [edge(index), edge(index + 1)]
        };
        Area {
            longitude: edges(gather(self.bits >> 1), MAX_LONGITUDE),
            latitude: edges(gather(self.bits), MAX_LATITUDE),
        }
    }

    /// Returns the cell some columns to the east and rows to the north. The grid wraps around.
    fn neighbor(self, east: i8, north: i8) -> Self {
        let used = |places: u64| places >> (64 - self.step * 2);
        let moved = |own: u64, other: u64, by: i8| {
            let bits = self.bits & own;
            let gap = used(other);
            let bits = match by {
                0 => bits,
                1.. => bits.wrapping_add(gap + 1),
                _ => (bits | gap).wrapping_sub(gap + 1),
            };
            if by == 0 { bits } else { bits & used(own) }
        };
        Self { bits: moved(COLUMNS, ROWS, east) | moved(ROWS, COLUMNS, north), step: self.step }
    }

    /// Returns the scores in the cell: from the first to below the second.
    fn scores(self) -> [f64; 2] {
        let shift = 52 - self.step * 2;
        [self.bits, self.bits + 1].map(|bits| (bits << shift) as f64)
    }
}

/// Moves the lowest 32 bits to the even places.
fn spread(index: u64) -> u64 {
    (0..32).fold(0, |bits, place| bits | (((index >> place) & 1) << (place * 2)))
}

/// Moves the bits at even places together.
fn gather(bits: u64) -> u64 {
    (0..32).fold(0, |index, place| index | (((bits >> (place * 2)) & 1) << place))
}

/// The area of a search. Lengths are in meters.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Circle {
        radius: f64,
    },
    Rectangle {
        width: f64,
        height: f64,
    },
    /// The corners in order. The last one is connected with the first one.
    Polygon {
        corners: Vec<Position>,
    },
}

impl Shape {
    /// Returns the distance of a position from the center, or `None` if it is outside.
    pub(crate) fn distance_within(&self, center: Position, position: Position) -> Option<f64> {
        match self {
            Self::Circle { radius } => Some(center.distance(position)).filter(|distance| distance <= radius),
            Self::Rectangle { width, height } => {
                let same_row = Position { longitude: center.longitude, ..position };
                let is_inside = position.latitude_distance(center) <= height / 2.0
                    && position.distance(same_row) <= width / 2.0;
                is_inside.then(|| center.distance(position))
            }
            Self::Polygon { corners } => is_in_polygon(corners, position).then(|| center.distance(position)),
        }
    }

    /// Returns ranges of scores that cover the shape, each from the first to below the second. The
    /// order is that of a real server, because it decides the order of unsorted results.
    pub(crate) fn score_ranges(&self, center: Position) -> Vec<[f64; 2]> {
        let (mut step, bounds) = match self {
            Self::Circle { radius } => (step(*radius, center), Bounds::around(center, *radius, *radius)),
            Self::Rectangle { width, height } => {
                let (width, height) = (width / 2.0, height / 2.0);
                let radius = (width * width + height * height).sqrt();
                (step(radius, center), Bounds::around(center, width, height))
            }
            // All of them: an edge can be farther from the center than the corners.
            Self::Polygon { .. } => return vec![[0.0, (1_u64 << (2 * SCORE_STEP)) as f64]],
        };
        let cell = |step| Cell::around(center, step, MAX_LATITUDE);
        if step > 1 && !bounds.are_within_neighbors(cell(step)) {
            step -= 1;
        }
        let cell = cell(step);
        let area = cell.area();
        // Cells on these sides can have no position in the bounds.
        let excluded = |east: i8, north: i8| {
            step >= 2
                && ((north < 0 && area.latitude[0] < bounds.latitude[0])
                    || (north > 0 && area.latitude[1] > bounds.latitude[1])
                    || (east < 0 && area.longitude[0] < bounds.longitude[0])
                    || (east > 0 && area.longitude[1] > bounds.longitude[1]))
        };
        const ORDER: [(i8, i8); 9] =
            [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let mut cells: Vec<Cell> = Vec::new();
        for (east, north) in ORDER {
            let next = cell.neighbor(east, north);
            // Large cells are their own neighbors.
            if !excluded(east, north) && cells.last() != Some(&next) {
                cells.push(next);
            }
        }
        cells.into_iter().map(Cell::scores).collect()
    }
}

/// Whether a line from the position to the east crosses the edges an odd number of times. Edges are
/// straight lines on the map.
fn is_in_polygon(corners: &[Position], position: Position) -> bool {
    let Position { longitude, latitude } = position;
    let starts = corners.iter().cycle().skip(corners.len().saturating_sub(1));
    let crossed = corners.iter().zip(starts).filter(|(end, start)| {
        let is_between = (end.latitude > latitude) != (start.latitude > latitude);
        let part = (latitude - end.latitude) / (start.latitude - end.latitude);
        is_between && longitude < (start.longitude - end.longitude) * part + end.longitude
    });
    crossed.count() % 2 == 1
}

/// Returns the center of positions on the sphere.
pub(crate) fn center_of(positions: &[Position]) -> Position {
    let sums = positions.iter().fold([0.0; 3], |[x, y, z], position| {
        let (longitude, latitude) = (position.longitude.to_radians(), position.latitude.to_radians());
        let plane = latitude.cos();
        [x + plane * longitude.cos(), y + plane * longitude.sin(), z + latitude.sin()]
    });
    let [x, y, z] = sums.map(|sum| sum / positions.len() as f64);
    let longitude = y.atan2(x).to_degrees();
    let latitude = z.atan2((x * x + y * y).sqrt()).to_degrees();
    Position { longitude, latitude }
}

/// Returns a step at which a cell and its neighbors mostly cover a circle.
fn step(mut radius: f64, center: Position) -> u32 {
    if radius == 0.0 {
        return SCORE_STEP;
    }
    let mut step = 1_u32;
    while radius < MERCATOR_MAX {
        radius *= 2.0;
        step += 1;
    }
    let latitude = center.latitude.abs();
    // Cells are narrower near the poles.
    let surplus = 2 + u32::from(latitude > 66.0) + u32::from(latitude > 80.0);
    step.saturating_sub(surplus).clamp(1, SCORE_STEP)
}

/// The rectangle around a shape.
struct Bounds {
    longitude: [f64; 2],
    latitude: [f64; 2],
}

impl Bounds {
    /// Returns the bounds of a rectangle. The lengths are those from its center to its edges.
    fn around(center: Position, width: f64, height: f64) -> Self {
        // `to_degrees` multiplies, and rounds differently.
        let by_latitude = height / EARTH_RADIUS / RADIANS_PER_DEGREE;
        let by_longitude =
            |latitude: f64| width / EARTH_RADIUS / latitude.to_radians().cos() / RADIANS_PER_DEGREE;
        let Position { longitude, latitude } = center;
        // The edge that is nearer to a pole.
        let edge = if latitude < 0.0 { latitude - by_latitude } else { latitude + by_latitude };
        let by_longitude = by_longitude(edge);
        Self {
            longitude: [longitude - by_longitude, longitude + by_longitude],
            latitude: [latitude - by_latitude, latitude + by_latitude],
        }
    }

    fn are_within_neighbors(&self, cell: Cell) -> bool {
        let [north, south, east, west] =
            [(0, 1), (0, -1), (1, 0), (-1, 0)].map(|(east, north)| cell.neighbor(east, north).area());
        north.latitude[1] >= self.latitude[1]
            && south.latitude[0] <= self.latitude[0]
            && east.longitude[1] >= self.longitude[1]
            && west.longitude[0] <= self.longitude[0]
    }
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn a_position_survives_as_a_score() {
        let palermo = Position::new(13.361389, 38.115556).unwrap();
        let score = palermo.to_score();
        assert_eq!(score, 3_479_099_956_230_698.0);
        assert!(Position::from_score(score).distance(palermo) < 1.0);
        assert_eq!(Position::from_score(score).to_text(), "sqc8b49rny0");
        assert_eq!(Position::new(180.1, 0.0), None);
        assert_eq!(Position::new(0.0, -85.1), None);
    }
}
