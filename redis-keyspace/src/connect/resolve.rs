//! The addresses of a host name.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::runtime::{Handle, Id};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::sync::lock;
use crate::task::spawn;

/// What a lookup found. `None` until it has ended.
type LookupOutcome = Option<Result<Vec<SocketAddr>, (io::ErrorKind, Arc<str>)>>;

/// A lookup that is running.
struct RunningLookup {
    since: Instant,
    found: watch::Receiver<LookupOutcome>,
}

type Lookups = HashMap<(Id, String), Vec<RunningLookup>>;

/// The lookups that are running, by runtime and name. A lookup occupies a thread of the runtime
/// even after its callers have stopped waiting. If the name service does not answer, that takes
/// much longer than an attempt to connect.
static RUNNING: LazyLock<Mutex<Lookups>> = LazyLock::new(Mutex::default);

/// Callers share a lookup that is younger. An older one may wait for a name service that was down,
/// and not notice that it is back.
const SHARED: Duration = Duration::from_secs(1);
/// The maximum number of lookups of a name at the same time.
const MOST: usize = 3;

/// Removes a lookup when it has ended, or its runtime.
struct LookupEnd {
    name: (Id, String),
    report: watch::Sender<LookupOutcome>,
}

impl Drop for LookupEnd {
    fn drop(&mut self) {
        let mut running = lock(&RUNNING);
        if let Some(lookups) = running.get_mut(&self.name) {
            lookups.retain(|lookup| !lookup.found.same_channel(&self.report.subscribe()));
            if lookups.is_empty() {
                running.remove(&self.name);
            }
        }
    }
}

/// Returns the addresses of a host, in the order of the resolver. Callers that ask for the same
/// name at the same time share one lookup.
pub(super) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let mut found = lookup(host);
    let found = found.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
    match found {
        Some(Ok(mut addresses)) => {
            // An address may have a zone, so only the port is replaced.
            addresses.iter_mut().for_each(|address| address.set_port(port));
            Ok(addresses)
        }
        Some(Err((kind, text))) => Err(io::Error::new(kind, &*text)),
        None => Err(io::Error::new(io::ErrorKind::Interrupted, "the lookup of the name was interrupted")),
    }
}

/// Returns a running lookup of a name, or starts one.
fn lookup(host: &str) -> watch::Receiver<LookupOutcome> {
    let runtime = Handle::current();
    let name = (runtime.id(), host.to_owned());
    let mut running = lock(&RUNNING);
    let lookups = running.entry(name.clone()).or_default();
    if let Some(last) = lookups.last()
        && (last.since.elapsed() < SHARED || lookups.len() == MOST)
    {
        return last.found.clone();
    }
    let (report, found) = watch::channel(None);
    lookups.push(RunningLookup { since: Instant::now(), found: found.clone() });
    drop(running);
    let ending = LookupEnd { name, report };
    spawn(&runtime, async move {
        let looked_up = lookup_host((ending.name.1.as_str(), 0)).await;
        let addresses = looked_up.map(Iterator::collect);
        let report = ending.report.clone();
        // The next caller starts another lookup.
        drop(ending);
        report.send_replace(Some(addresses.map_err(|error| (error.kind(), error.to_string().into()))));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running_here() -> usize {
        let here = Handle::current().id();
        lock(&RUNNING).iter().filter(|((of, _), _)| *of == here).map(|(_, lookups)| lookups.len()).sum()
    }

    #[tokio::test]
    async fn callers_share_a_lookup_and_later_ones_start_another() {
        let (one, two) = tokio::join!(resolve("localhost", 7), resolve("localhost", 8));
        let addresses = one.unwrap();
        let is_local = |address: &SocketAddr| address.ip().is_loopback() && address.port() == 7;
        assert!(addresses.iter().all(is_local) && !addresses.is_empty(), "{addresses:?}");
        assert_eq!(two.unwrap()[0].port(), 8);
        assert_eq!(running_here(), 0);
        assert_eq!(resolve("localhost", 7).await.unwrap(), addresses);
        assert_eq!(resolve("127.0.0.9", 7).await.unwrap(), ["127.0.0.9:7".parse().unwrap()]);
    }

    #[test]
    fn a_lookup_that_takes_long_is_not_waited_for_alone() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        // They do not start, because the runtime does not run.
        let mut lookups = Vec::new();
        for nth in 0..5 {
            lookups.push(lookup("localhost"));
            assert!(lookup("localhost").same_channel(&lookups[nth]), "it is young");
            assert_eq!(running_here(), (nth + 1).min(MOST));
            let name = (Handle::current().id(), "localhost".to_owned());
            for running in lock(&RUNNING).get_mut(&name).unwrap() {
                running.since -= SHARED;
            }
        }
        assert!(lookups[4].same_channel(&lookups[2]), "there are at most so many");
        for found in &mut lookups {
            runtime.block_on(found.wait_for(Option::is_some)).unwrap();
        }
        assert_eq!(running_here(), 0);
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
        assert!(runtime.block_on(found.changed()).is_err());
    }
}
