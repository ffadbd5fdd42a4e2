//! A job queue on lists that survives crashes. A worker moves each job to its own list, and removes
//! it there after the work. If the worker dies, its jobs go back to the queue.
//!
//! `cargo run --example job_queue` runs on the embedded server. With `REDIS_URL` set, it runs on
//! that server, in a separate namespace.

use std::time::Duration;

use redis_keyspace::command::ListEnd;
use redis_keyspace::{Json, Keyspace, List, Redis};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Mail {
    to: String,
}

/// Queues never expire: a TTL would end all jobs together.
#[derive(Keyspace)]
#[keyspace(prefix = "mail", ttl = none)]
struct MailKeys {
    #[key("waiting:{queue}", hash_tag = queue)]
    waiting: fn(queue: &str) -> List<Json<Mail>>,
    /// What a worker has taken. The hash tag keeps both lists on one node of a cluster.
    #[key("working:{queue}:{worker}", hash_tag = queue)]
    working: fn(queue: &str, worker: u32) -> List<Json<Mail>>,
}

/// Takes jobs until none arrives for a while. Returns how many were done.
async fn work(worker: u32, stop_before_done: bool) -> redis_keyspace::Result<u32> {
    let (waiting, working) = (MailKeys::waiting("out"), MailKeys::working("out", worker));
    let mut done = 0;
    while let Some(mail) =
        waiting.lmove(ListEnd::Left, &working, ListEnd::Right).block(Duration::from_millis(200)).await?
    {
        println!("worker {worker} sends to {}", mail.to);
        if stop_before_done {
            return Ok(done); // the process died
        }
        working.lrem(&mail).first(1).await?;
        done += 1;
    }
    Ok(done)
}

/// Returns the jobs of a worker that died to the queue.
async fn recover(worker: u32) -> redis_keyspace::Result<u32> {
    let (waiting, working) = (MailKeys::waiting("out"), MailKeys::working("out", worker));
    let mut recovered = 0;
    while working.lmove(ListEnd::Right, &waiting, ListEnd::Left).await?.is_some() {
        recovered += 1;
    }
    Ok(recovered)
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    let builder = Redis::builder().namespace("job-queue-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();

    let mails = ["ann", "bob", "cyd"].map(|to| Mail { to: to.to_owned() });
    println!("queued: {}", MailKeys::waiting("out").rpush_many(&mails).await?);

    work(1, true).await?;
    println!("waiting: {}", MailKeys::waiting("out").llen().await?);
    println!("recovered: {}", recover(1).await?);
    println!("sent: {}", work(2, false).await?);
    println!("waiting: {}", MailKeys::waiting("out").llen().await?);

    redis.close().await;
    Ok(())
}
