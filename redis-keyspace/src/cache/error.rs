//! Why a fill returned no value.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// Why [`try_get_or_set`](crate::Key::try_get_or_set) returned no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum FillError<E> {
    /// The loader failed; nothing was stored.
    Loader(E),
    /// The loader exceeded its [hard timeout](super::GetOrSet::hard_timeout) and was dropped. Or this caller waited for other
    /// callers' loads until its hard timeout or its [timeout](super::GetOrSet::timeout).
    TimedOut(Duration),
    /// The loader did not run: this caller waited for the loaders of two other callers, and both failed.
    Coalesced,
    /// A command failed. Before the loader ran, unless the loaded value itself is invalid.
    Redis(Error),
}

impl<E> FillError<E> {
    /// The error of a fill whose loader can't fail.
    pub(super) fn into_error(self, loader: impl FnOnce(E) -> Error) -> Error {
        match self {
            Self::Redis(error) => error,
            Self::Loader(error) => loader(error),
            Self::TimedOut(limit) => Error::new(ErrorKind::LoaderTimeout, timed_out(limit)),
            Self::Coalesced => Error::new(ErrorKind::LoaderTimeout, COALESCED),
        }
    }
}

const COALESCED: &str = "waited for the loaders of two other callers, and both failed";

fn timed_out(limit: Duration) -> String {
    format!(
        "no value was loaded within {limit:?}, the hard timeout or the timeout of the call; this call stored nothing"
    )
}

impl<E: fmt::Display> fmt::Display for FillError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loader(error) => write!(f, "the loader failed: {error}"),
            Self::TimedOut(limit) => f.write_str(&timed_out(*limit)),
            Self::Coalesced => f.write_str(COALESCED),
            Self::Redis(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for FillError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Loader(error) => Some(error),
            Self::TimedOut(_) | Self::Coalesced => None,
            Self::Redis(error) => error.source(),
        }
    }
}

impl<E> From<Error> for FillError<E> {
    fn from(error: Error) -> Self {
        Self::Redis(error)
    }
}
