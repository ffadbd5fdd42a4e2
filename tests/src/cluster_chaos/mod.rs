//! Attacks on real clusters that check the guarantees of the library: nothing is counted twice,
//! each caller gets its own reply, an acknowledged write is lost only if replication loses it, and
//! the promises of fills, groups, locks, `Once`, updates and scans are kept.

mod faults;
mod network;
mod reader;
mod report;
mod slots;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use faults::ClusterFault;
use network::Network;
use reader::Reader;
use redis_keyspace::Redis;
pub use report::{Report, Run};

use crate::load::{LIMIT, Work, audit};
use crate::{RealCluster, clients_of_program, unique_namespace};

/// How long the tasks run before the fault, and after the cluster has settled.
const CALM: Duration = Duration::from_millis(300);
/// How long closed handles may take to close their connections.
const CLOSING: Duration = Duration::from_secs(30);
/// How long the tasks may take to recover. A longer recovery is reported as this long.
const GIVEN_UP: Duration = Duration::from_secs(20);

/// A cluster of three masters and three replicas, and the fault that disturbs it in each run.
#[derive(Debug)]
pub struct Attacked {
    fault: ClusterFault,
    cluster: Arc<RealCluster>,
}

impl Attacked {
    /// Starts the cluster.
    pub async fn start(fault: ClusterFault) -> Self {
        let cluster = blocking(move || {
            let builder = RealCluster::builder();
            fault.settings().iter().fold(builder, |builder, word| builder.arg(*word)).start()
        });
        Self { fault, cluster: Arc::new(cluster.await) }
    }

    /// Connects the handles of two programs, disturbs the cluster while tasks use them, waits until
    /// the cluster has settled, and compares its data with what was acknowledged.
    pub async fn run(&self, nth: usize) -> Run {
        let (fault, cluster) = (self.fault, Arc::clone(&self.cluster));
        let target = blocking(move || {
            cluster.settled();
            for master in cluster.masters() {
                cluster.node(master).redis_cli(&["FLUSHALL"]);
            }
            cluster.replicated();
            let masters = cluster.masters();
            masters[nth % masters.len()]
        });
        let target = target.await;
        let network = Arc::new(Network::new(&self.cluster, fault.needs_proxies()));
        let handles = connect(&network);
        let redis = &handles[0];
        let work = Arc::new(Work::start(&handles).await);
        work.recovered(Instant::now(), GIVEN_UP).await;
        tokio::time::sleep(CALM).await;
        let (cluster, watched, handle) =
            (Arc::clone(&self.cluster), Arc::clone(&work), tokio::runtime::Handle::current());
        let timeline = blocking(move || {
            cluster.replicated();
            let recovered = |since| handle.block_on(watched.recovered(since, GIVEN_UP));
            fault.apply(&cluster, &network, target, &recovered)
        });
        let timeline = timeline.await;
        let recovery = work.recovered(timeline.reference, GIVEN_UP).await;
        if recovery >= GIVEN_UP {
            eprintln!("{fault} {nth}: not recovered: {:#?}", redis.stats());
        }
        let cluster = Arc::clone(&self.cluster);
        blocking(move || cluster.settled()).await;
        tokio::time::sleep(CALM).await;
        let (progress, ledgers) = work.stop().await;
        let (cluster, names) = (Arc::clone(&self.cluster), redis.clone());
        let findings = blocking(move || {
            let mut reader = Reader::new(&cluster);
            audit(&mut |keys| reader.read(keys), &names, ledgers)
        });
        let findings = findings.await;
        for redis in handles {
            redis.close().await;
        }
        let cluster = Arc::clone(&self.cluster);
        let open = blocking(move || open_connections(&cluster)).await;
        Run::new(fault, nth, timeline, recovery, progress, findings, open)
    }
}

/// The handles differ in an option, so they share no connections.
fn connect(network: &Arc<Network>) -> [Redis; 2] {
    let namespace = unique_namespace();
    [3, 4].map(|exclusive| {
        let names = Arc::clone(network);
        let builder = Redis::builder().url(&network.url()).expect("a valid URL");
        let builder = builder.namespace(&namespace).expect("a valid namespace");
        let builder = builder.address_map(move |host, port| names.translate(host, port));
        builder.exclusive_connections(exclusive).timeout(LIMIT).build().expect("valid options")
    })
}

/// Returns how many connections the closed handles still have.
fn open_connections(cluster: &RealCluster) -> usize {
    let closed = Instant::now();
    loop {
        let open = cluster.live().into_iter().map(|node| clients_of_program(cluster.node(node))).sum();
        if open == 0 || closed.elapsed() > CLOSING {
            return open;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

async fn blocking<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(body).await.expect("the step succeeds")
}
