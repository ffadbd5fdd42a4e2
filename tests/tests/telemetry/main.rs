//! Metrics, spans and events, and that they contain no secret.

mod metrics_and_spans;
mod planted_secrets;
mod secrets;
mod slow_and_large;
mod topologies;
