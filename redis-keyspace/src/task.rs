//! Background tasks.

use futures_core::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Starts a background task. Dropping the handle does not stop it.
///
/// The task is boxed: for each type of future, the compiler would otherwise generate tokio's code
/// for a task, about a hundred functions.
#[track_caller]
pub(crate) fn spawn(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    start(runtime, Box::pin(work))
}

/// Starts a background task, as [`spawn`] does, on the runtime of the caller.
///
/// # Panics
///
/// Panics outside of a runtime.
#[track_caller]
pub(crate) fn spawn_here(work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    start(&Handle::current(), Box::pin(work))
}

#[track_caller]
fn start(runtime: &Handle, work: BoxFuture<'static, ()>) -> AbortHandle {
    runtime.spawn(work).abort_handle()
}
