//! Spans and durations of commands. They compile to nothing without the features `tracing` and
//! `metrics`.
//!
//! [`crate::telemetry`] lists the names.

use super::binding::Binding;
use super::subject::Subject;
#[cfg(feature = "tracing")]
use crate::config::Endpoint;
use crate::error::Error;

/// A command, or several commands in one round trip, that are observed.
#[derive(Debug)]
pub(crate) struct Observed {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    #[cfg(feature = "metrics")]
    started: std::time::Instant,
}

impl Observed {
    /// Starts observing a command.
    #[inline]
    #[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "for the span only"))]
    pub(crate) fn command(subject: &Subject) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: span(subject),
            #[cfg(feature = "metrics")]
            started: std::time::Instant::now(),
        }
    }

    /// Starts observing `size` commands together.
    #[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "for the span only"))]
    pub(crate) fn batch(name: &'static str, size: usize) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: tracing::debug_span!(
                target: "redis_keyspace",
                "redis_keyspace.batch",
                "otel.name" = name,
                "otel.kind" = "client",
                "db.system.name" = "redis",
                "db.operation.name" = name,
                "db.operation.batch.size" = size,
                "db.namespace" = tracing::field::Empty,
                "server.address" = tracing::field::Empty,
                "server.port" = tracing::field::Empty,
                "otel.status_code" = tracing::field::Empty,
                "error.type" = tracing::field::Empty,
                "db.response.status_code" = tracing::field::Empty,
            ),
            #[cfg(feature = "metrics")]
            started: std::time::Instant::now(),
        }
    }

    /// Records the server.
    #[inline]
    #[cfg_attr(
        not(feature = "tracing"),
        allow(unused_variables, clippy::unused_self, reason = "for the span only")
    )]
    pub(crate) fn to(&self, binding: &Binding) {
        #[cfg(feature = "tracing")]
        if !self.span.is_disabled() {
            let settings = &binding.pool().settings;
            match &settings.endpoint {
                Endpoint::Tcp { host, port } => {
                    self.span.record("server.address", host);
                    self.span.record("server.port", port);
                }
                endpoint => {
                    self.span.record("server.address", tracing::field::display(endpoint));
                }
            }
            self.span.record("db.namespace", tracing::field::display(settings.db));
        }
    }

    /// Records the outcome of a command.
    #[inline]
    #[cfg_attr(
        not(all(feature = "tracing", feature = "metrics")),
        allow(unused_variables, clippy::unused_self, reason = "for spans and metrics only")
    )]
    pub(crate) fn outcome(&self, subject: &Subject, error: Option<&Error>) {
        #[cfg(feature = "tracing")]
        if let Some(error) = error
            && !self.span.is_disabled()
        {
            self.span.record("otel.status_code", "ERROR");
            self.span.record("error.type", error.kind().label());
            if let Some(code) = error.code() {
                self.span.record("db.response.status_code", code);
            }
        }
        #[cfg(feature = "metrics")]
        metrics::histogram!(
            "redis_keyspace_command_duration_seconds",
            "keyspace" => subject.keyspace.map_or("", |keyspace| keyspace.name()),
            "template" => subject.template.map_or("", |template| template.template()),
            "command" => subject.command,
            "outcome" => error.map_or("ok", |error| error.kind().label()),
        )
        .record(self.started.elapsed().as_secs_f64());
    }
}

#[cfg(feature = "tracing")]
fn span(subject: &Subject) -> tracing::Span {
    use tracing::field::Empty;

    let span = tracing::debug_span!(
        target: "redis_keyspace",
        "redis_keyspace.command",
        "otel.name" = Empty,
        "otel.kind" = "client",
        "db.system.name" = "redis",
        "db.operation.name" = subject.command,
        "db.namespace" = Empty,
        "server.address" = Empty,
        "server.port" = Empty,
        "otel.status_code" = Empty,
        "error.type" = Empty,
        "db.response.status_code" = Empty,
        "redis_keyspace.keyspace" = Empty,
        "redis_keyspace.template" = Empty,
    );
    if span.is_disabled() {
        return span;
    }
    if let Some(keyspace) = subject.keyspace {
        span.record("redis_keyspace.keyspace", keyspace.name());
    }
    match subject.template {
        Some(template) => {
            span.record("redis_keyspace.template", template.template());
            span.record("otel.name", format!("{} {}", subject.command, template.template()));
        }
        None => {
            span.record("otel.name", subject.command);
        }
    }
    span
}
