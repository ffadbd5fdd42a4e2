//! Waiting for events, with a limit that only guards against hanging.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// The limit of every wait that must succeed. No test comes near it, even on a busy machine, so
/// reaching it means a hang.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// The interval between two checks of a condition that sends no notification.
const POLL: Duration = Duration::from_millis(2);

/// Runs a future on a multi-threaded runtime. Panics if it takes longer than the limit.
pub fn within<'t, T: 't>(limit: Duration, future: impl Future<Output = T> + 't) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    // Boxed, because tokio would otherwise be compiled again for every test.
    let future: Pin<Box<dyn Future<Output = T> + 't>> = Box::pin(future);
    let outcome = runtime.block_on(async { tokio::time::timeout(limit, future).await });
    // A task that a failed test left behind must not delay the end.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|_| panic!("the test did not end within {limit:?}"))
}

/// Waits for a condition that sends no notification, such as the state of a server. Panics after
/// [`PATIENCE`].
///
/// The limit is measured in real time, so this also works with a paused clock.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until a falling number rises, such as the remaining lifetime of a lock that is renewed.
pub async fn eventually_rises(what: &str, mut number: impl AsyncFnMut() -> i64) {
    let mut last = i64::MAX;
    eventually(what, async || {
        let now = number().await;
        std::mem::replace(&mut last, now) < now
    })
    .await;
}

/// Does the same as [`eventually`], without a runtime.
pub fn eventually_blocking(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(POLL);
    }
}

/// Waits until an attempt succeeds, and panics with the last error otherwise. The attempts are
/// farther apart than those of [`eventually`], because they ask several servers.
pub(crate) fn until<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(why) => assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}: {why}"),
        }
        std::thread::sleep(POLL * 5);
    }
}
