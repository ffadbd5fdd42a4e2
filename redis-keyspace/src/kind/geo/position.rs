//! Positions on the earth.

use crate::error::{Error, Result};

/// A position on the earth: longitude and latitude in degrees.
///
/// The server stores a position in 52 bits. One that is read can differ from the one that was
/// written by up to 0.6 meters.
///
/// ```
/// use redis_keyspace::geo::Position;
///
/// let palermo = Position::new(13.361389, 38.115556)?;
/// assert_eq!(palermo.latitude(), 38.115556);
/// assert!(Position::new(0.0, 90.0).is_err(), "too close to the pole");
/// # Ok::<(), redis_keyspace::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    longitude: f64,
    latitude: f64,
}

impl Position {
    /// The greatest longitude, east and west.
    pub const MAX_LONGITUDE: f64 = 180.0;
    /// The greatest latitude, north and south. The projection of the server ends there.
    pub const MAX_LATITUDE: f64 = 85.051_128_78;

    /// Creates a position. The longitude comes first, as in the commands of the server.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the longitude is not within ±180
    /// degrees, if the latitude is not within ±85.05112878 degrees, or if one of them is NaN.
    pub fn new(longitude: f64, latitude: f64) -> Result<Self> {
        let check = |name: &str, degrees: f64, most: f64| {
            if degrees.abs() <= most {
                return Ok(());
            }
            Err(Error::invalid_input(format!(
                "the {name} {degrees} is not from -{most} to {most}; a position has the longitude first, then the \
                 latitude"
            )))
        };
        check("longitude", longitude, Self::MAX_LONGITUDE)?;
        check("latitude", latitude, Self::MAX_LATITUDE)?;
        Ok(Self { longitude, latitude })
    }

    /// Creates a position that the server returned.
    pub(crate) fn read(longitude: f64, latitude: f64) -> Self {
        Self { longitude, latitude }
    }

    /// Returns the longitude in degrees: east is positive.
    #[must_use]
    pub const fn longitude(self) -> f64 {
        self.longitude
    }

    /// Returns the latitude in degrees: north is positive.
    #[must_use]
    pub const fn latitude(self) -> f64 {
        self.latitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_that_the_server_can_not_store_are_rejected() {
        for (longitude, latitude) in [(180.0, 85.051_128_78), (-180.0, -85.051_128_78), (0.0, -0.0)] {
            Position::new(longitude, latitude).unwrap();
        }
        for (longitude, latitude, name) in [
            (180.000_001, 0.0, "longitude 180.000001"),
            (0.0, 85.051_128_79, "latitude 85.05112879"),
            (f64::NAN, 0.0, "longitude NaN"),
            (0.0, f64::NEG_INFINITY, "latitude -inf"),
        ] {
            let error = Position::new(longitude, latitude).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
