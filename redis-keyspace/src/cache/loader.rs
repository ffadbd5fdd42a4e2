//! The kinds of loaders: a loader always returns a value, may fail, may find no value, or both.

use std::convert::Infallible;
use std::fmt;

use super::error::FillError;
use crate::error::Error;
use crate::kind::SingleValue;

/// A loader: a closure that loads a value. [`get_or_set`](crate::Key::get_or_set) takes one that
/// always returns a value, [`try_get_or_set`](crate::Key::try_get_or_set) one that may fail,
/// [`get_or_set_optional`](crate::Key::get_or_set_optional) one that may find no value, and
/// [`try_get_or_set_optional`](crate::Key::try_get_or_set_optional) one that may do both.
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
        pub struct $name<F>(pub(super) F);

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

/// The output of a loader. The expected type is `T`.
#[diagnostic::on_unimplemented(
    message = "the loader returns `{Self}` instead of `{T}`",
    label = "a value needs `get_or_set`, a `Result` `try_get_or_set`, an `Option` `get_or_set_optional`"
)]
pub trait LoaderOutput<T> {
    #[doc(hidden)]
    type Then<L>;

    #[doc(hidden)]
    fn then<L>(loader: L) -> Self::Then<L>;
}

impl<T> LoaderOutput<T> for T {
    type Then<L> = L;

    fn then<L>(loader: L) -> L {
        loader
    }
}

/// A future of the loaded value.
// The bounds of `get_or_set` are traits of this crate, so that the error about any other loader
// says what to write. Without `do_not_recommend`, the compiler reports the bounds of the
// implementation instead. `Loader` projects the output, so that for any other output the type of
// the builder is unknown. Otherwise, the compiler also reports that the builder can't be awaited.
// `Send` is a separate bound, because the compiler itself explains why a future lacks it.
#[diagnostic::on_unimplemented(
    message = "the loader does not return a future of `{T}`",
    label = "write `|| async {{ .. }}`; if it returns a `Result`, use `try_get_or_set`; an `Option`, `get_or_set_optional`",
    note = "for a `Result` of an `Option`, use `try_get_or_set_optional`"
)]
pub trait LoadedValue<T> {
    #[doc(hidden)]
    type Loader<F>;

    #[doc(hidden)]
    fn loader<F>(load: F) -> Self::Loader<F>;
}

#[diagnostic::do_not_recommend]
impl<T, Fut: Future<Output = T>> LoadedValue<T> for Fut {
    type Loader<F> = <Fut::Output as LoaderOutput<T>>::Then<Always<F>>;

    fn loader<F>(load: F) -> Self::Loader<F> {
        <Fut::Output as LoaderOutput<T>>::then(Always(load))
    }
}

/// A future of the loaded value, or of the loader's error.
#[diagnostic::on_unimplemented(
    message = "the loader does not return a future of `Result<{T}, _>`",
    label = "write `|| async {{ Ok(value) }}`; if it always returns a value, use `get_or_set`",
    note = "for a `Result` of an `Option`, use `try_get_or_set_optional`"
)]
pub trait TryLoadedValue<T, E> {
    #[doc(hidden)]
    type Loader<F>;

    #[doc(hidden)]
    fn loader<F>(load: F) -> Self::Loader<F>;
}

#[diagnostic::do_not_recommend]
impl<T, E, Fut: Future<Output = Result<T, E>>> TryLoadedValue<T, E> for Fut {
    type Loader<F> = <Fut::Output as LoaderOutput<Result<T, E>>>::Then<Fallible<F>>;

    fn loader<F>(load: F) -> Self::Loader<F> {
        <Fut::Output as LoaderOutput<Result<T, E>>>::then(Fallible(load))
    }
}

/// A future of a value or `None`, for loaders that may find no value.
#[diagnostic::on_unimplemented(
    message = "the loader does not return a future of `Option<{T}>`",
    label = "write `|| async {{ Some(value) }}`; if it always returns a value, use `get_or_set`",
    note = "for a `Result` of an `Option`, use `try_get_or_set_optional`"
)]
pub trait LoadedOption<T> {
    #[doc(hidden)]
    type Loader<F>;

    #[doc(hidden)]
    fn loader<F>(load: F) -> Self::Loader<F>;
}

#[diagnostic::do_not_recommend]
impl<T, Fut: Future<Output = Option<T>>> LoadedOption<T> for Fut {
    type Loader<F> = <Fut::Output as LoaderOutput<Option<T>>>::Then<Optional<F>>;

    fn loader<F>(load: F) -> Self::Loader<F> {
        <Fut::Output as LoaderOutput<Option<T>>>::then(Optional(load))
    }
}

/// A future of a value, `None` or an error, for loaders that may find no value and may fail.
#[diagnostic::on_unimplemented(
    message = "the loader does not return a future of `Result<Option<{T}>, _>`",
    label = "write `|| async {{ Ok(Some(value)) }}`; if it returns a `Result` of a value, use `try_get_or_set`; an `Option`, `get_or_set_optional`"
)]
pub trait TryLoadedOption<T, E> {
    #[doc(hidden)]
    type Loader<F>;

    #[doc(hidden)]
    fn loader<F>(load: F) -> Self::Loader<F>;
}

#[diagnostic::do_not_recommend]
impl<T, E, Fut: Future<Output = Result<Option<T>, E>>> TryLoadedOption<T, E> for Fut {
    type Loader<F> = <Fut::Output as LoaderOutput<Result<Option<T>, E>>>::Then<FallibleOptional<F>>;

    fn loader<F>(load: F) -> Self::Loader<F> {
        <Fut::Output as LoaderOutput<Result<Option<T>, E>>>::then(FallibleOptional(load))
    }
}

/// A future of the values that a loader of many values found.
#[diagnostic::on_unimplemented(
    message = "the loader does not return a future of pairs of `{I}` and `{T}`",
    label = "expected a loader such as `|ids| async {{ HashMap::new() }}`",
    note = "for a loader that returns a `Result`, use `try_get_or_set_many`"
)]
pub trait LoadedValues<I, T> {
    #[doc(hidden)]
    type Loader<F>;

    #[doc(hidden)]
    fn loader<F>(load: F) -> Self::Loader<F>;
}

#[diagnostic::do_not_recommend]
impl<I, T, Fut: Future<Output: IntoIterator<Item = (I, T)>>> LoadedValues<I, T> for Fut {
    type Loader<F> = <<Fut::Output as IntoIterator>::Item as LoaderOutput<(I, T)>>::Then<Always<F>>;

    fn loader<F>(load: F) -> Self::Loader<F> {
        <<Fut::Output as IntoIterator>::Item as LoaderOutput<(I, T)>>::then(Always(load))
    }
}

/// A future of the values that a loader of many values found, or of its error.
#[diagnostic::on_unimplemented(
    message = "the loader does not return a future of a `Result`",
    label = "expected a loader such as `|ids| async {{ Ok(HashMap::new()) }}`",
    note = "for a loader that does not return a `Result`, use `get_or_set_many`"
)]
pub trait TryLoadedValues<R, E> {
    #[doc(hidden)]
    type Loader<F>;

    #[doc(hidden)]
    fn loader<F>(load: F) -> Self::Loader<F>;
}

#[diagnostic::do_not_recommend]
impl<R, E, Fut: Future<Output = Result<R, E>>> TryLoadedValues<R, E> for Fut {
    type Loader<F> = <Fut::Output as LoaderOutput<Result<R, E>>>::Then<Fallible<F>>;

    fn loader<F>(load: F) -> Self::Loader<F> {
        <Fut::Output as LoaderOutput<Result<R, E>>>::then(Fallible(load))
    }
}
