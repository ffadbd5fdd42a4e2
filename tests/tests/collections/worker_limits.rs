//! Workers with many failing jobs, lost deliveries, few permissions, and options at their limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis_keyspace::embedded::{Fault, Server};
use redis_keyspace::stream::{ReadFrom, StreamId};
use redis_keyspace::worker::WorkerEvent;
use redis_keyspace::{Keyspace, Redis, Stream};
use redis_keyspace_tests::{
    Fault as ProxyFault, PATIENCE, Proxy, RealServer, both_servers, eventually, require_in_scripts, within,
};

use crate::workers::{Jobs, Runs, add, is_done, run_until_done, stoppable};

const BRIEF: Duration = Duration::from_millis(10);
/// So long that what waits for it never ends in a test.
const ENDLESS: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many jobs of one worker wait for their next run at most.
const MOST_WAITING: u64 = 10_000;

#[derive(Keyspace)]
#[keyspace(prefix = "limits", ttl = none)]
struct Limits {
    #[key("waiting:{id}", hash_tag = id, trim = none)]
    waiting: fn(id: u64) -> Stream<u64>,
    #[key("dead:{id}", hash_tag = id, ttl = "1h")]
    dead: fn(id: u64) -> Stream<u64>,
}

both_servers! {
    async fn as_many_jobs_as_possible_may_run(_redis: Redis) {
        let waiting = add(50, 0..3).await;
        let worker = waiting.group("workers").worker("worker").concurrency(usize::MAX);
        assert_eq!(run_until_done(&waiting, worker, |_| Ok(())).await.succeeded, 3);
    }

    /// The pause is longer than what a clock can count.
    async fn an_endless_pause_is_kept(_redis: Redis) {
        let waiting = add(51, 0..1).await;
        let delays = Arc::new(AtomicU64::new(0));
        let noted = Arc::clone(&delays);
        // Not a brief time: a worker that is held up for longer claims its own jobs.
        let worker = waiting.group("workers").worker("worker").min_idle(PATIENCE);
        let worker = worker.backoff(Duration::MAX, Duration::MAX).on_event(move |event| {
            if let WorkerEvent::Failed { delay, .. } = event {
                noted.store(delay.as_secs(), Ordering::Relaxed);
            }
        });
        let (worker, stop) = stoppable(worker);
        let stats = worker.stats();
        let running = worker.run(|_| std::future::ready(Err("no")));
        let (ended, ()) = tokio::join!(running, async {
            eventually("the failure is reported", async || delays.load(Ordering::Relaxed) > 0).await;
            // Time for other runs, if there were any.
            waiting.xadd(&1).await.unwrap();
            eventually("another job ran", async || stats.get().failed >= 2).await;
            drop(stop);
        });
        assert_eq!(ended.unwrap().claimed, 0);
    }

    /// The group was set back, so entries before those that are pending will be delivered again.
    async fn trimming_leaves_what_a_group_that_was_set_back_still_reads(_redis: Redis) {
        let waiting = add(52, 0..10).await;
        let (slow, fast) = (waiting.group("slow"), waiting.group("workers"));
        for group in [&slow, &fast] {
            group.create(ReadFrom::Start).await.unwrap();
        }
        let read = slow.read("one").count(8).await.unwrap();
        slow.ack(read.iter().take(7).map(|entry| entry.id)).await.unwrap();
        slow.set_id(ReadFrom::After(read[1].id)).await.unwrap();
        let (worker, stop) = stoppable(fast.worker("worker").min_idle(BRIEF).trim_done());
        let (stats, ()) = tokio::join!(worker.run(|_| std::future::ready(Ok::<(), String>(()))), async {
            eventually("what both have read is trimmed", async || waiting.xlen().await.unwrap() < 10).await;
            drop(stop);
        });
        stats.unwrap();
        let left = slow.read("one").await.unwrap();
        assert_eq!(left.iter().map(|entry| entry.value).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7, 8, 9]);
    }

    /// What is added between the loss of the group and its creation is not skipped.
    async fn a_group_that_starts_at_the_end_loses_nothing_when_it_is_created_again(_redis: Redis) {
        let waiting = add(53, 0..5).await;
        let runs = Runs::default();
        let noted = runs.clone();
        let group = waiting.group("workers");
        let (worker, stop) = stoppable(group.worker("worker").start_at(ReadFrom::End));
        let running = worker.run(move |job| {
            noted.note(&job);
            std::future::ready(Ok::<(), String>(()))
        });
        let (stats, ()) = tokio::join!(running, async {
            eventually("the group is there", async || !waiting.groups().await.unwrap().is_empty()).await;
            waiting.xadd(&5).await.unwrap();
            eventually("only the new job runs", async || runs.jobs() == 1).await;
            eventually("it is done", async || is_done(&waiting, "workers").await).await;
            for round in 1..=4 {
                // Before the worker can notice.
                let redis = Redis::current().unwrap();
                redis.transaction((group.destroy(), waiting.xadd(&(100 + round)))).await.unwrap();
                eventually("the job runs", async || !runs.of(100 + round).is_empty()).await;
            }
            drop(stop);
        });
        assert_eq!((stats.unwrap().recreated, runs.jobs()), (4, 5));
    }
}

/// While a service is down, all jobs fail at once. They must not all wait in one worker.
#[tokio::test(start_paused = true)]
async fn a_worker_holds_a_limited_number_of_failed_jobs() {
    let redis = Redis::embedded();
    redis
        .scope(async {
            let waiting = Limits::waiting(1);
            let jobs: Vec<_> = (0..MOST_WAITING + 1000).map(|job| waiting.xadd(&job)).collect();
            redis.batch(jobs).await.unwrap();
            let group = waiting.group("workers");
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let worker = group.worker("worker").concurrency(64).min_idle(ENDLESS).backoff(ENDLESS, ENDLESS);
            let worker = worker.until(async { drop(stopped.await) });
            let stats = worker.stats();
            let (ended, ()) = tokio::join!(worker.run(|_| std::future::ready(Err("no"))), async {
                eventually("many failed", async || stats.get().failed >= MOST_WAITING).await;
                tokio::time::sleep(Duration::from_secs(60)).await;
                drop(stop);
            });
            // Those that ran when the limit was reached may fail, too.
            let limit = MOST_WAITING + 64;
            let (read, pending) = (ended.unwrap().read, group.pending().await.unwrap().count);
            assert!(read <= limit && pending == read, "{read} were read, {pending} are pending");
        })
        .await;
}

/// A job whose only delivery got lost on its way has never run, so it is not a dead letter.
#[test]
fn a_delivery_whose_reply_was_lost_does_not_count() {
    let server = Server::new();
    within(
        PATIENCE,
        Redis::with_embedded_server(server.clone()).scope(async {
            let waiting = add(54, 0..3).await;
            let lost = server.inject(Fault::close_after().on("XREADGROUP").times(1));
            let worker = waiting.group("workers").worker("worker").min_idle(ENDLESS);
            let worker = worker.retries(0).dead_letter(&Jobs::dead(54));
            let stats = run_until_done(&waiting, worker, |_| Ok(())).await;
            assert_eq!((lost.hits(), stats.succeeded, stats.dead), (1, 3, 0), "{stats:?}");
        }),
    );
}

#[test]
fn a_delivery_whose_reply_was_lost_does_not_count_on_a_real_server() {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    within(
        PATIENCE,
        Redis::open(&server.url_through(&proxy)).unwrap().scope(async {
            let waiting = add(55, 0..3).await;
            proxy.on("XREADGROUP", ProxyFault::CutReply);
            let worker = waiting.group("workers").worker("worker").min_idle(ENDLESS);
            let worker = worker.retries(0).dead_letter(&Jobs::dead(55));
            let stats = run_until_done(&waiting, worker, |_| Ok(())).await;
            assert_eq!((proxy.unused(), stats.succeeded, stats.dead), (0, 3, 0), "{stats:?}");
        }),
    );
}

/// Without the permission to finish, the script must not begin: each attempt would add a dead
/// letter.
#[test]
fn a_user_who_may_not_finish_adds_no_dead_letter() {
    let server = RealServer::start();
    if !require_in_scripts(&server, "acl_check_cmd") {
        return;
    }
    let rules =
        "reset on >pass ~* -@all +@stream +@connection +@transaction +exists +type +info +eval +evalsha";
    let command: Vec<&str> = ["ACL", "SETUSER", "app"].into_iter().chain(rules.split(' ')).collect();
    server.redis_cli(&command);
    let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
    let redis = builder.build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let (waiting, dead) = (Limits::waiting(2), Limits::dead(2));
            let id = waiting.xadd(&1).await.unwrap();
            let group = waiting.group("workers");
            let refused = Arc::new(AtomicU64::new(0));
            let (counted, stop) = (Arc::clone(&refused), Arc::new(tokio::sync::Notify::new()));
            let stopped = Arc::clone(&stop);
            let worker = group.worker("worker").retries(0).dead_letter(&dead).min_idle(BRIEF);
            let worker = worker.until(async move { stopped.notified().await }).on_event(move |event| {
                if let WorkerEvent::CommandFailed(error) = event {
                    assert!(error.to_string().contains("PEXPIRE"), "{error}");
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
            let (ended, ()) = tokio::join!(worker.run(|_| std::future::ready(Err("no"))), async {
                eventually("it was tried again", async || refused.load(Ordering::Relaxed) >= 2).await;
                stop.notify_one();
            });
            assert_eq!(ended.unwrap().dead, 0);
            assert_eq!(dead.xlen().await.unwrap(), 0);
            let pending: Vec<StreamId> =
                group.pending_entries(..).await.unwrap().iter().map(|entry| entry.id).collect();
            assert_eq!(pending, [id], "it stays pending");
        }),
    );
}
