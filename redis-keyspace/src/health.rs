//! The result of a health check. See [`Redis::health`](crate::Redis::health).

pub use crate::client::{Health, HealthCheck, NodeHealth, ServerRole};
