//! A delivery of a job counts if, and only if, its handler ran: a job runs at most `retries + 1`
//! times, and does not become a dead letter before.

use std::time::Duration;

use redis_keyspace::embedded::{Fault, Server};
use redis_keyspace::worker::{DeadLetter, WorkerEvent};
use redis_keyspace::{Key, Redis, Stream};
use redis_keyspace_tests::{PATIENCE, both_servers, eventually, raw, wire, within};

use crate::workers::{Jobs, Runs, add, run_until_done, stoppable};

const BRIEF: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);
/// So long that what waits for it never ends in a test.
const ENDLESS: Duration = Duration::from_secs(7 * 24 * 3600);

/// The deliveries that the only dead letter reports.
async fn dead_after(id: u64) -> u64 {
    let dead = Jobs::dead(id).xrange(..).raw().await.unwrap();
    let [letter] = &dead[..] else { panic!("{dead:?}") };
    DeadLetter::of(letter).unwrap().deliveries
}

/// Leaves an entry pending for a consumer that ended, after this many deliveries.
async fn abandon(redis: &Redis, waiting: &Key<Jobs, Stream<u64>>, deliveries: u64) {
    let group = waiting.group("workers");
    group.create(redis_keyspace::stream::ReadFrom::Start).await.unwrap();
    let [entry] = &group.read("ghost").count(1).await.unwrap()[..] else { panic!("one entry") };
    let (name, id, count) = (waiting.wire_key().unwrap(), entry.id.to_string(), deliveries.to_string());
    let idle = (2 * ENDLESS).as_millis().to_string();
    let claim =
        ["XCLAIM", &name, "workers", "ghost", "0", &id, "IDLE", &idle, "RETRYCOUNT", &count, "JUSTID"];
    assert_eq!(raw::<Vec<String>>(redis, &claim).await, [id]);
}

/// The retry was claimed, but the worker does not know it: the second claim must find the entry.
#[test]
fn a_claim_of_a_retry_whose_reply_was_lost_is_no_delivery() {
    let server = Server::new();
    within(
        PATIENCE,
        Redis::with_embedded_server(server.clone()).scope(async {
            for (id, fault) in [(80, Fault::close_after()), (81, Fault::close_before())] {
                let waiting = add(id, 0..1).await;
                let (runs, lost) = (Runs::default(), server.inject(fault.on("XCLAIM").times(1)));
                let noted = runs.clone();
                let worker =
                    waiting.group("workers").worker("worker").retries(2).dead_letter(&Jobs::dead(id));
                let worker = worker.backoff(BRIEF, BRIEF).min_idle(ENDLESS);
                let stats = run_until_done(&waiting, worker, move |job| {
                    noted.note(&job);
                    Err("no".to_owned())
                })
                .await;
                assert_eq!((lost.hits(), stats.dead, stats.lost), (1, 1, 0), "{stats:?}");
                assert_eq!((runs.of(0), dead_after(id).await), (vec![1, 2, 3], 3));
            }
        }),
    );
}

/// More jobs than one command corrects.
#[test]
fn a_lost_claim_of_many_retries_is_no_delivery() {
    const JOBS: u64 = 250;
    let server = Server::new();
    within(
        PATIENCE,
        Redis::with_embedded_server(server.clone()).scope(async {
            let waiting = add(86, 0..JOBS).await;
            let (runs, lost) = (Runs::default(), server.inject(Fault::close_after().on("XCLAIM").times(2)));
            let noted = runs.clone();
            let worker = waiting.group("workers").worker("worker").retries(1).dead_letter(&Jobs::dead(86));
            // All of them are due together.
            let worker = worker.concurrency(JOBS as usize).backoff(SECOND, SECOND).min_idle(ENDLESS);
            let stats = run_until_done(&waiting, worker, move |job| {
                noted.note(&job);
                Err("no".to_owned())
            })
            .await;
            assert_eq!((lost.hits(), stats.dead), (2, JOBS), "{stats:?}");
            for job in 0..JOBS {
                assert_eq!(runs.of(job), [1, 2], "{job}");
            }
        }),
    );
}

#[test]
fn a_lost_claim_of_an_abandoned_job_is_no_delivery() {
    let server = Server::new();
    let redis = Redis::with_embedded_server(server.clone());
    within(
        PATIENCE,
        redis.scope(async {
            let waiting = add(82, 0..1).await;
            abandon(&redis, &waiting, 1).await;
            let (runs, lost) =
                (Runs::default(), server.inject(Fault::close_after().on("XAUTOCLAIM").times(1)));
            let noted = runs.clone();
            let worker = waiting.group("workers").worker("worker").retries(1).dead_letter(&Jobs::dead(82));
            let stats = run_until_done(&waiting, worker.min_idle(ENDLESS), move |job| {
                noted.note(&job);
                Ok(())
            })
            .await;
            assert_eq!((lost.hits(), stats.succeeded, runs.of(0)), (1, 1, vec![2]), "{stats:?}");
        }),
    );
}

/// The worker releases what was claimed, and fails in between: the first entry is released once.
#[test]
fn an_entry_is_released_once() {
    let server = Server::new();
    let redis = Redis::with_embedded_server(server.clone());
    within(
        PATIENCE,
        redis.scope(async {
            let waiting = add(87, 0..2).await;
            abandon(&redis, &waiting, 2).await;
            abandon(&redis, &waiting, 2).await;
            let lost = server.inject(Fault::close_after().on("XAUTOCLAIM").times(1));
            // The first script is sent whole, the second by its digest.
            let failed = server.inject(Fault::error("ERR not now").on("EVALSHA").times(1));
            let runs = Runs::default();
            let noted = runs.clone();
            let worker = waiting.group("workers").worker("worker").retries(2).dead_letter(&Jobs::dead(87));
            let stats = run_until_done(&waiting, worker.min_idle(ENDLESS), move |job| {
                noted.note(&job);
                Ok(())
            })
            .await;
            assert_eq!((lost.hits(), failed.hits(), stats.succeeded), (1, 1, 2), "{stats:?}");
            assert_eq!((runs.of(0), runs.of(1)), (vec![3], vec![3]));
        }),
    );
}

/// Without the number of its deliveries, a job that was delivered too often would run once more.
#[test]
fn a_job_whose_deliveries_are_unknown_is_asked_for_again() {
    let server = Server::new();
    let redis = Redis::with_embedded_server(server.clone());
    within(
        PATIENCE,
        redis.scope(async {
            for (id, deliveries) in [(83, 1), (84, 2)] {
                let waiting = add(id, 0..1).await;
                abandon(&redis, &waiting, deliveries).await;
                let (runs, failed) =
                    (Runs::default(), server.inject(Fault::error("ERR not now").on("XPENDING").times(1)));
                let noted = runs.clone();
                let worker =
                    waiting.group("workers").worker("worker").retries(1).dead_letter(&Jobs::dead(id));
                let stats = run_until_done(&waiting, worker.min_idle(ENDLESS), move |job| {
                    noted.note(&job);
                    Err("no".to_owned())
                })
                .await;
                assert_eq!((failed.hits(), stats.dead), (1, 1), "{stats:?}");
                // The first one has one more run. The second one had all of its runs.
                let expected: &[u64] = if deliveries == 1 { &[2] } else { &[] };
                assert_eq!(runs.of(0), expected);
            }
        }),
    );
}

both_servers! {
    /// The last run failed, and the job can't be moved. When the worker stops, it lets others claim
    /// the job at once, with all of its deliveries.
    async fn a_job_that_had_its_last_run_does_not_run_again(redis: Redis) {
        let (waiting, dead) = (add(85, 0..1).await, Jobs::dead(85));
        let group = waiting.group("workers");
        let worker = group.worker("worker").min_idle(ENDLESS).retries(0).dead_letter(&dead);
        let failed = std::sync::Arc::new(tokio::sync::Notify::new());
        let noted = std::sync::Arc::clone(&failed);
        let (worker, stop) = stoppable(worker.on_event(move |event| {
            if let WorkerEvent::CommandFailed(_) = event {
                noted.notify_one();
            }
        }));
        let (other_program, name) = (redis.clone(), wire(&dead));
        let running = worker.run(move |_| {
            let (redis, name) = (other_program.clone(), name.clone());
            async move {
                raw::<()>(&redis, &["SET", &name, "text"]).await;
                Err("no")
            }
        });
        let (ended, ()) = tokio::join!(running, async {
            failed.notified().await;
            drop(stop);
        });
        let stats = ended.unwrap();
        assert_eq!((stats.failed, stats.dead), (1, 0), "{stats:?}");
        let released = async || group.pending_entries(..).await.unwrap();
        eventually("the entry is released", async || released().await[0].idle > Duration::from_secs(3600)).await;
        assert_eq!(released().await[0].deliveries, 1);
        assert!(dead.del().await.unwrap());
        let worker = group.worker("worker").retries(0).dead_letter(&dead);
        let runs = Runs::default();
        let noted = runs.clone();
        let stats = run_until_done(&waiting, worker, move |job| {
            noted.note(&job);
            Ok(())
        })
        .await;
        assert_eq!((stats.dead, runs.jobs()), (1, 0), "it does not run again: {stats:?}");
    }
}
