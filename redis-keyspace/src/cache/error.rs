//! Errors of fills.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// The error of [`try_get_or_set`](crate::Key::try_get_or_set) and its variants.
///
/// `?` converts it into `Box<dyn Error + Send + Sync>` and `anyhow::Error`, whether the loader
/// returns such an error or another type. `?` converts it into this crate's [`Error`] if the
/// loader returns that. For an error type of your program, implement `From`:
///
/// ```
/// use redis_keyspace::cache::FillError;
/// # use redis_keyspace::{Keyspace, Redis, Text};
/// # #[derive(Keyspace)]
/// # #[keyspace(prefix = "page", ttl = "1h")]
/// # struct PageKeys { title: fn(id: u64) -> Text }
///
/// #[derive(Debug)]
/// enum PageError { NotFound, Redis(redis_keyspace::Error) }
///
/// impl From<FillError<PageError>> for PageError {
///     fn from(error: FillError<PageError>) -> Self {
///         error.into_loader_error().unwrap_or_else(PageError::Redis)
///     }
/// }
///
/// async fn query_title(id: u64) -> Result<String, PageError> {
///     if id == 7 { Ok("A page".to_owned()) } else { Err(PageError::NotFound) }
/// }
///
/// async fn title(id: u64) -> Result<String, PageError> {
///     Ok(PageKeys::title(id).try_get_or_set(|| query_title(id)).await?)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # Redis::embedded().scope(async {
/// assert!(title(7).await.is_ok());
/// assert!(matches!(title(8).await, Err(PageError::NotFound)));
/// # }).await }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum FillError<E> {
    /// The loader failed; nothing was stored.
    Loader(E),
    /// The loader exceeded its [hard timeout](super::GetOrSet::hard_timeout) and was dropped. Or
    /// this caller waited for other callers' loads until its hard timeout or its
    /// [timeout](super::GetOrSet::timeout) passed.
    TimedOut(Duration),
    /// The loader did not run, because this caller waited for the loaders of two other callers, and
    /// both failed. The second failure is attached.
    Coalesced(LoadFailure),
    /// A command failed before the loader ran, or the loaded value is invalid.
    Redis(Error),
}

/// The reason why another caller's load failed: the `Debug` text of its loader's error, or its
/// timeout.
///
/// It is a string, because the error itself is returned to the caller that ran the loader.
#[derive(Clone)]
pub struct LoadFailure(Arc<str>);

impl LoadFailure {
    pub(super) fn of(error: &dyn fmt::Debug) -> Self {
        Self(format!("{error:?}").into())
    }

    /// Returns the reason.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LoadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LoadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoadFailure").field(&self.as_str()).finish()
    }
}

/// The reason why a load failed, for the callers that wait for it.
#[derive(Clone)]
pub(super) enum FailureCause {
    Loader(LoadFailure),
    /// The loaded value is invalid.
    Value(Error),
}

impl FailureCause {
    pub(super) fn of(error: &FillError<LoadFailure>) -> Self {
        match error {
            FillError::Loader(failure) | FillError::Coalesced(failure) => Self::Loader(failure.clone()),
            FillError::TimedOut(limit) => Self::Loader(LoadFailure(timed_out(*limit).into())),
            FillError::Redis(error) => Self::Value(error.clone()),
        }
    }
}

impl Default for FailureCause {
    fn default() -> Self {
        Self::Loader(LoadFailure("the loader did not finish".into()))
    }
}

impl<E> From<FailureCause> for FillError<E> {
    fn from(cause: FailureCause) -> Self {
        match cause {
            FailureCause::Loader(failure) => Self::Coalesced(failure),
            FailureCause::Value(error) => Self::Redis(error),
        }
    }
}

impl FillError<LoadFailure> {
    /// Returns the error with that of the loader, if it failed.
    pub(super) fn of_loader<E>(self, error: Option<E>) -> FillError<E> {
        match (self, error) {
            (Self::Loader(_), Some(error)) => FillError::Loader(error),
            (Self::Loader(failure), None) | (Self::Coalesced(failure), _) => FillError::Coalesced(failure),
            (Self::TimedOut(limit), _) => FillError::TimedOut(limit),
            (Self::Redis(error), _) => FillError::Redis(error),
        }
    }
}

impl<E> FillError<E> {
    /// Returns whether the loader of this call failed.
    pub fn is_loader(&self) -> bool {
        matches!(self, Self::Loader(_))
    }

    /// Returns the error of the loader, if it failed.
    pub fn loader_error(&self) -> Option<&E> {
        match self {
            Self::Loader(error) => Some(error),
            _ => None,
        }
    }

    /// Returns the error of this crate, if a command failed.
    pub fn redis_error(&self) -> Option<&Error> {
        match self {
            Self::Redis(error) => Some(error),
            _ => None,
        }
    }

    /// Converts into the error of the loader.
    ///
    /// # Errors
    ///
    /// Any other failure, as an [`Error`]. A timeout has the kind
    /// [`LoaderTimeout`](ErrorKind::LoaderTimeout); [`Coalesced`](Self::Coalesced) has the kind
    /// [`LoaderFailed`](ErrorKind::LoaderFailed).
    pub fn into_loader_error(self) -> Result<E, Error> {
        match self {
            Self::Loader(error) => Ok(error),
            Self::Redis(error) => Err(error),
            Self::TimedOut(limit) => Err(Error::new(ErrorKind::LoaderTimeout, timed_out(limit))),
            Self::Coalesced(failure) => Err(Error::new(ErrorKind::LoaderFailed, coalesced(&failure))),
        }
    }

    /// Converts the error of the loader, if it failed.
    pub fn map_loader<F>(self, map: impl FnOnce(E) -> F) -> FillError<F> {
        match self {
            Self::Loader(error) => FillError::Loader(map(error)),
            Self::TimedOut(limit) => FillError::TimedOut(limit),
            Self::Coalesced(failure) => FillError::Coalesced(failure),
            Self::Redis(error) => FillError::Redis(error),
        }
    }

    /// Converts into a boxed error: the loader's error or this crate's, with all of its sources.
    pub fn into_boxed(self) -> Box<dyn StdError + Send + Sync>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.into_loader_error().map_or_else(Into::into, Into::into)
    }
}

fn coalesced(failure: &LoadFailure) -> String {
    format!("waited for the loaders of two other callers, and both failed; the second failure: {failure}")
}

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
            Self::Coalesced(failure) => f.write_str(&coalesced(failure)),
            Self::Redis(error) => error.fmt(f),
        }
    }
}

/// `E` need not implement `Error`: boxed errors, `anyhow::Error` and strings do not. The message
/// contains the loader's error, so [`source`](StdError::source) returns the source of that error.
/// It is known for boxed errors and for errors of this crate.
impl<E: fmt::Debug + fmt::Display + 'static> StdError for FillError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Loader(error) => source_of(error),
            Self::TimedOut(_) | Self::Coalesced(_) => None,
            Self::Redis(error) => error.source(),
        }
    }
}

/// Returns the source of an error, if its type is known.
fn source_of(error: &dyn Any) -> Option<&(dyn StdError + 'static)> {
    if let Some(error) = error.downcast_ref::<Box<dyn StdError + Send + Sync>>() {
        return error.source();
    }
    if let Some(error) = error.downcast_ref::<Box<dyn StdError + Send>>() {
        return error.source();
    }
    if let Some(error) = error.downcast_ref::<Box<dyn StdError>>() {
        return error.source();
    }
    if let Some(error) = error.downcast_ref::<Arc<dyn StdError + Send + Sync>>() {
        return error.source();
    }
    error.downcast_ref::<Error>().and_then(StdError::source)
}

impl<E> From<Error> for FillError<E> {
    fn from(error: Error) -> Self {
        Self::Redis(error)
    }
}

/// For loaders that return this crate's error.
impl From<FillError<Error>> for Error {
    fn from(error: FillError<Error>) -> Self {
        error.into_loader_error().unwrap_or_else(|error| error)
    }
}

/// For loaders that can't fail.
impl From<FillError<Infallible>> for Error {
    fn from(error: FillError<Infallible>) -> Self {
        match error.into_loader_error() {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }
}
