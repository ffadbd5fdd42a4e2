//! A job queue on a stream: workers with retries, and dead letters for jobs that keep failing. If a
//! worker dies, another one takes its jobs over.
//!
//! `cargo run --example stream_worker` runs on the embedded server. With `REDIS_URL` set, it runs
//! on that server, in a separate namespace.

use std::time::Duration;

use redis_keyspace::stream::ReadFrom;
use redis_keyspace::worker::{DeadLetter, Job, WorkerEvent};
use redis_keyspace::{Json, Keyspace, Redis, Stream};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

#[derive(Debug, Serialize, Deserialize)]
struct Mail {
    to: String,
}

/// Queues never expire, so they declare how long they grow. The hash tag keeps both streams on one
/// node of a cluster, because a script moves jobs between them.
#[derive(Keyspace)]
#[keyspace(prefix = "mail", ttl = none)]
struct MailKeys {
    #[key("{{mail}}:waiting", trim = "~100000")]
    waiting: Stream<Json<Mail>>,
    /// What could not be sent.
    #[key("{{mail}}:dead", trim = "~1000")]
    dead: Stream<Json<Mail>>,
}

/// The effect. It must be idempotent, because a job may run twice; the ID of the job identifies it.
async fn send(job: Job<Mail>) -> Result<(), String> {
    let Job { value: mail, id, deliveries, .. } = job;
    match mail.to.as_str() {
        "no-one" => Err("no such address".to_owned()),
        "flaky" if deliveries == 1 => panic!("the connection broke"),
        to => {
            println!("sent to {to} as {id} in attempt {deliveries}");
            Ok(())
        }
    }
}

#[tokio::main]
async fn main() -> redis_keyspace::Result<()> {
    // A handler that panics is no reason to stop; the worker reports it.
    std::panic::set_hook(Box::new(|_| {}));
    let builder = Redis::builder().namespace("stream-worker-example")?;
    let redis = match std::env::var_os("REDIS_URL") {
        Some(_) => builder.env()?.build()?,
        None => builder.embedded(redis_keyspace::embedded::Server::new()).build()?,
    };
    redis.clone().install();

    for to in ["ann", "no-one", "flaky", "bob"] {
        MailKeys::waiting().xadd(&Mail { to: to.to_owned() }).await?;
    }

    // A worker that dies with a job: another one takes it over.
    let senders = MailKeys::waiting().group("senders");
    senders.create(ReadFrom::Start).await?;
    let taken = senders.read("crashed").count(1).await?;
    println!("a worker died with the mail to {}", taken[0].value.to);

    // A service would stop on a signal instead: `.until(async { ctrl_c().await.ok(); })`.
    let (stop, mut stopped) = watch::channel(());
    let stats = senders
        .worker("sender")
        .concurrency(4)
        .retries(2)
        .backoff(Duration::from_millis(20), Duration::from_secs(1))
        // Short, for the example. A minute is usual.
        .min_idle(Duration::from_millis(300))
        .dead_letter(&MailKeys::dead())
        .delete_done()
        .on_event(|event| match event {
            WorkerEvent::Failed { error, .. } => println!("failed, trying again: {error}"),
            WorkerEvent::Dead { deliveries, error, .. } => {
                println!("given up after {deliveries} attempts: {error}");
            }
            event => println!("{event:?}"),
        })
        .until(async move {
            let _ = stopped.changed().await;
        })
        .run(send);
    let stats = tokio::spawn(stats);

    // All jobs are done when the stream is empty.
    while MailKeys::waiting().xlen().await? > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(stop);
    let stats = stats.await.expect("the worker does not panic")?;
    println!("succeeded: {}, dead: {}", stats.succeeded, stats.dead);

    for entry in MailKeys::dead().xrange(..).raw().await? {
        let mail = entry.decode::<Json<Mail>>()?;
        if let Some(letter) = DeadLetter::of(&entry) {
            println!("dead: mail to {}, {} attempts: {}", mail.to, letter.deliveries, letter.error);
        }
    }
    MailKeys::waiting().del().await?;
    MailKeys::dead().del().await?;
    redis.close().await;
    Ok(())
}
