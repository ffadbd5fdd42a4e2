//! Errors of credentials providers.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use super::base::Error;
use super::kind::{Budget, ErrorKind};

impl Error {
    /// A credentials provider returned an error. The text of the error is the application's.
    pub(crate) fn of_credentials_provider(error: Box<dyn StdError + Send + Sync>) -> Self {
        Self::new(ErrorKind::Unavailable, format!("the credentials provider failed: {error}"))
            .with(|inner| inner.source = Some(Arc::from(error)))
    }

    /// A credentials provider did not return within the limit.
    pub(crate) fn credentials_too_late(limit: Duration) -> Self {
        Self::timeout(Budget::Connect, limit).of_late_credentials()
    }

    /// Replaces the message of a timeout while connecting, because a credentials provider has not
    /// returned.
    pub(crate) fn of_late_credentials(self) -> Self {
        self.reworded("the credentials provider did not return in time")
    }

    /// A credentials provider will never return.
    pub(crate) fn credentials_provider_ended() -> Self {
        Self::new(ErrorKind::Unavailable, "the credentials provider panicked, or its runtime has ended")
    }
}
