//! Errors of the `redis` crate.

use super::base::Error;
use super::kind::ErrorKind;
use super::redact::without_arguments;

impl Error {
    /// An error of the driver.
    pub(crate) fn driver(error: redis::RedisError) -> Self {
        let ours = if let (Some(code), true) = (error.code(), !error.is_io_error()) {
            let said = replies_in(&error, code);
            let ours = Self::server(said.first().map_or(code, String::as_str));
            if said.iter().any(|said| without_arguments(said) != *said) {
                // As the source, it would show what the message leaves out.
                return ours;
            }
            ours
        } else if error.is_connection_refusal() {
            Self::new(ErrorKind::Unavailable, format!("can't connect: {error}"))
        } else if error.is_timeout() {
            Self::new(ErrorKind::Timeout, format!("the driver timed out: {error}"))
        } else if error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error() {
            Self::connection_lost(&error)
        } else if matches!(error.kind(), redis::ErrorKind::Parse | redis::ErrorKind::UnexpectedReturnType) {
            // Its detail is the reply, which may be a stored value. As the source, it would show it too.
            return Self::new(
                ErrorKind::Server,
                "the driver reported: the reply does not have the type that was asked for (its content is omitted)",
            );
        } else {
            Self::new(ErrorKind::Server, format!("the driver reported: {error}"))
        };
        ours.sourced(error)
    }

    /// An error of the driver before the connection was ready.
    pub(crate) fn driver_connecting(endpoint: &str, error: redis::RedisError) -> Self {
        let ours = Self::driver(error.clone());
        if !ours.is_connection_lost() {
            return ours;
        }
        Self::new(ErrorKind::Unavailable, format!("can't connect to {endpoint}: {error}")).sourced(error)
    }
}

/// The error replies that an error of the driver stands for: a pipeline can have several.
fn replies_in(error: &redis::RedisError, code: &str) -> Vec<String> {
    let reply = |code: &str, details: Option<&str>| format!("{code} {}", details.unwrap_or_default());
    match error.clone().into_server_errors() {
        Some(errors) if !errors.is_empty() => {
            errors.iter().map(|(_, error)| reply(error.code(), error.details())).collect()
        }
        _ => vec![reply(code, error.detail())],
    }
}
