//! Attacks on real clusters that check the guarantees of the library: nothing is counted twice,
//! each caller gets its own reply, and an acknowledged write is lost only if replication loses it.

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

use crate::load::{Load, Work, audit};
use crate::{RealCluster, unique_namespace};

/// The timeout of a command.
const LIMIT: Duration = Duration::from_secs(5);
/// How long the tasks run before the fault, and after the cluster has settled.
const CALM: Duration = Duration::from_millis(300);
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

    /// Connects one handle, disturbs the cluster while the tasks use the handle, waits until the
    /// cluster has settled, and compares its data with what was acknowledged.
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
        let redis = connect(&network);
        let work = Arc::new(Work::start(&redis, Load::Commands).await);
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
        redis.close().await;
        Run::new(fault, nth, timeline, recovery, progress, findings)
    }
}

fn connect(network: &Arc<Network>) -> Redis {
    let names = Arc::clone(network);
    let builder = Redis::builder().url(&network.url()).expect("a valid URL");
    let builder = builder.namespace(unique_namespace()).expect("a valid namespace");
    let builder = builder.address_map(move |host, port| names.translate(host, port));
    builder.timeout(LIMIT).build().expect("valid options")
}

async fn blocking<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(body).await.expect("the step succeeds")
}
