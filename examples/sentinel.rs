//! A master behind sentinels during a failover, with a line of progress for each second.
//!
//! `docker compose -f compose.sentinel.yml up --wait` starts a master, two replicas and three
//! sentinels. Then run
//!
//! ```sh
//! REDIS_SENTINELS=127.0.0.1:26379,127.0.0.1:26380 REDIS_SENTINEL_MASTER=mymaster \
//!     cargo run --example sentinel -- 30
//! ```
//!
//! and stop the master, or send `SENTINEL FAILOVER mymaster` to a sentinel, and watch. The first
//! argument is the number of seconds, 3 by default. Without these variables, the example runs on
//! the embedded server, which has no sentinels.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis_keyspace::{Counter, Keyspace, Redis};

#[derive(Keyspace)]
#[keyspace(prefix = "sentinel-example", ttl = "1h")]
struct ExampleKeys {
    visits: fn(page: u64) -> Counter,
}

const PAGES: u64 = 16;

/// What the workers have done since the last line of progress.
#[derive(Default)]
struct Progress {
    succeeded: AtomicU64,
    failed: AtomicU64,
    longest_ms: AtomicU64,
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

fn print_line(second: u64, redis: &Redis, progress: &Progress) {
    let taken = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
    let stats = redis.stats();
    let sentinels = stats.connections.first().and_then(|pool| pool.sentinels.as_ref());
    let named = sentinels.map_or_else(
        || "no sentinels".to_owned(),
        |sentinels| {
            let master = sentinels.master.as_deref().unwrap_or("unknown");
            format!("master {master}, {} of {} sentinels answer", sentinels.answering, sentinels.known)
        },
    );
    println!(
        "{second:>3} s: {:>6} writes, {:>4} failed, the longest took {:>4} ms; {named}",
        taken(&progress.succeeded),
        taken(&progress.failed),
        taken(&progress.longest_ms),
    );
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(3), |argument| argument.parse())?;
    let redis = match std::env::var("REDIS_SENTINELS") {
        Ok(_) => Redis::builder().env()?.build()?,
        Err(_) => Redis::embedded(),
    };
    let redis = redis.install();
    redis.connect().await?;

    let progress = Arc::new(Progress::default());
    let until = Instant::now() + Duration::from_secs(seconds);
    let workers: Vec<_> =
        (0..PAGES).map(|page| tokio::spawn(work(page, until, Arc::clone(&progress)))).collect();
    for second in 1..=seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        print_line(second, &redis, &progress);
    }
    for worker in workers {
        worker.await?;
    }
    ExampleKeys::visits_keys().all().delete().await?;
    redis.close().await;
    Ok(())
}
