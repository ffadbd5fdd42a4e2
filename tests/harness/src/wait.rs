//! Waiting for events, with a limit that only guards against hanging.

use std::future::Future;
use std::time::{Duration, Instant};

/// The limit of every wait that must succeed. It is far above what any test takes on a busy machine, so that reaching it means
/// a hang, never a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How often a condition is looked at that sends no notification.
const POLL: Duration = Duration::from_millis(2);

/// Runs a future on a runtime of several threads; panics when it takes longer than the limit.
pub fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let outcome = runtime.block_on(async { tokio::time::timeout(limit, future).await });
    // A task that a failed test left behind must not hold up the end.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|_| panic!("the test was not done within {limit:?}"))
}

/// Waits for a condition that sends no notification, such as the state of a server; panics after [`PATIENCE`].
///
/// The limit is measured in real time, so this also works on a paused clock.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until a number that falls by itself has risen, such as what is left of a lifetime that is renewed.
pub async fn eventually_rises(what: &str, mut number: impl AsyncFnMut() -> i64) {
    let mut last = i64::MAX;
    eventually(what, async || {
        let now = number().await;
        std::mem::replace(&mut last, now) < now
    })
    .await;
}

/// The same as [`eventually`] without a runtime.
pub fn eventually_blocking(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(POLL);
    }
}
