//! The error of work that runs once.

use std::fmt;

use crate::error::Error;

/// The error of [`try_run`](crate::Key::try_run).
#[derive(Debug)]
#[non_exhaustive]
pub enum OnceError<E> {
    /// The work failed. Nothing was stored, and the next call runs it again.
    Work(E),
    /// A command failed, another caller is running the work, or it ran for another payload. Or its
    /// result could not be stored; then [`Error::take_result`] returns it.
    Redis(Error),
}

impl<E: fmt::Display> fmt::Display for OnceError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(error) => write!(f, "the work failed: {error}"),
            Self::Redis(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for OnceError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Work(error) => Some(error),
            Self::Redis(error) => error.source(),
        }
    }
}

impl<E> From<Error> for OnceError<E> {
    fn from(error: Error) -> Self {
        Self::Redis(error)
    }
}
