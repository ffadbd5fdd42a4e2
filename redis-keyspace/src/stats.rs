//! Statistics of a handle and its pools. See [`Redis::stats`](crate::Redis::stats).

pub use crate::client::{
    ClosedConnections, FillStats, NodeStats, PoolStats, PoolStatus, ReplicaStats, SentinelStats, Stats,
};
pub use crate::connect::BreakerState;
