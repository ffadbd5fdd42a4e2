//! Workers that share a rate limit: together, they stay within the rate limit of a service. A
//! worker takes a job only when the limit allows it, so no job waits inside a worker that could
//! die.
//!
//! `cargo run --example rate_limited_worker` runs on the embedded server. With `REDIS_URL` set, it
//! runs on that server, in a separate namespace.

use std::time::{Duration, Instant};

use redis_keyspace::command::ListEnd;
use redis_keyspace::rate_limit::Rate;
use redis_keyspace::{Json, Keyspace, List, RateLimit, Redis};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mail {
    to: String,
}

#[derive(Keyspace)]
#[keyspace(prefix = "mail", ttl = none)]
struct MailKeys {
    #[key("waiting:{queue}", hash_tag = queue)]
    waiting: fn(queue: &str) -> List<Json<Mail>>,
    /// What a worker has taken. If it dies, its jobs can be returned to the queue.
    #[key("working:{queue}:{worker}", hash_tag = queue)]
    working: fn(queue: &str, worker: u32) -> List<Json<Mail>>,
    /// The limit of the mail service, for all workers together.
    #[key("limit:{service}")]
    limit: fn(service: &str) -> RateLimit,
}

/// 20 mails per second, and at most 5 at once.
fn rate() -> Rate {
    Rate::per_second(20).burst(5)
}

/// Sends mails until the queue is empty. Returns how many it sent.
async fn work(worker: u32) -> redis_keyspace::Result<u32> {
    let (waiting, working) = (MailKeys::waiting("out"), MailKeys::working("out", worker));
    let limit = MailKeys::limit("mail service");
    let mut sent = 0;
    loop {
        if waiting.llen().await? == 0 {
            return Ok(sent);
        }
        let decision = limit.check(rate()).await?;
        if let Some(pause) = decision.retry_after {
            tokio::time::sleep(pause).await;
            continue;
        }
        // Another worker may have been faster.
        let taken = waiting.lmove(ListEnd::Left, &working, ListEnd::Right).block(Duration::from_millis(100));
        let Some(mail) = taken.await? else { continue };
        println!("worker {worker} sends to {}", mail.to);
        working.lrem(&mail).first(1).await?;
        sent += 1;
    }
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("rate-limited-worker-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();

    let mails: Vec<_> = (0..15).map(|n| Mail { to: format!("customer {n}") }).collect();
    println!("queued: {}", MailKeys::waiting("out").rpush_many(&mails).await?);
    let started = Instant::now();
    let workers: Vec<_> = (1..=3).map(|worker| tokio::spawn(work(worker))).collect();
    let mut sent = 0;
    for worker in workers {
        sent += worker.await.expect("no panic")?;
    }
    let elapsed = started.elapsed();
    println!("sent {sent} mails in {elapsed:?}");
    // 5 at once, and 10 more at 20 per second.
    MailKeys::limit("mail service").del().await?;
    assert!(sent == 15 && elapsed >= Duration::from_millis(400), "{sent} {elapsed:?}");

    redis.close().await;
    Ok(())
}
