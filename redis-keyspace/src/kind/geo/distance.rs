//! Distances.

use std::fmt;

/// A distance, in meters inside.
///
/// ```
/// use redis_keyspace::geo::Distance;
///
/// assert_eq!(Distance::km(1.5).as_m(), 1500.0);
/// assert!(Distance::mi(1.0) > Distance::km(1.0));
/// assert_eq!(Distance::ft(1000.0).to_string(), "304.8 m");
/// ```
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Distance(f64);

const KILOMETER: f64 = 1000.0;
const MILE: f64 = 1609.344;
const FOOT: f64 = 0.3048;

impl Distance {
    /// Creates a distance of meters.
    #[must_use]
    pub const fn m(meters: f64) -> Self {
        Self(meters)
    }

    /// Creates a distance of kilometers.
    #[must_use]
    pub const fn km(kilometers: f64) -> Self {
        Self(kilometers * KILOMETER)
    }

    /// Creates a distance of international miles of 1609.344 meters.
    #[must_use]
    pub const fn mi(miles: f64) -> Self {
        Self(miles * MILE)
    }

    /// Creates a distance of feet of 0.3048 meters.
    #[must_use]
    pub const fn ft(feet: f64) -> Self {
        Self(feet * FOOT)
    }

    /// Returns the distance in meters.
    #[must_use]
    pub const fn as_m(self) -> f64 {
        self.0
    }

    /// Returns the distance in kilometers.
    #[must_use]
    pub const fn as_km(self) -> f64 {
        self.0 / KILOMETER
    }

    /// Returns the distance in international miles.
    #[must_use]
    pub const fn as_mi(self) -> f64 {
        self.0 / MILE
    }

    /// Returns the distance in feet.
    #[must_use]
    pub const fn as_ft(self) -> f64 {
        self.0 / FOOT
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)?;
        f.write_str(" m")
    }
}

impl fmt::Debug for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
