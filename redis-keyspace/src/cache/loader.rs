//! The kinds of loaders: a loader always returns a value, may fail, may find no value, or both.

use std::convert::Infallible;
use std::fmt;

use super::error::FillError;
use crate::error::Error;
use crate::kind::SingleValue;

/// A loader: a closure that loads a value, wrapped by the method that takes it.
/// [`get_or_set`](crate::Key::get_or_set) wraps it in [`Always`],
/// [`try_get_or_set`](crate::Key::try_get_or_set) in [`Fallible`],
/// [`get_or_set_optional`](crate::Key::get_or_set_optional) in [`Optional`], and
/// [`try_get_or_set_optional`](crate::Key::try_get_or_set_optional) in [`FallibleOptional`].
pub trait Loader<V: SingleValue>: sealed::SealedLoader + Send {
    /// The value that the call returns.
    type Value: Send;
    /// The error that the call returns.
    type Failure: Send;
    #[doc(hidden)]
    type Error: fmt::Debug + Send;

    /// Whether the loader may find no value.
    #[doc(hidden)]
    const FINDS_NONE: bool;

    #[doc(hidden)]
    fn load(self) -> impl Future<Output = Result<Option<V::Owned>, Self::Error>> + Send;
    #[doc(hidden)]
    fn value(loaded: Option<V::Owned>) -> Result<Self::Value, Error>;
    #[doc(hidden)]
    fn failure(error: FillError<Self::Error>) -> Self::Failure;
}

mod sealed {
    pub trait SealedLoader {}
}

macro_rules! loader {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        pub struct $name<F>(pub(crate) F);

        impl<F> sealed::SealedLoader for $name<F> {}

        impl<F> fmt::Debug for $name<F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

loader! {
    /// A [`Loader`] that always returns a value.
    Always
}

loader! {
    /// A [`Loader`] that may fail.
    Fallible
}

loader! {
    /// A [`Loader`] that may find no value.
    Optional
}

loader! {
    /// A [`Loader`] that may find no value, and may fail.
    FallibleOptional
}

fn always<T>(loaded: Option<T>) -> Result<T, Error> {
    loaded.ok_or_else(|| Error::protocol("a loader that always returns a value returned none"))
}

impl<V, F, Fut> Loader<V> for Always<F>
where
    V: SingleValue,
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = V::Owned> + Send,
{
    type Value = V::Owned;
    type Failure = Error;
    type Error = Infallible;
    const FINDS_NONE: bool = false;

    async fn load(self) -> Result<Option<V::Owned>, Infallible> {
        Ok(Some((self.0)().await))
    }

    fn value(loaded: Option<V::Owned>) -> Result<V::Owned, Error> {
        always(loaded)
    }

    fn failure(error: FillError<Infallible>) -> Error {
        error.into()
    }
}

impl<V, F, Fut, E> Loader<V> for Fallible<F>
where
    V: SingleValue,
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = Result<V::Owned, E>> + Send,
    E: fmt::Debug + Send,
{
    type Value = V::Owned;
    type Failure = FillError<E>;
    type Error = E;
    const FINDS_NONE: bool = false;

    async fn load(self) -> Result<Option<V::Owned>, E> {
        (self.0)().await.map(Some)
    }

    fn value(loaded: Option<V::Owned>) -> Result<V::Owned, Error> {
        always(loaded)
    }

    fn failure(error: FillError<E>) -> FillError<E> {
        error
    }
}

impl<V, F, Fut> Loader<V> for Optional<F>
where
    V: SingleValue,
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = Option<V::Owned>> + Send,
{
    type Value = Option<V::Owned>;
    type Failure = Error;
    type Error = Infallible;
    const FINDS_NONE: bool = true;

    async fn load(self) -> Result<Option<V::Owned>, Infallible> {
        Ok((self.0)().await)
    }

    fn value(loaded: Option<V::Owned>) -> Result<Option<V::Owned>, Error> {
        Ok(loaded)
    }

    fn failure(error: FillError<Infallible>) -> Error {
        error.into()
    }
}

impl<V, F, Fut, E> Loader<V> for FallibleOptional<F>
where
    V: SingleValue,
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = Result<Option<V::Owned>, E>> + Send,
    E: fmt::Debug + Send,
{
    type Value = Option<V::Owned>;
    type Failure = FillError<E>;
    type Error = E;
    const FINDS_NONE: bool = true;

    async fn load(self) -> Result<Option<V::Owned>, E> {
        (self.0)().await
    }

    fn value(loaded: Option<V::Owned>) -> Result<Option<V::Owned>, Error> {
        Ok(loaded)
    }

    fn failure(error: FillError<E>) -> FillError<E> {
        error
    }
}
