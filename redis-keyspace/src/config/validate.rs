//! Checks of options that have a range.

use std::time::Duration;

use super::endpoint::Endpoint;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::key::is_reserved;
use crate::time::Deadline;

/// The rules for a namespace, for messages.
pub(super) const NAMESPACE_RULES: &str = "it must not be empty, start or end with `:`, or contain control characters or any of \
                                          % * ? [ ] \\ { }";

/// Whether a namespace contains nothing that has a meaning in keys or patterns.
pub(super) fn is_namespace(namespace: &str) -> bool {
    let is_meaningful = |byte: u8| byte != b':' && is_reserved(byte);
    !namespace.is_empty()
        && !namespace.starts_with(':')
        && !namespace.ends_with(':')
        && !namespace.bytes().any(is_meaningful)
}

/// The least limit on values.
const LEAST_VALUE: usize = 4096;
/// The longest deadline that can be set.
const LONGEST: Duration = Deadline::LONGEST;

pub(crate) fn validate(settings: &Settings) -> Result<()> {
    let within = |name: &str, value: u64, least: u64, most: u64| {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(Error::configuration(format!("`{name}` is {value}; it must be from {least} to {most}")))
    };
    within("shared_connections", settings.shared_connections.into(), 1, 64)?;
    within("exclusive_connections", settings.exclusive_connections.into(), 1, 1024)?;
    within("retries", settings.retries.into(), 0, 100)?;
    for (name, duration) in [("timeout", settings.timeout), ("connect_timeout", settings.connect_timeout)] {
        if duration.is_zero() || duration > LONGEST {
            return Err(Error::configuration(format!(
                "`{name}` is {duration:?}; it must be longer than zero and at most 7 days"
            )));
        }
    }
    for (name, duration) in [("retry_delay", settings.retry_delay), ("cooldown", settings.breaker.cooldown)] {
        if duration > LONGEST {
            return Err(Error::configuration(format!("`{name}` is longer than 7 days")));
        }
    }
    for (name, limit) in [
        ("max_in_flight", usize::try_from(settings.max_in_flight).unwrap_or(usize::MAX)),
        ("max_queued_bytes", settings.max_queued_bytes),
    ] {
        if limit == 0 {
            return Err(Error::configuration(format!("`{name}` is 0; it must be at least 1")));
        }
    }
    if settings.max_value_bytes < LEAST_VALUE {
        return Err(Error::configuration(format!(
            "`max_value_bytes` is {}; it must be at least {LEAST_VALUE}, or replies to the login would be too long",
            settings.max_value_bytes
        )));
    }
    if let Some(name) = &settings.client_name
        && (name.is_empty() || !name.bytes().all(|byte| (b'!'..=b'~').contains(&byte)))
    {
        return Err(Error::configuration(format!(
            "the client name {name:?} is invalid: Redis accepts printable ASCII without spaces"
        )));
    }
    if let Endpoint::Tcp { host, port } = &settings.endpoint
        && (host.is_empty() || *port == 0)
    {
        return Err(Error::configuration(format!("`{host}:{port}` is not the address of a server")));
    }
    Ok(())
}
