//! Spans and durations of commands. They compile to nothing without the features `tracing` and
//! `metrics`.
//!
//! [`crate::telemetry`] lists the names.

#[cfg(any(feature = "tracing", feature = "metrics"))]
use std::sync::OnceLock;
#[cfg(any(feature = "tracing", feature = "metrics"))]
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(any(feature = "tracing", feature = "metrics"))]
use std::time::{Duration, Instant};

use super::binding::Binding;
use super::subject::Subject;
#[cfg(feature = "tracing")]
use crate::config::Endpoint;
use crate::error::Error;
use crate::protocol::{Reply, Request};

/// A command, or several commands in one round trip, that are observed.
#[derive(Debug)]
pub(crate) struct Observed {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    #[cfg(feature = "metrics")]
    started: Instant,
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    limits: Limits,
}

/// What is logged, as set on the handle.
#[cfg(any(feature = "tracing", feature = "metrics"))]
#[derive(Debug, Default)]
struct Limits {
    /// When the command started, and after how long it is slow. Without the option, the clock is
    /// not read.
    slow: OnceLock<(Instant, Duration)>,
    /// 0 means that no value is large.
    large: AtomicUsize,
    /// The time of a batch is logged once, not for each of its commands.
    is_batch: bool,
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
            started: Instant::now(),
            #[cfg(any(feature = "tracing", feature = "metrics"))]
            limits: Limits::default(),
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
            started: Instant::now(),
            #[cfg(any(feature = "tracing", feature = "metrics"))]
            limits: Limits { is_batch: true, ..Limits::default() },
        }
    }

    /// Records the server, and what is logged about its commands.
    #[inline]
    #[cfg_attr(
        not(any(feature = "tracing", feature = "metrics")),
        allow(unused_variables, clippy::unused_self, reason = "for spans and events only")
    )]
    pub(crate) fn to(&self, binding: &Binding) {
        #[cfg(any(feature = "tracing", feature = "metrics"))]
        if let Some(least) = binding.pool().settings.slow_command {
            self.limits.slow.get_or_init(|| (Instant::now(), least));
        }
        self.to_untimed(binding);
    }

    /// Like [`to`](Self::to), for an operation that may wait for other callers: its time says
    /// nothing about the server.
    #[inline]
    #[cfg_attr(
        not(any(feature = "tracing", feature = "metrics")),
        allow(unused_variables, clippy::unused_self, reason = "for spans and events only")
    )]
    pub(crate) fn to_untimed(&self, binding: &Binding) {
        #[cfg(any(feature = "tracing", feature = "metrics"))]
        if let Some(large) = binding.pool().settings.large_value {
            self.limits.large.store(large, Ordering::Relaxed);
        }
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
        #[cfg(any(feature = "tracing", feature = "metrics"))]
        if !self.limits.is_batch {
            self.log_if_slow(subject, subject.command);
        }
    }

    /// Records the end of a batch. `subject` is that of any of its commands.
    #[cfg_attr(
        not(any(feature = "tracing", feature = "metrics")),
        allow(unused_variables, clippy::unused_self, reason = "for events only")
    )]
    pub(crate) fn batch_ended(&self, name: &'static str, subject: Option<&Subject>) {
        #[cfg(any(feature = "tracing", feature = "metrics"))]
        if let Some(subject) = subject {
            self.log_if_slow(&Subject { template: None, ..*subject }, name);
        }
    }

    #[cfg(any(feature = "tracing", feature = "metrics"))]
    fn log_if_slow(&self, subject: &Subject, command: &'static str) {
        let Some((started, least)) = self.limits.slow.get() else { return };
        let elapsed = started.elapsed();
        if elapsed >= *least {
            let (keyspace, template) = subject.names();
            event!(
                warn,
                "slow command",
                keyspace = keyspace,
                template = template,
                command = command,
                elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
            );
            count!(
                "redis_keyspace_slow_commands_total",
                "keyspace" => keyspace, "template" => template, "command" => command
            );
        }
    }

    /// Records the size of the longest argument that a command sends.
    #[inline]
    #[cfg_attr(
        not(any(feature = "tracing", feature = "metrics")),
        allow(unused_variables, clippy::unused_self, reason = "for events only")
    )]
    pub(crate) fn sent(&self, subject: &Subject, request: &Request) {
        #[cfg(any(feature = "tracing", feature = "metrics"))]
        if self.limits.large.load(Ordering::Relaxed) != 0 {
            let arguments = request.requested().flat_map(|packet| packet.args.iter());
            self.value(subject, "sent", arguments.map(<[u8]>::len).max().unwrap_or_default());
        }
    }

    /// Records the size of the longest value that a command received.
    #[inline]
    #[cfg_attr(
        not(any(feature = "tracing", feature = "metrics")),
        allow(unused_variables, clippy::unused_self, reason = "for events only")
    )]
    pub(crate) fn received<'r>(&self, subject: &Subject, replies: impl IntoIterator<Item = &'r Reply>) {
        #[cfg(any(feature = "tracing", feature = "metrics"))]
        if self.limits.large.load(Ordering::Relaxed) != 0 {
            let longest = replies.into_iter().map(Reply::longest).max();
            self.value(subject, "received", longest.unwrap_or_default());
        }
    }

    /// Records the size of a value that was sent or received.
    #[cfg_attr(
        not(any(feature = "tracing", feature = "metrics")),
        allow(unused_variables, clippy::unused_self, reason = "for events only")
    )]
    pub(crate) fn value(&self, subject: &Subject, direction: &'static str, bytes: usize) {
        #[cfg(any(feature = "tracing", feature = "metrics"))]
        {
            let large = self.limits.large.load(Ordering::Relaxed);
            if large == 0 || bytes < large {
                return;
            }
            let ((keyspace, template), command) = (subject.names(), subject.command);
            event!(
                warn,
                "large value",
                keyspace = keyspace,
                template = template,
                command = command,
                direction = direction,
                bytes = bytes
            );
            count!(
                "redis_keyspace_large_values_total",
                "keyspace" => keyspace, "template" => template, "command" => command, "direction" => direction
            );
        }
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
