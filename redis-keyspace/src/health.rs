//! The answer of a health check: see [`Redis::health`](crate::Redis::health).

pub use crate::client::{Health, HealthCheck, ServerRole};
