//! The addresses of a host name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex};

use tokio::net::lookup_host;
use tokio::runtime::{Handle, Id};
use tokio::sync::watch;

use crate::sync::lock;

/// What a lookup found. `None` until it has ended.
type LookupOutcome = Option<Result<Vec<IpAddr>, (io::ErrorKind, Arc<str>)>>;
type Lookups = HashMap<(Id, String), watch::Receiver<LookupOutcome>>;

/// The lookups that are running, by runtime and name. A lookup occupies a thread of the runtime
/// even after its callers have stopped waiting. If the name service does not answer, that takes
/// much longer than an attempt to connect.
static RUNNING: LazyLock<Mutex<Lookups>> = LazyLock::new(Mutex::default);

/// Removes a lookup when it has ended, or its runtime.
struct Running(Id, String);

impl Drop for Running {
    fn drop(&mut self) {
        lock(&RUNNING).remove(&(self.0, std::mem::take(&mut self.1)));
    }
}

/// Returns the addresses of a host, in the order of the resolver. Callers that ask for the same
/// name at the same time share one lookup.
pub(super) async fn resolve(host: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let mut found = lookup(host);
    let found = found.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
    match found {
        Some(Ok(addresses)) => Ok(addresses),
        Some(Err((kind, text))) => Err(io::Error::new(kind, &*text)),
        None => Err(io::Error::new(io::ErrorKind::Interrupted, "the lookup of the name was interrupted")),
    }
}

/// Returns the running lookup of a name, or starts one.
fn lookup(host: &str) -> watch::Receiver<LookupOutcome> {
    let runtime = Handle::current();
    let mut running = lock(&RUNNING);
    let (report, found) = watch::channel(None);
    match running.entry((runtime.id(), host.to_owned())) {
        Entry::Occupied(other) => return other.get().clone(),
        Entry::Vacant(place) => place.insert(found.clone()),
    };
    drop(running);
    let of_task = Running(runtime.id(), host.to_owned());
    runtime.spawn(async move {
        let looked_up = lookup_host((of_task.1.as_str(), 0)).await;
        let addresses = looked_up.map(|addresses| addresses.map(|address| address.ip()).collect());
        // The next caller starts another lookup.
        drop(of_task);
        report.send_replace(Some(addresses.map_err(|error| (error.kind(), error.to_string().into()))));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn callers_share_a_lookup_and_later_ones_start_another() {
        let (one, two) = tokio::join!(resolve("localhost"), resolve("localhost"));
        let addresses = one.unwrap();
        assert!(addresses.iter().all(IpAddr::is_loopback) && !addresses.is_empty(), "{addresses:?}");
        assert_eq!(two.unwrap(), addresses);
        assert!(!lock(&RUNNING).keys().any(|(runtime, _)| *runtime == Handle::current().id()));
        assert_eq!(resolve("localhost").await.unwrap(), addresses);
        assert_eq!(resolve("127.0.0.9").await.unwrap(), ["127.0.0.9".parse::<IpAddr>().unwrap()]);
    }

    #[tokio::test]
    async fn a_dropped_caller_does_not_make_the_next_one_start_another_lookup() {
        let first = lookup("localhost");
        let second = lookup("localhost");
        assert!(first.same_channel(&second), "the lookup starts when this task waits");
        drop((first, second));
        resolve("localhost").await.unwrap();
    }

    #[test]
    fn a_lookup_ends_with_its_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let id = runtime.handle().id();
        // The runtime never runs the task.
        let mut found = runtime.block_on(async { lookup("localhost") });
        drop(runtime);
        assert!(!lock(&RUNNING).keys().any(|(of, _)| *of == id));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(found.changed()).is_err() || found.borrow().is_some());
    }
}
