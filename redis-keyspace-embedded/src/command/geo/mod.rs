//! Positions on the earth. They are the scores of a sorted set.

// The commands by subject. Each module has a table of its commands.
pub(super) mod places;
pub(super) mod search;

use bytes::Bytes;

use super::arguments::{float, option};
use super::context::Context;
use crate::geohash::Position;
use crate::reply::{Failure, Reply};
use crate::resp::{Protocol, encoded};

/// Parses a unit of length. Returns its length in meters.
fn unit(argument: &[u8]) -> Result<f64, Failure> {
    match option(argument).as_slice() {
        b"M" => Ok(1.0),
        b"KM" => Ok(1000.0),
        b"FT" => Ok(0.3048),
        b"MI" => Ok(1609.34),
        _ => Err(Failure::new("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position, Failure> {
    let (longitude, latitude) = (float(longitude)?, float(latitude)?);
    Position::new(longitude, latitude).ok_or_else(|| {
        Failure::text(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"))
    })
}

/// Prints a distance. It is a string under RESP3, too.
fn distance(distance: f64) -> Reply {
    Reply::bulk(format!("{distance:.4}"))
}

/// How the client receives coordinates.
#[derive(Clone, Copy)]
enum Coordinates {
    Text,
    /// Numbers of RESP3. Other numbers are printed with fewer digits.
    Encoded,
}

impl Coordinates {
    fn of(context: &Context<'_>) -> Self {
        match context.protocol() {
            Protocol::Resp2 => Self::Text,
            Protocol::Resp3 => Self::Encoded,
        }
    }

    fn reply(self, position: Position) -> Reply {
        let number = |number: f64| {
            let text = || {
                let text = format!("{number:.17}");
                let text = text.trim_end_matches('0').trim_end_matches('.');
                if text == "-0" { "0".to_owned() } else { text.to_owned() }
            };
            match self {
                Self::Text => Reply::bulk(text()),
                Self::Encoded => encoded(Bytes::from(format!(",{}\r\n", text()))),
            }
        };
        Reply::Array(vec![number(position.longitude), number(position.latitude)])
    }
}
