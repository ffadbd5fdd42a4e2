use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Returns a namespace that no other test uses, in this process or another one. It consists of
/// letters, digits and dashes.
///
/// Tests that share a server use it to isolate themselves.
pub fn unique_namespace() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    // Process ids repeat during the life of a server, so the clock is part of the name.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_micros();
    format!("t{now:x}-{:x}-{nth:x}", std::process::id())
}
