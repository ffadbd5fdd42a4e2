//! The operations of kinds that hold several elements.

mod base;
mod bit_field;
mod bit_op;
mod bit_range;
mod bitmap;
mod docs;
mod geo;
mod geo_area;
mod geo_search;
mod hash;
mod hyper_log_log;
mod list;
mod lists;
mod pop;
mod positions;
mod scores;
mod set;
mod sorted_set;
mod sorted_sets;
mod store;

pub use bit_field::{BitField, BitOffset, BitWidth, I, Overflow, U};
pub use bit_op::BitOp;
pub use geo_search::{
    GeoAdd, GeoDetail, GeoDistances, GeoDistancesAndPositions, GeoMembers, GeoPositions, GeoSearch,
};
pub use lists::{Inserted, LPos, LRem, ListEnd};
pub use pop::{BlockingPop, Pop};
pub use sorted_sets::{ZAdd, ZIncrBy, ZRange, ZRank};
