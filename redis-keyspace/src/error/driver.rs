//! Errors of the `redis` crate.

use super::base::Error;
use super::kind::ErrorKind;
use super::server::without_arguments;

impl Error {
    /// An error of the driver.
    pub(crate) fn driver(error: redis::RedisError) -> Self {
        let ours = if let (Some(code), true) = (error.code(), !error.is_io_error()) {
            let said = format!("{code} {}", error.detail().unwrap_or_default());
            let ours = Self::server(&said);
            if without_arguments(&said) != said {
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
