//! Positions and areas as the server takes them.

use super::{base, scores};
use crate::error::{Error, Result};
use crate::kind::geo::{By, From, Position};
use crate::kind::{Geo, SingleValue};
use crate::protocol::{Args, MOST_IN_SCRIPT, Reply, read};
use crate::schema::{Key, Keyspace};

/// The unit of all lengths. Servers before 7.0 know it only in lower case.
pub(super) const METERS: &[u8] = b"m";

/// Adds a position as two arguments.
pub(super) fn push_position(position: Position, args: &mut Args) {
    args.push(position.longitude().to_string().as_bytes());
    args.push(position.latitude().to_string().as_bytes());
}

/// Encodes the center and the area of a search.
pub(super) fn area<S: Keyspace, T: SingleValue>(
    key: &Key<S, Geo<T>>,
    from: From<'_, T::Borrowed>,
    by: By,
) -> Result<Args> {
    let mut args = Args::default();
    match from {
        From::Member(member) => {
            args.push(b"FROMMEMBER");
            base::push::<S, _, T>(key, member, &mut args)?;
        }
        From::Position(position) => {
            args.push(b"FROMLONLAT");
            push_position(position, &mut args);
        }
    }
    match by.check()? {
        By::Radius(radius) => {
            args.push(b"BYRADIUS");
            args.push(radius.as_m().to_string().as_bytes());
        }
        By::Rect { width, height } => {
            args.push(b"BYBOX");
            args.push(width.as_m().to_string().as_bytes());
            args.push(height.as_m().to_string().as_bytes());
        }
    }
    args.push(METERS);
    Ok(args)
}

/// Encodes the area of a search within a polygon.
pub(super) fn polygon(corners: &[Position]) -> Result<Args> {
    let most = MOST_IN_SCRIPT / 4;
    if !(3..=most).contains(&corners.len()) {
        return Err(Error::invalid_input(format!(
            "a polygon has at least 3 corners, and at most {most} can be sent, but there are {}",
            corners.len()
        )));
    }
    let mut args = Args::default();
    args.push(b"BYPOLYGON");
    args.push_int(corners.len());
    corners.iter().for_each(|corner| push_position(*corner, &mut args));
    Ok(args)
}

/// Decodes a position that may be missing: two numbers in RESP3, two texts in RESP2.
pub(super) fn position(reply: Reply) -> Result<Option<Position>> {
    let parts = match read::checked(reply)? {
        Reply::Nil => return Ok(None),
        reply => base::list(reply)?,
    };
    match <[Reply; 2]>::try_from(parts) {
        Ok([longitude, latitude]) => {
            let (longitude, latitude) = (scores::decode(longitude)?, scores::decode(latitude)?);
            Ok(Some(Position::read(longitude, latitude)))
        }
        Err(_) => Err(base::unexpected("a longitude and a latitude were expected")),
    }
}
