//! What is told of: metrics, spans and events, and that no secret is in them.

mod metrics_and_spans;
mod planted_secrets;
mod secrets;
