//! A cluster during a failover, with a line of progress for each second.
//!
//! `cargo run --example cluster` runs on the embedded server, which is a cluster of one node. With
//! `REDIS_NODES=127.0.0.1:7000,127.0.0.1:7001`, it runs on that cluster: `docker compose -f
//! compose.cluster.yml up --wait` starts one. Kill a master, or send `CLUSTER FAILOVER` to a
//! replica, and watch. The first argument is the number of seconds, 3 by default.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis_keyspace::embedded::Server;
use redis_keyspace::{Counter, Key, Keyspace, Redis, Text};

#[derive(Keyspace)]
#[keyspace(prefix = "cluster-example", ttl = "1h")]
struct ExampleKeys {
    visits: fn(page: u64) -> Counter,
    title: fn(page: u64) -> Text,
}

/// The pages, enough to use every master.
const PAGES: u64 = 64;

/// What the workers have done since the last line of progress.
#[derive(Default)]
struct Progress {
    succeeded: AtomicU64,
    failed: AtomicU64,
    longest_ms: AtomicU64,
}

impl Progress {
    fn print(&self, second: u64, redis: &Redis) {
        let taken = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let stats = redis.stats();
        let nodes = stats.connections.iter().flat_map(|pool| &pool.nodes).filter(|node| node.slots > 0);
        let masters: Vec<_> = nodes.map(|node| format!("{} ({} slots)", node.endpoint, node.slots)).collect();
        println!(
            "{second:>3} s: {:>6} writes, {:>4} failed, the longest took {:>4} ms; masters: {}",
            taken(&self.succeeded),
            taken(&self.failed),
            taken(&self.longest_ms),
            masters.join(", ")
        );
    }
}

/// Counts visits until the end.
async fn work(page: u64, until: Instant, progress: Arc<Progress>) {
    while Instant::now() < until {
        let started = Instant::now();
        match ExampleKeys::visits(page).incr().await {
            Ok(_) => progress.succeeded.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                if progress.failed.fetch_add(1, Ordering::Relaxed) == 0 {
                    println!("       {error}");
                }
                0
            }
        };
        let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        progress.longest_ms.fetch_max(took, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(3), |argument| argument.parse())?;
    let redis = if std::env::var("REDIS_NODES").is_ok() {
        Redis::builder().env()?.build()?
    } else {
        Redis::builder().embedded(Server::builder().cluster().build()).build()?
    };
    let redis = redis.install();
    redis.connect().await?;

    // Many keys in one call: one request to each master, all at the same time.
    Key::set_many((0..PAGES).map(|page| (ExampleKeys::title(page), format!("Page {page}")))).await?;
    let titles = Key::get_many((0..PAGES).map(ExampleKeys::title)).await?;
    println!("{} titles on {} nodes", titles.iter().flatten().count(), redis.health().await.nodes.len());

    let progress = Arc::new(Progress::default());
    let until = Instant::now() + Duration::from_secs(seconds);
    let workers: Vec<_> =
        (0..PAGES).map(|page| tokio::spawn(work(page, until, Arc::clone(&progress)))).collect();
    for second in 1..=seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        progress.print(second, &redis);
    }
    for worker in workers {
        worker.await?;
    }

    // Every master is scanned.
    let deleted = ExampleKeys::visits_keys().all().delete().await?;
    println!("{} counters deleted", deleted.affected);
    ExampleKeys::title_keys().all().delete().await?;
    redis.close().await;
    Ok(())
}
