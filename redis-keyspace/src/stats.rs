//! What the pools of a handle are doing: see [`Redis::stats`](crate::Redis::stats).

pub use crate::client::{ClosedConnections, FillStats, PoolStats, PoolStatus, Stats};
pub use crate::connect::BreakerState;
