//! The kinds of loaders: a loader always returns a value, may fail, may find no value, or both.

use std::convert::Infallible;
use std::fmt;

use futures_core::future::BoxFuture;

use super::error::FillError;
use super::kind::FilledKind;
use crate::error::Error;

/// A loader: a closure that loads a value. [`get_or_set`](crate::Key::get_or_set) takes one that
/// always returns a value, [`try_get_or_set`](crate::Key::try_get_or_set) one that may fail,
/// [`get_or_set_optional`](crate::Key::get_or_set_optional) one that may find no value, and
/// [`try_get_or_set_optional`](crate::Key::try_get_or_set_optional) one that may do both.
pub trait Loader<V: FilledKind>: sealed::SealedLoader + Send {
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
    fn load(self) -> impl Future<Output = Result<Option<V::Value>, Self::Error>> + Send;
    #[doc(hidden)]
    fn value(loaded: Option<V::Value>) -> Result<Self::Value, Error>;
    #[doc(hidden)]
    fn failure(error: FillError<Self::Error>) -> Self::Failure;
}

mod sealed {
    pub trait SealedLoader {}
}

/// Calls a closure that loads one value. Where the loader is created, its closure and future have
/// their bounds. Later, only the output matters, so an unsuitable closure is one error. Otherwise,
/// the compiler also reports that the builder can't be awaited.
pub(super) type LoadOne<'l, F, T> = fn(F) -> BoxFuture<'l, T>;

macro_rules! loader {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        pub struct $name<F, C> {
            pub(super) closure: F,
            /// Calls the closure.
            pub(super) call: C,
        }

        impl<F, C> sealed::SealedLoader for $name<F, C> {}

        impl<F, C> fmt::Debug for $name<F, C> {
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

pub(super) type AlwaysOne<'l, F, T> = Always<F, LoadOne<'l, F, T>>;
pub(super) type FallibleOne<'l, F, T, E> = Fallible<F, LoadOne<'l, F, Result<T, E>>>;
pub(super) type OptionalOne<'l, F, T> = Optional<F, LoadOne<'l, F, Option<T>>>;
pub(super) type FallibleOptionalOne<'l, F, T, E> = FallibleOptional<F, LoadOne<'l, F, Result<Option<T>, E>>>;

/// Returns the loaded value. A collection that was not found is empty.
fn always<V: FilledKind>(loaded: Option<V::Value>) -> Result<V::Value, Error> {
    loaded
        .or_else(V::empty)
        .ok_or_else(|| Error::protocol("a loader that always returns a value returned none"))
}

impl<V, F> Loader<V> for AlwaysOne<'_, F, V::Value>
where
    V: FilledKind,
    F: Send,
{
    type Value = V::Value;
    type Failure = Error;
    type Error = Infallible;
    const FINDS_NONE: bool = false;

    async fn load(self) -> Result<Option<V::Value>, Infallible> {
        Ok(Some((self.call)(self.closure).await))
    }

    fn value(loaded: Option<V::Value>) -> Result<V::Value, Error> {
        always::<V>(loaded)
    }

    fn failure(error: FillError<Infallible>) -> Error {
        error.into()
    }
}

impl<V, F, E> Loader<V> for FallibleOne<'_, F, V::Value, E>
where
    V: FilledKind,
    F: Send,
    E: fmt::Debug + Send,
{
    type Value = V::Value;
    type Failure = FillError<E>;
    type Error = E;
    const FINDS_NONE: bool = false;

    async fn load(self) -> Result<Option<V::Value>, E> {
        (self.call)(self.closure).await.map(Some)
    }

    fn value(loaded: Option<V::Value>) -> Result<V::Value, Error> {
        always::<V>(loaded)
    }

    fn failure(error: FillError<E>) -> FillError<E> {
        error
    }
}

impl<V, F> Loader<V> for OptionalOne<'_, F, V::Value>
where
    V: FilledKind,
    F: Send,
{
    type Value = Option<V::Value>;
    type Failure = Error;
    type Error = Infallible;
    const FINDS_NONE: bool = true;

    async fn load(self) -> Result<Option<V::Value>, Infallible> {
        Ok((self.call)(self.closure).await)
    }

    fn value(loaded: Option<V::Value>) -> Result<Option<V::Value>, Error> {
        Ok(loaded)
    }

    fn failure(error: FillError<Infallible>) -> Error {
        error.into()
    }
}

impl<V, F, E> Loader<V> for FallibleOptionalOne<'_, F, V::Value, E>
where
    V: FilledKind,
    F: Send,
    E: fmt::Debug + Send,
{
    type Value = Option<V::Value>;
    type Failure = FillError<E>;
    type Error = E;
    const FINDS_NONE: bool = true;

    async fn load(self) -> Result<Option<V::Value>, E> {
        (self.call)(self.closure).await
    }

    fn value(loaded: Option<V::Value>) -> Result<Option<V::Value>, Error> {
        Ok(loaded)
    }

    fn failure(error: FillError<E>) -> FillError<E> {
        error
    }
}

/// A future of the loaded value.
// The bounds of `get_or_set` are traits of this crate, so that the error about any other loader
// says what to write. Without `do_not_recommend`, the compiler reports the bounds of the
// implementation instead. `Send` is a separate bound, because the compiler itself explains why a
// future lacks it.
#[diagnostic::on_unimplemented(
    message = "the loader does not return a future of `{T}`",
    label = "write `|| async {{ .. }}`; if it returns a `Result`, use `try_get_or_set`; an `Option`, `get_or_set_optional`",
    note = "for a `Result` of an `Option`, use `try_get_or_set_optional`"
)]
pub trait LoadedValue<T>: Future<Output = T> {}

#[diagnostic::do_not_recommend]
impl<T, Fut: Future<Output = T>> LoadedValue<T> for Fut {}

/// A future of the loaded value, or of the loader's error.
#[diagnostic::on_unimplemented(
    message = "the loader does not return a future of `Result<{T}, _>`",
    label = "write `|| async {{ Ok(value) }}`; if it always returns a value, use `get_or_set`",
    note = "for a `Result` of an `Option`, use `try_get_or_set_optional`"
)]
pub trait TryLoadedValue<T, E>: Future<Output = Result<T, E>> {}

#[diagnostic::do_not_recommend]
impl<T, E, Fut: Future<Output = Result<T, E>>> TryLoadedValue<T, E> for Fut {}

/// A future of a value or `None`, for loaders that may find no value.
#[diagnostic::on_unimplemented(
    message = "the loader does not return a future of `Option<{T}>`",
    label = "write `|| async {{ Some(value) }}`; if it always returns a value, use `get_or_set`",
    note = "for a `Result` of an `Option`, use `try_get_or_set_optional`"
)]
pub trait LoadedOption<T>: Future<Output = Option<T>> {}

#[diagnostic::do_not_recommend]
impl<T, Fut: Future<Output = Option<T>>> LoadedOption<T> for Fut {}

/// A future of a value, `None` or an error, for loaders that may find no value and may fail.
#[diagnostic::on_unimplemented(
    message = "the loader does not return a future of `Result<Option<{T}>, _>`",
    label = "write `|| async {{ Ok(Some(value)) }}`; if it returns a `Result` of a value, use `try_get_or_set`; an `Option`, `get_or_set_optional`"
)]
pub trait TryLoadedOption<T, E>: Future<Output = Result<Option<T>, E>> {}

#[diagnostic::do_not_recommend]
impl<T, E, Fut: Future<Output = Result<Option<T>, E>>> TryLoadedOption<T, E> for Fut {}

/// A future of the values that a loader of many values found.
#[diagnostic::on_unimplemented(
    message = "the loader does not return a future of pairs of `{I}` and `{T}`",
    label = "expected a loader such as `|ids| async {{ HashMap::new() }}`",
    note = "for a loader that returns a `Result`, use `try_get_or_set_many`"
)]
pub trait LoadedValues<I, T>: Future<Output: IntoIterator<Item = (I, T)>> {}

#[diagnostic::do_not_recommend]
impl<I, T, Fut: Future<Output: IntoIterator<Item = (I, T)>>> LoadedValues<I, T> for Fut {}

/// A future of the values that a loader of many values found, or of its error.
#[diagnostic::on_unimplemented(
    message = "the loader does not return a future of a `Result`",
    label = "expected a loader such as `|ids| async {{ Ok(HashMap::new()) }}`",
    note = "for a loader that does not return a `Result`, use `get_or_set_many`"
)]
pub trait TryLoadedValues<R, E>: Future<Output = Result<R, E>> {}

#[diagnostic::do_not_recommend]
impl<R, E, Fut: Future<Output = Result<R, E>>> TryLoadedValues<R, E> for Fut {}
