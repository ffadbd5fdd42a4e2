//! Errors of the `redis` crate.

use super::base::Error;
use super::kind::ErrorKind;
use super::redact::without_arguments;

impl Error {
    /// Converts an error of the driver.
    pub(crate) fn driver(error: redis::RedisError) -> Self {
        // The details of a conversion error contain the reply, which may be a stored value. As the
        // source, the driver's error would show it too.
        if is_of_conversion(&error) {
            return Self::new(
                ErrorKind::Server,
                "the reply does not have the requested type (its content is omitted)",
            );
        }
        if error.kind() == redis::ErrorKind::Parse {
            return Self::connection_lost("a reply is malformed");
        }
        let ours = if let (Some(code), true) = (error.code(), !error.is_io_error()) {
            let said = replies_in(&error, code);
            let ours = Self::server(said.first().map_or(code, String::as_str));
            if said.iter().any(|said| without_arguments(said) != *said) {
                // As the source, the driver's error would show the arguments that the message
                // omits.
                return ours;
            }
            ours
        } else if error.is_connection_refusal() {
            Self::new(ErrorKind::Unavailable, format!("can't connect: {error}"))
        } else if error.is_timeout() {
            Self::new(ErrorKind::Timeout, format!("the driver timed out: {error}"))
        } else if error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error() {
            Self::connection_lost(&error)
        } else {
            Self::new(ErrorKind::Server, format!("the driver reported: {error}"))
        };
        ours.sourced(error)
    }

    /// Converts an error of the driver that happened before the connection was ready.
    pub(crate) fn driver_connecting(endpoint: &str, error: redis::RedisError) -> Self {
        let ours = Self::driver(error.clone());
        if !ours.is_connection_lost() {
            return ours;
        }
        Self::new(ErrorKind::Unavailable, format!("can't connect to {endpoint}: {error}")).sourced(error)
    }
}

/// Whether a reply could not be converted to the type that the caller requested. Other errors of
/// the same kind mean that the reply is malformed and the connection is broken.
fn is_of_conversion(error: &redis::RedisError) -> bool {
    error.kind() == redis::ErrorKind::UnexpectedReturnType
        || std::error::Error::source(error).is_some_and(|source| source.is::<redis::ParsingError>())
}

/// Returns the error replies behind an error of the driver. A pipeline can have several.
fn replies_in(error: &redis::RedisError, code: &str) -> Vec<String> {
    let reply = |code: &str, details: Option<&str>| format!("{code} {}", details.unwrap_or_default());
    match error.clone().into_server_errors() {
        Some(errors) if !errors.is_empty() => {
            errors.iter().map(|(_, error)| reply(error.code(), error.details())).collect()
        }
        _ => vec![reply(code, error.detail())],
    }
}
