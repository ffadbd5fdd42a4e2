//! Attacks on a real master with replicas and sentinels that check the guarantees of the library:
//! nothing is counted twice, each caller gets its own reply, an acknowledged write is lost only if
//! replication loses it, and no write goes to an old master later than a second after a sentinel
//! named the new one.

mod faults;
mod report;
mod witness;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use faults::SentinelFault;
use redis_keyspace::Redis;
pub use report::{SentinelReport, SentinelRun};

use crate::chaos::read;
use crate::load::{LIMIT, Work, audit};
use crate::{RealSentinels, unique_namespace};

/// How long the tasks run before the fault, and after the servers have settled.
const CALM: Duration = Duration::from_millis(300);
/// How long the tasks may take to recover. A longer recovery is reported as this long.
const GIVEN_UP: Duration = Duration::from_secs(20);

/// A master, two replicas and three sentinels, and the fault that disturbs them in each run.
#[derive(Debug)]
pub struct AttackedSentinels {
    fault: SentinelFault,
    servers: Arc<RealSentinels>,
}

impl AttackedSentinels {
    /// Starts the servers.
    pub async fn start(fault: SentinelFault) -> Self {
        let servers = blocking(move || {
            let builder = RealSentinels::builder();
            if fault.needs_links() { builder.links() } else { builder }.start()
        });
        Self { fault, servers: Arc::new(servers.await) }
    }

    /// Connects the handles of two programs, disturbs the servers while tasks use them, waits until
    /// they have settled, and compares the data of the last master with what was acknowledged.
    pub async fn run(&self, nth: usize) -> SentinelRun {
        let (fault, servers) = (self.fault, Arc::clone(&self.servers));
        let prepared = blocking(move || {
            servers.settled();
            servers.node(servers.master()).redis_cli(&["FLUSHALL"]);
            servers.replicated();
        });
        prepared.await;
        let namespace = unique_namespace();
        let handles = connect(&self.servers, &namespace);
        let redis = &handles[0];
        let work = Arc::new(Work::start(&handles).await);
        work.recovered(Instant::now(), GIVEN_UP).await;
        tokio::time::sleep(CALM).await;
        let (servers, watched, handle) =
            (Arc::clone(&self.servers), Arc::clone(&work), tokio::runtime::Handle::current());
        let timeline = blocking(move || {
            servers.replicated();
            let recovered = |since| _ = handle.block_on(watched.recovered(since, GIVEN_UP));
            fault.apply(&servers, &namespace, nth, &recovered)
        });
        let timeline = timeline.await;
        let since = timeline.last_writer_change();
        let recovery = work.recovered(since, GIVEN_UP).await;
        if recovery >= GIVEN_UP {
            eprintln!("{fault} {nth}: not recovered: {:#?}", redis.stats());
        }
        let servers = Arc::clone(&self.servers);
        blocking(move || servers.settled()).await;
        tokio::time::sleep(CALM).await;
        let (progress, ledgers) = work.stop().await;
        let (servers, names) = (Arc::clone(&self.servers), redis.clone());
        let findings = blocking(move || {
            let master = servers.node(servers.master());
            audit(&mut |keys| read(master, keys), &names, ledgers)
        });
        let findings = findings.await;
        for redis in handles {
            redis.close().await;
        }
        SentinelRun::new(fault, nth, timeline, since + recovery, progress, findings)
    }
}

/// The handles differ in an option, so they share no connections.
fn connect(servers: &RealSentinels, namespace: &str) -> [Redis; 2] {
    let addresses = servers.sentinel_addresses();
    [3, 4].map(|exclusive| {
        let builder = Redis::builder()
            .sentinel(RealSentinels::MASTER, addresses.iter().map(ToString::to_string))
            .expect("valid addresses");
        let builder = builder.namespace(namespace).expect("a valid namespace");
        builder.exclusive_connections(exclusive).timeout(LIMIT).build().expect("valid options")
    })
}

async fn blocking<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(body).await.expect("the step succeeds")
}
