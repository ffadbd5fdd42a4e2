//! Workers of streams.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis_keyspace::stream::{ReadFrom, StreamId};
use redis_keyspace::worker::{DeadLetter, Job, Worker, WorkerEvent};
use redis_keyspace::{ErrorKind, Key, Keyspace, Redis, Stream};
use redis_keyspace_tests::{
    PATIENCE, RealCluster, both_servers, eventually, raw, shared_cluster, unique_namespace, wire, within,
};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::streams::LONG;

const BRIEF: Duration = Duration::from_millis(10);

#[derive(Keyspace)]
#[keyspace(prefix = "workers", ttl = none)]
#[allow(dead_code, reason = "fields are declarations")]
pub(crate) struct Jobs {
    #[key("waiting:{id}", hash_tag = id, trim = "~100000")]
    waiting: fn(id: u64) -> Stream<u64>,
    #[key("dead:{id}", hash_tag = id, trim = "1000")]
    dead: fn(id: u64) -> Stream<u64>,
    #[key("brief:{id}", hash_tag = id, ttl = "1h")]
    brief: fn(id: u64) -> Stream<u64>,
    /// In another slot than the jobs.
    #[key("elsewhere:{id}", trim = none)]
    elsewhere: fn(id: u64) -> Stream<u64>,
}

async fn add(id: u64, jobs: std::ops::Range<u64>) -> Key<Jobs, Stream<u64>> {
    let waiting = Jobs::waiting(id);
    for job in jobs {
        waiting.xadd(&job).await.unwrap();
    }
    waiting
}

/// How often each job ran.
#[derive(Clone, Default)]
struct Runs(Arc<Mutex<HashMap<u64, Vec<u64>>>>);

impl Runs {
    fn note(&self, job: &Job<u64>) {
        self.0.lock().unwrap().entry(job.value).or_default().push(job.deliveries);
    }

    /// The deliveries of each job.
    fn of(&self, job: u64) -> Vec<u64> {
        self.0.lock().unwrap().get(&job).cloned().unwrap_or_default()
    }

    fn jobs(&self) -> u64 {
        self.0.lock().unwrap().len() as u64
    }
}

/// Makes a worker stop when the returned sender is dropped.
fn stoppable(worker: Worker<Jobs, u64>) -> (Worker<Jobs, u64>, watch::Sender<()>) {
    let (stop, mut stopped) = watch::channel(());
    let worker = worker.until(async move { drop(stopped.changed().await) });
    (worker, stop)
}

/// Whether nothing is left to deliver and nothing is pending.
async fn is_done(waiting: &Key<Jobs, Stream<u64>>, group: &str) -> bool {
    let groups = waiting.groups().await.unwrap();
    let last = waiting.xinfo().await.unwrap().map(|info| info.last_id);
    groups.iter().any(|info| info.name == group && info.pending == 0 && Some(info.last_delivered) == last)
}

/// Runs a worker until all jobs are done.
async fn run_until_done(
    waiting: &Key<Jobs, Stream<u64>>,
    worker: Worker<Jobs, u64>,
    handler: impl Fn(Job<u64>) -> Result<(), String> + Send + Sync + 'static,
) -> redis_keyspace::worker::WorkerStats {
    let (worker, stop) = stoppable(worker);
    let running = worker.run(move |job| std::future::ready(handler(job)));
    let (stats, ()) = tokio::join!(running, async {
        while !is_done(waiting, "workers").await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(stop);
    });
    stats.unwrap()
}

/// Fails each job of 10 three times, of which one is a panic, and moves it to the dead letters.
async fn check_worker(id: u64) {
    let waiting = add(id, 0..30).await;
    let runs = Runs::default();
    let noted = runs.clone();
    let worker = waiting.group("workers").worker("worker").concurrency(4).retries(2);
    let worker = worker.backoff(BRIEF, BRIEF).dead_letter(&Jobs::dead(id)).delete_done();
    let stats = run_until_done(&waiting, worker, move |job| {
        noted.note(&job);
        assert!(job.value % 10 != 7 || job.deliveries != 2, "a panic");
        if job.value % 10 == 7 { Err(format!("failed {}", job.deliveries)) } else { Ok(()) }
    })
    .await;
    assert_eq!((stats.succeeded, stats.failed, stats.dead, stats.read), (27, 9, 3, 30));
    for job in 0..30 {
        let expected: &[u64] = if job % 10 == 7 { &[1, 2, 3] } else { &[1] };
        assert_eq!(runs.of(job), expected, "{job}");
    }
    assert_eq!(waiting.xlen().await.unwrap(), 0, "what is done is deleted");
    assert_eq!(waiting.group("workers").consumers().await.unwrap(), [], "the consumer left");
    let dead = Jobs::dead(id).xrange(..).raw().await.unwrap();
    assert_eq!(dead.len(), 3);
    for entry in dead {
        let letter = DeadLetter::of(&entry).unwrap();
        assert_eq!(entry.decode::<u64>().unwrap() % 10, 7);
        assert_eq!((letter.group.as_str(), letter.deliveries), ("workers", 3));
        assert_eq!(letter.error, "failed 3");
        assert!(letter.id < entry.id());
    }
}

checks! {
    worker: check_worker(70),
}

both_servers! {
    async fn an_entry_that_cannot_be_decoded_is_a_dead_letter(redis: Redis) {
        let waiting = add(1, 0..2).await;
        raw::<String>(&redis, &["XADD", &wire(&waiting), "*", "from", "ada", "to", "bob"]).await;
        let dead = Jobs::dead(1);
        let worker = waiting.group("workers").worker("worker").dead_letter(&dead);
        let stats = run_until_done(&waiting, worker, |_| Ok(())).await;
        assert_eq!((stats.succeeded, stats.dead), (2, 1));
        let letters = dead.xrange(..).raw().await.unwrap();
        assert_eq!((letters[0].get("from"), letters[0].get("to")), (Some(&b"ada"[..]), Some(&b"bob"[..])));
        let letter = DeadLetter::of(&letters[0]).unwrap();
        assert!(letter.error.contains("\"from\", \"to\""), "{letter:?}");
        assert_eq!(letter.deliveries, 1, "it is not tried again");
        assert_eq!(waiting.xlen().await.unwrap(), 2, "done jobs stay in the stream");
    }

    async fn a_dead_letter_stays_for_other_groups(_redis: Redis) {
        let waiting = add(2, 0..1).await;
        let others = waiting.group("others");
        others.create(ReadFrom::Start).await.unwrap();
        let worker = waiting.group("workers").worker("worker").retries(0).dead_letter(&Jobs::dead(2));
        let stats = run_until_done(&waiting, worker, |_| Err("no".to_owned())).await;
        assert_eq!(stats.dead, 1);
        assert_eq!(others.read("other").await.unwrap().len(), 1);
    }

    async fn the_stream_of_dead_letters_gets_its_lifetime(_redis: Redis) {
        let waiting = add(3, 0..1).await;
        let worker = waiting.group("workers").worker("worker").retries(0).dead_letter(&Jobs::brief(3));
        run_until_done(&waiting, worker, |_| Err("x".repeat(5000))).await;
        assert!(Jobs::brief(3).ttl().await.unwrap().remaining().is_some());
        let dead = Jobs::brief(3).xrange(..).raw().await.unwrap();
        assert_eq!(DeadLetter::of(&dead[0]).unwrap().error.len(), 1000, "a long error is cut");
    }

    async fn the_jobs_of_a_dead_worker_are_taken_over(_redis: Redis) {
        let waiting = add(4, 0..20).await;
        let group = waiting.group("workers");
        group.create(ReadFrom::Start).await.unwrap();
        assert_eq!(group.read("dead").count(15).await.unwrap().len(), 15);
        let runs = Runs::default();
        let noted = runs.clone();
        let worker = group.worker("worker").concurrency(3).min_idle(BRIEF);
        let stats = run_until_done(&waiting, worker, move |job| {
            noted.note(&job);
            Ok(())
        })
        .await;
        // On a slow machine, the worker may take over its own jobs.
        assert!(stats.claimed >= 15 && stats.succeeded >= 20, "{stats:?}");
        for job in 0..15 {
            assert!(runs.of(job)[0] >= 2, "{:?}", runs.of(job));
        }
        assert_eq!(runs.jobs(), 20);
    }

    async fn a_job_that_kills_its_workers_is_a_dead_letter(_redis: Redis) {
        let waiting = add(5, 0..2).await;
        let group = waiting.group("workers");
        group.create(ReadFrom::Start).await.unwrap();
        let id = group.read("dead").count(1).await.unwrap()[0].id;
        for _ in 0..2 {
            assert_eq!(group.claim("dead", [id], Duration::ZERO).await.unwrap().len(), 1);
        }
        let runs = Runs::default();
        let noted = runs.clone();
        let worker = group.worker("worker").min_idle(BRIEF).retries(2).dead_letter(&Jobs::dead(5));
        let stats = run_until_done(&waiting, worker, move |job| {
            noted.note(&job);
            Ok(())
        })
        .await;
        assert_eq!((stats.dead, runs.of(0).len()), (1, 0), "it did not run a fourth time");
        let dead = Jobs::dead(5).xrange(..).raw().await.unwrap();
        let letter = DeadLetter::of(&dead[0]).unwrap();
        assert_eq!((letter.id, letter.deliveries), (id, 4));
        assert!(letter.error.contains("never finished"), "{letter:?}");
    }

    async fn pending_entries_that_were_deleted_are_reported(_redis: Redis) {
        let waiting = add(6, 0..5).await;
        let group = waiting.group("workers");
        group.create(ReadFrom::Start).await.unwrap();
        let ids: Vec<StreamId> = group.read("dead").count(3).await.unwrap().iter().map(|entry| entry.id).collect();
        waiting.xdel(ids).await.unwrap();
        let worker = group.worker("worker").min_idle(BRIEF);
        let stats = run_until_done(&waiting, worker, |_| Ok(())).await;
        assert_eq!((stats.deleted, stats.succeeded), (3, 2));
    }

    async fn a_group_or_stream_that_is_deleted_is_created_again(_redis: Redis) {
        let waiting = add(7, 0..1).await;
        let runs = Runs::default();
        let noted = runs.clone();
        let recreated = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&recreated);
        let worker = waiting.group("workers").worker("worker").concurrency(2).on_event(move |event| {
            if let WorkerEvent::GroupRecreated = event {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (worker, stop) = stoppable(worker);
        let running = worker.run(move |job| {
            noted.note(&job);
            std::future::ready(Ok::<(), String>(()))
        });
        let count = || recreated.load(Ordering::Relaxed);
        let (stats, ()) = tokio::join!(running, async {
            let mut next = 1;
            for round in 1..=4 {
                eventually("the worker works", async || runs.jobs() == next).await;
                if round % 2 == 0 {
                    assert!(waiting.group("workers").destroy().await.unwrap());
                } else {
                    assert!(waiting.del().await.unwrap());
                }
                // Under load.
                for job in next..next + 20 {
                    waiting.xadd(&job).await.unwrap();
                }
                next += 20;
                eventually("the group is there again", async || count() == round).await;
                eventually("new jobs run", async || runs.jobs() == next).await;
            }
            drop(stop);
        });
        let stats = stats.unwrap();
        assert_eq!((stats.recreated, runs.jobs()), (4, 81));
    }

    async fn a_worker_that_stops_gives_its_jobs_back(_redis: Redis) {
        let waiting = add(8, 0..2).await;
        let group = waiting.group("workers");
        let runs = Runs::default();
        let noted = runs.clone();
        let (worker, stop) = stoppable(group.worker("worker").stop_within(BRIEF));
        let running = worker.run(move |job| {
            noted.note(&job);
            async move {
                if job.value == 0 {
                    std::future::pending::<()>().await;
                }
                Ok::<(), String>(())
            }
        });
        let (stats, ()) = tokio::join!(running, async {
            eventually("both jobs run", async || runs.jobs() == 2).await;
            eventually("one is done", async || group.pending().await.unwrap().count == 1).await;
            drop(stop);
        });
        assert_eq!(stats.unwrap().succeeded, 1);
        let pending = &group.pending_entries(..).await.unwrap()[0];
        assert_eq!(pending.deliveries, 0, "the interrupted delivery does not count");
        assert!(pending.idle > Duration::from_secs(3600), "any worker can claim it at once");
        let noted = runs.clone();
        let stats = run_until_done(&waiting, group.worker("other").min_idle(Duration::from_secs(3600)), move |job| {
            noted.note(&job);
            Ok(())
        })
        .await;
        assert_eq!((stats.claimed, stats.succeeded, runs.of(0)), (1, 1, vec![1, 1]));
    }

    async fn done_jobs_are_trimmed_when_all_groups_have_them(_redis: Redis) {
        let waiting = add(9, 0..10).await;
        let slow = waiting.group("slow");
        slow.create(ReadFrom::Start).await.unwrap();
        let read = slow.read("one").count(4).await.unwrap();
        slow.ack(read.iter().skip(1).map(|entry| entry.id)).await.unwrap();
        let worker = || waiting.group("workers").worker("worker").min_idle(BRIEF).trim_done();
        let (worker_until, stop) = stoppable(worker());
        let (stats, ()) = tokio::join!(worker_until.run(|_| std::future::ready(Ok::<(), String>(()))), async {
            eventually("all jobs are done", async || is_done(&waiting, "workers").await).await;
            assert_eq!(waiting.xlen().await.unwrap(), 10, "the first is pending in the other group");
            slow.ack([read[0].id]).await.unwrap();
            eventually("the others are trimmed", async || waiting.xlen().await.unwrap() == 7).await;
            let rest = slow.read("one").await.unwrap();
            slow.ack(rest.iter().map(|entry| entry.id)).await.unwrap();
            eventually("all but the last are trimmed", async || waiting.xlen().await.unwrap() == 1).await;
            drop(stop);
        });
        assert!(stats.unwrap().succeeded >= 10);
    }

    async fn options_that_contradict_each_other_are_refused(_redis: Redis) {
        let waiting = Jobs::waiting(10);
        let group = waiting.group("workers");
        for (worker, part) in [
            (group.worker("w").retries(3), "dead_letter(&key)"),
            (group.worker("w").concurrency(0), "at least 1"),
            (group.worker("w").min_idle(Duration::ZERO), "10 ms"),
            (group.worker("w").dead_letter(&waiting), "of their own"),
        ] {
            let error = worker.run(|_| std::future::ready(Ok::<(), String>(()))).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(!waiting.exists().await.unwrap(), "nothing was sent");
    }
}

#[test]
fn dead_letters_of_another_slot_are_refused_on_a_cluster() {
    let cluster: &RealCluster = shared_cluster();
    let builder = Redis::builder().url(&cluster.seeds_url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let worker = Jobs::waiting(11).group("workers").worker("w").dead_letter(&Jobs::elsewhere(11));
            let error = worker.run(|_| std::future::ready(Ok::<(), String>(()))).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            for template in ["workers:waiting:{", "workers:elsewhere:{id}"] {
                assert!(error.to_string().contains(template), "{error}");
            }
        }),
    );
}

/// A long job is renewed, so that another worker with the same `min_idle` does not run it.
#[tokio::test(start_paused = true)]
async fn a_long_job_runs_once() {
    const LONG_JOB: Duration = Duration::from_secs(3600);
    Redis::embedded()
        .scope(async {
            let waiting = add(20, 0..3).await;
            let runs = Runs::default();
            let workers: Vec<_> = (0..2)
                .map(|_| {
                    let (worker, stop) = stoppable(waiting.group("workers").worker("worker").min_idle(LONG));
                    let noted = runs.clone();
                    let running = worker.run(move |job| {
                        noted.note(&job);
                        async move {
                            tokio::time::sleep(LONG_JOB).await;
                            Ok::<(), String>(())
                        }
                    });
                    (tokio::spawn(Redis::in_current_scope(running)), stop)
                })
                .collect();
            tokio::time::sleep(LONG_JOB * 2).await;
            assert!(is_done(&waiting, "workers").await);
            for (worker, stop) in workers {
                drop(stop);
                let stats = worker.await.unwrap().unwrap();
                assert_eq!((stats.claimed, stats.lost), (0, 0), "{stats:?}");
            }
            for job in 0..3 {
                assert_eq!(runs.of(job), [1]);
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_told_that_its_job_was_claimed() {
    Redis::embedded()
        .scope(async {
            let waiting = add(21, 0..1).await;
            let group = waiting.group("workers");
            let (worker, stop) = stoppable(group.worker("worker").min_idle(LONG));
            let running = worker.run(|job: Job<u64>| async move {
                assert!(!job.is_lost());
                job.lost().await;
                assert!(job.is_lost());
                Err("lost".to_owned())
            });
            let (stats, ()) = tokio::join!(running, async {
                tokio::time::sleep(LONG).await;
                let id = group.pending_entries(..).await.unwrap()[0].id;
                assert_eq!(group.claim("other", [id], Duration::ZERO).await.unwrap().len(), 1);
                tokio::time::sleep(LONG).await;
                let pending = group.pending_entries(..).await.unwrap();
                assert_eq!(pending[0].consumer, "other", "the worker does not take it back");
                drop(stop);
            });
            assert_eq!(stats.unwrap().lost, 1);
        })
        .await;
}

/// Also pauses that are longer than `min_idle`, while other workers look for abandoned jobs.
#[tokio::test(start_paused = true)]
async fn pauses_between_attempts_double() {
    Redis::embedded()
        .scope(async {
            let waiting = add(22, 0..1).await;
            let group = waiting.group("workers");
            let started = Arc::new(Mutex::new(Vec::new()));
            let (first, longest) = (Duration::from_secs(10), Duration::from_secs(200));
            let workers: Vec<_> = (0..2)
                .map(|_| {
                    let worker = group.worker("worker").min_idle(LONG).retries(7).backoff(first, longest);
                    let (worker, stop) = stoppable(worker.dead_letter(&Jobs::dead(22)));
                    let started = Arc::clone(&started);
                    let running = worker.run(move |job| {
                        started.lock().unwrap().push((Instant::now(), job.deliveries));
                        std::future::ready(Err("no"))
                    });
                    (tokio::spawn(Redis::in_current_scope(running)), stop)
                })
                .collect();
            tokio::time::sleep(Duration::from_secs(3600)).await;
            assert_eq!(Jobs::dead(22).xlen().await.unwrap(), 1);
            for (worker, stop) in workers {
                drop(stop);
                worker.await.unwrap().unwrap();
            }
            let started = started.lock().unwrap().clone();
            assert_eq!(
                started.iter().map(|(_, delivery)| *delivery).collect::<Vec<_>>(),
                [1, 2, 3, 4, 5, 6, 7, 8]
            );
            for (nth, pair) in (0_u32..).zip(started.windows(2)) {
                let (pause, whole) = (pair[1].0 - pair[0].0, (first * 2_u32.pow(nth)).min(longest));
                assert!(pause >= whole / 2 && pause <= whole + Duration::from_secs(1), "{nth}: {pause:?}");
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn consumers_of_workers_that_ended_long_ago_are_deleted() {
    Redis::embedded()
        .scope(async {
            let waiting = add(24, 0..1).await;
            let group = waiting.group("workers");
            group.create(ReadFrom::Start).await.unwrap();
            let busy = group.read("worker-00000001").await.unwrap();
            for name in ["worker-00000002", "other-00000003", "worker"] {
                group.create_consumer(name).await.unwrap();
            }
            tokio::time::sleep(Duration::from_secs(2 * 24 * 3600)).await;
            group.create_consumer("worker-00000004").await.unwrap();
            let (worker, stop) =
                stoppable(group.worker("worker").min_idle(Duration::from_secs(7 * 24 * 3600)));
            let (stats, ()) = tokio::join!(worker.run(|_| std::future::ready(Ok::<(), String>(()))), async {
                eventually("the worker is there", async || group.consumers().await.unwrap().len() == 5).await;
                drop(stop);
            });
            stats.unwrap();
            let mut left: Vec<String> =
                group.consumers().await.unwrap().into_iter().map(|consumer| consumer.name).collect();
            left.sort();
            assert_eq!(left, ["other-00000003", "worker", "worker-00000001", "worker-00000004"]);
            assert_eq!(group.pending().await.unwrap().first, Some(busy[0].id), "its jobs are not lost");
        })
        .await;
}

/// The events of a worker without a server: it waits, and goes on.
#[tokio::test(start_paused = true)]
async fn a_worker_survives_an_outage() {
    use redis_keyspace::embedded::{Fault, Server};
    let server = Server::new();
    Redis::with_embedded_server(server.clone())
        .scope(async {
            let waiting = add(23, 0..1).await;
            let runs = Runs::default();
            let noted = runs.clone();
            let failures = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&failures);
            let worker = waiting.group("workers").worker("worker").on_event(move |event| {
                if let WorkerEvent::CommandFailed(_) = event {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
            let (worker, stop) = stoppable(worker);
            let running = worker.run(move |job| {
                noted.note(&job);
                std::future::ready(Ok::<(), String>(()))
            });
            let (stats, ()) = tokio::join!(running, async {
                eventually("the worker works", async || runs.jobs() == 1).await;
                let fault = server
                    .inject(Fault::error("LOADING Redis is loading the dataset in memory").on("XREADGROUP"));
                waiting.xadd(&1).await.unwrap();
                eventually("reads fail", async || failures.load(Ordering::Relaxed) > 3).await;
                drop(fault);
                eventually("the worker works again", async || runs.jobs() == 2).await;
                drop(stop);
            });
            assert_eq!(stats.unwrap().succeeded, 2);
        })
        .await;
}
