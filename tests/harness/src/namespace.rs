use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A namespace that no other test has, in this process or another one: letters, digits and dashes only.
///
/// Tests that share a server isolate themselves with it.
pub fn unique_namespace() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    // Process ids come round again on a long-lived server, hence the clock.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_micros();
    format!("t{now:x}-{:x}-{nth:x}", std::process::id())
}
