//! Positions on the earth, distances, and areas to search; see [`Geo`](super::Geo).

mod distance;
mod position;
mod search;

pub use distance::Distance;
pub use position::Position;
pub use search::{By, From};
