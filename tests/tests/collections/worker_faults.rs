//! Workers when something goes wrong: panics, lost replies, errors that never pass, frozen servers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis_keyspace::embedded::{Fault, Server};
use redis_keyspace::kind::{DecodeError, EncodeError, Kind, SingleValue};
use redis_keyspace::worker::{DeadLetter, Job, WorkerEvent, WorkerStats};
use redis_keyspace::{ErrorKind, Keyspace, Redis, Stream};
use redis_keyspace_tests::{
    Fault as ProxyFault, PATIENCE, Proxy, RealServer, both_servers, eventually, raw, wire, within,
};
use tokio::time::Instant;

use crate::streams::LONG;
use crate::workers::{Jobs, Runs, add, is_done, run_until_done, stoppable};

const BRIEF: Duration = Duration::from_millis(10);
/// So long that what waits for it never ends in a test.
const ENDLESS: Duration = Duration::from_secs(7 * 24 * 3600);

/// A number that can't be read without a panic if it is 13.
#[derive(Debug)]
struct Unlucky;

impl Kind for Unlucky {
    const WIRE_FORMAT: &'static str = "a number";
}

impl SingleValue for Unlucky {
    type Owned = u64;
    type Borrowed = u64;

    fn encode(number: &u64, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(number.to_string().as_bytes());
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<u64, DecodeError> {
        assert_ne!(bytes, b"13", "thirteen");
        let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| DecodeError::new("no number"))
    }

    fn borrow(owned: &u64) -> &u64 {
        owned
    }
}

#[derive(Keyspace)]
#[keyspace(prefix = "unlucky", ttl = none)]
struct Panics {
    #[key("waiting:{id}", hash_tag = id, trim = none)]
    waiting: fn(id: u64) -> Stream<Unlucky>,
    #[key("dead:{id}", hash_tag = id, trim = none)]
    dead: fn(id: u64) -> Stream<Unlucky>,
}

/// The kinds of the errors that a worker reported.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<redis_keyspace::Error>>>);

impl Errors {
    fn note(&self, event: WorkerEvent) {
        if let WorkerEvent::CommandFailed(error) = event {
            self.0.lock().unwrap().push(error);
        }
    }

    fn of(&self, kind: ErrorKind) -> Vec<redis_keyspace::Error> {
        self.0.lock().unwrap().iter().filter(|error| error.kind() == kind).cloned().collect()
    }
}

both_servers! {
    async fn a_panic_of_the_event_handler_harms_no_job(_redis: Redis) {
        let waiting = add(30, 0..3).await;
        let runs = Runs::default();
        let (noted, events) = (runs.clone(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&events);
        let worker = waiting.group("workers").worker("worker").retries(2).backoff(BRIEF, BRIEF);
        let worker = worker.dead_letter(&Jobs::dead(30)).min_idle(ENDLESS).on_event(move |event| {
            counted.fetch_add(1, Ordering::Relaxed);
            panic!("the event handler panics: {event:?}");
        });
        let stats = run_until_done(&waiting, worker, move |job| {
            noted.note(&job);
            if job.value == 1 { Err("no".to_owned()) } else { Ok(()) }
        })
        .await;
        assert_eq!((stats.succeeded, stats.failed, stats.dead), (2, 3, 1));
        assert_eq!(runs.of(1), [1, 2, 3], "only what ran is counted");
        assert_eq!(events.load(Ordering::Relaxed), 3);
        let letters = Jobs::dead(30).xrange(..).raw().await.unwrap();
        assert_eq!(DeadLetter::of(&letters[0]).unwrap().error, "no");
    }

    async fn a_panic_while_an_entry_is_decoded_is_a_failure(redis: Redis) {
        let (waiting, dead) = (Panics::waiting(1), Panics::dead(1));
        for number in ["12", "13", "14"] {
            raw::<String>(&redis, &["XADD", &wire(&waiting), "*", Unlucky::STREAM_FIELD, number]).await;
        }
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = waiting.group("workers").worker("worker").retries(1).backoff(BRIEF, BRIEF).min_idle(ENDLESS);
        let worker = worker.dead_letter(&dead).until(async { drop(stopped.await) });
        let done = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&done);
        let running = worker.run(move |job| {
            counted.fetch_add(job.value, Ordering::Relaxed);
            std::future::ready(Ok::<(), String>(()))
        });
        let (stats, ()) = tokio::join!(running, async {
            eventually("it is a dead letter", async || dead.xlen().await.unwrap() == 1).await;
            eventually("the others are done", async || done.load(Ordering::Relaxed) == 26).await;
            let group = waiting.group("workers");
            eventually("nothing is pending", async || group.pending().await.unwrap().count == 0).await;
            drop(stop);
        });
        let stats = stats.unwrap();
        assert_eq!((stats.succeeded, stats.failed, stats.dead, stats.claimed), (2, 2, 1, 1));
        let letter = DeadLetter::of(&dead.xrange(..).raw().await.unwrap()[0]).unwrap();
        assert!(letter.error.starts_with("decoding the entry panicked: "), "{letter:?}");
        assert!(letter.error.contains("thirteen"), "{letter:?}");
        assert_eq!(letter.deliveries, 2);
    }

    async fn dead_letters_need_a_stream(redis: Redis) {
        let (waiting, dead) = (add(31, 0..1).await, Jobs::dead(31));
        raw::<()>(&redis, &["SET", &wire(&dead), "text"]).await;
        let worker = waiting.group("workers").worker("worker").dead_letter(&dead);
        let error = worker.run(|_| std::future::ready(Ok::<(), String>(()))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
        assert!(error.to_string().contains("workers:dead:{") && error.to_string().contains("found string"), "{error}");
    }

    /// A job that can't be moved to the dead letters holds no hand of the worker.
    async fn an_error_that_never_passes_holds_no_hand(redis: Redis) {
        let (waiting, dead) = (add(32, 0..2).await, Jobs::dead(32));
        let group = waiting.group("workers");
        let (runs, errors) = (Runs::default(), Errors::default());
        let (noted, reported, name) = (runs.clone(), errors.clone(), wire(&dead));
        let worker = group.worker("worker").concurrency(1).min_idle(ENDLESS).retries(0).dead_letter(&dead);
        let (worker, stop) = stoppable(worker.on_event(move |event| reported.note(event)));
        let running = worker.run(move |job| {
            noted.note(&job);
            let (redis, name) = (redis.clone(), name.clone());
            async move {
                if job.value > 0 {
                    return Ok(());
                }
                // Another program uses the key.
                raw::<()>(&redis, &["SET", &name, "text"]).await;
                Err("no".to_owned())
            }
        });
        let (stats, ()) = tokio::join!(running, async {
            eventually("the other job runs", async || runs.jobs() == 2).await;
            eventually("it is acknowledged", async || group.pending().await.unwrap().count == 1).await;
            drop(stop);
        });
        let stats = stats.unwrap();
        assert_eq!((stats.succeeded, stats.failed, stats.dead, stats.lost), (1, 1, 0, 0));
        let reported = errors.of(ErrorKind::WrongType);
        assert_eq!(reported.len(), 1, "it is reported once");
        let said = reported[0].to_string();
        assert!(said.contains("workers:dead:{") && said.contains("found string"), "{said}");
        assert!(dead.del().await.unwrap());
        let worker = group.worker("worker").retries(0).dead_letter(&dead);
        let stats = run_until_done(&waiting, worker, |_| Err("again".to_owned())).await;
        assert_eq!(stats.dead, 1, "nothing was lost");
    }

    async fn a_job_of_another_worker_is_not_reported_as_dead(_redis: Redis) {
        let waiting = add(33, 0..1).await;
        let group = waiting.group("workers");
        let (worker, stop) = stoppable(group.worker("worker").retries(0).dead_letter(&Jobs::dead(33)));
        let (claiming, stats) = (group.clone(), worker.stats());
        let running = worker.run(move |job: Job<u64>| {
            let group = claiming.clone();
            async move {
                let claimed = group.claim("other", [job.id], Duration::ZERO).await.unwrap();
                assert_eq!(claimed.len(), 1);
                Err("no")
            }
        });
        let (ended, ()) = tokio::join!(Redis::in_current_scope(running), async {
            eventually("the worker finds out", async || stats.get().lost == 1).await;
            drop(stop);
        });
        assert_eq!(ended.unwrap().dead, 0);
        assert_eq!(Jobs::dead(33).xlen().await.unwrap(), 0);
    }
}

/// Adds jobs that fail, and runs them until all are dead letters.
async fn bury_all(id: u64, jobs: std::ops::Range<u64>) -> WorkerStats {
    let waiting = add(id, jobs).await;
    let worker = waiting.group("workers").worker("worker").retries(0).dead_letter(&Jobs::dead(id));
    run_until_done(&waiting, worker.min_idle(ENDLESS), |_| Err("no".to_owned())).await
}

/// The reply to the script that moves a job is lost, so the second attempt finds no pending entry.
#[test]
fn a_dead_letter_whose_reply_was_lost_is_reported() {
    let server = Server::new();
    within(
        PATIENCE,
        Redis::with_embedded_server(server.clone()).scope(async {
            for id in [34, 35] {
                // The first time the whole script is sent, then its digest.
                let name = if id == 34 { "EVAL" } else { "EVALSHA" };
                let lost = server.inject(Fault::close_after().on(name).times(1));
                let stats = bury_all(id, 0..1).await;
                assert_eq!((lost.hits(), stats.dead, stats.lost), (1, 1, 0), "{name}: {stats:?}");
                assert_eq!(Jobs::dead(id).xlen().await.unwrap(), 1);
            }
            // Not executed, so the second attempt moves it.
            let lost = server.inject(Fault::close_before().on("EVALSHA").times(1));
            let stats = bury_all(36, 0..1).await;
            assert_eq!((lost.hits(), stats.dead, stats.lost), (1, 1, 0), "{stats:?}");
        }),
    );
}

#[test]
fn a_dead_letter_whose_reply_was_lost_is_reported_on_a_real_server() {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    within(
        PATIENCE,
        Redis::open(&server.url_through(&proxy)).unwrap().scope(async {
            assert_eq!(bury_all(37, 0..1).await.dead, 1, "the server knows the script now");
            proxy.on("dead-id", ProxyFault::CutReply);
            let stats = bury_all(38, 0..3).await;
            assert_eq!((proxy.unused(), stats.dead, stats.lost), (0, 3, 0), "{stats:?}");
            assert_eq!(Jobs::dead(38).xlen().await.unwrap(), 3);
        }),
    );
}

/// The reply of the first attempt to move a job is lost, and it was not executed: another consumer
/// claims the entry before the second attempt.
#[test]
fn a_lost_job_is_not_taken_for_a_dead_letter() {
    let server = Server::new();
    within(
        PATIENCE,
        Redis::with_embedded_server(server.clone()).scope(async {
            // Dead letters of other jobs.
            bury_all(39, 0..5).await;
            let waiting = Jobs::waiting(39);
            let group = waiting.group("workers");
            let id = waiting.xadd(&7).await.unwrap();
            let lost = server.inject(Fault::close_before().on("EVALSHA").times(1));
            let (worker, stop) = stoppable(group.worker("worker").retries(0).dead_letter(&Jobs::dead(39)));
            let (claiming, stats) = (group.clone(), worker.stats());
            let running = worker.run(move |job: Job<u64>| {
                let group = claiming.clone();
                async move {
                    group.claim("other", [job.id], Duration::ZERO).await.unwrap();
                    Err("no")
                }
            });
            let (ended, ()) = tokio::join!(Redis::in_current_scope(running), async {
                eventually("the worker finds out", async || stats.get().lost == 1).await;
                drop(stop);
            });
            assert_eq!((lost.hits(), ended.unwrap().dead), (1, 0));
            assert_eq!(group.pending_entries(..).await.unwrap()[0].id, id);
        }),
    );
}

#[test]
fn a_job_whose_acknowledgement_has_no_reply_succeeded() {
    let server = Server::new();
    within(
        PATIENCE,
        Redis::with_embedded_server(server.clone()).scope(async {
            let waiting = add(40, 0..1).await;
            let lost = server.inject(Fault::close_after().on("XACK").times(1));
            let worker = waiting.group("workers").worker("worker");
            let stats = run_until_done(&waiting, worker, |_| Ok(())).await;
            assert_eq!((lost.hits(), stats.succeeded, stats.not_pending), (1, 1, 0), "{stats:?}");
        }),
    );
}

/// The server freezes while many retries wait for a long time and are kept.
#[tokio::test(start_paused = true)]
async fn a_worker_stops_in_time_although_the_server_is_frozen() {
    const JOBS: u64 = 12;
    let (limit, timeout) = (Duration::from_secs(1), Duration::from_millis(500));
    for (nth, failures) in [(41, 0), (42, 5)] {
        let server = Server::new();
        let builder = Redis::builder().embedded(server.clone()).breaker(failures, timeout);
        let redis = builder.build().unwrap();
        redis
            .scope(async {
                let waiting = add(nth, 0..JOBS).await;
                let worker = waiting.group("workers").worker("worker").concurrency(16).timeout(timeout);
                let worker = worker.min_idle(Duration::from_secs(2)).backoff(LONG, LONG).stop_within(limit);
                let (worker, stop) = stoppable(worker);
                let stats = worker.stats();
                let running = worker.run(|_| std::future::ready(Err::<(), _>("no")));
                let (ended, stopped) = tokio::join!(async { (running.await, Instant::now()) }, async {
                    eventually("all failed", async || stats.get().failed == JOBS).await;
                    server.inject(Fault::stall()).keep();
                    tokio::time::sleep(Duration::from_secs(3)).await;
                    drop(stop);
                    Instant::now()
                });
                assert_eq!(ended.0.unwrap().failed, JOBS);
                let took = ended.1 - stopped;
                assert!(took <= limit + timeout + BRIEF, "{failures}: {took:?}");
            })
            .await;
    }
}

/// A job that fails waits for longer than `min_idle`, while all hands of its worker are busy and
/// another worker is idle.
#[tokio::test(start_paused = true)]
async fn pauses_are_kept_while_all_hands_are_busy() {
    let (min_idle, pause, busy) =
        (Duration::from_secs(10), Duration::from_secs(400), Duration::from_secs(300));
    Redis::embedded()
        .scope(async {
            let waiting = add(43, 0..2).await;
            let group = waiting.group("workers");
            let started = Instant::now();
            let times = Arc::new(Mutex::new(Vec::new()));
            let start = |name: &'static str| {
                let worker = group.worker(name).concurrency(1).min_idle(min_idle).backoff(pause, pause);
                let (worker, stop) = stoppable(worker);
                let times = Arc::clone(&times);
                let running = worker.run(move |job| {
                    times.lock().unwrap().push((job.value, job.deliveries, started.elapsed()));
                    async move {
                        match (job.value, job.deliveries) {
                            (0, 1) => return Err("no"),
                            (1, _) => tokio::time::sleep(busy).await,
                            _ => {}
                        }
                        Ok(())
                    }
                });
                (tokio::spawn(Redis::in_current_scope(running)), stop)
            };
            let mut workers = vec![start("first")];
            eventually("the first worker is busy", async || times.lock().unwrap().len() == 2).await;
            workers.push(start("second"));
            tokio::time::sleep(pause).await;
            eventually("all is done", async || is_done(&waiting, "workers").await).await;
            for (worker, stop) in workers {
                drop(stop);
                worker.await.unwrap().unwrap();
            }
            let times = times.lock().unwrap().clone();
            let [(0, 1, _), (1, 1, _), (0, 2, again)] = times[..] else { panic!("{times:?}") };
            assert!(again >= pause / 2 && again <= pause + LONG, "{times:?}");
        })
        .await;
}

/// A worker that did not reach the server for long claims its own entries, which are being worked
/// on. That is no delivery.
#[tokio::test(start_paused = true)]
async fn a_claim_of_a_running_job_does_not_count() {
    let redis = Redis::embedded();
    redis
        .scope(async {
            let waiting = add(44, 0..1).await;
            let group = waiting.group("workers");
            let (worker, stop) = stoppable(group.worker("worker").min_idle(LONG));
            let stats = worker.stats();
            let running = worker.run(|_| async {
                tokio::time::sleep(LONG * 60).await;
                Ok::<(), String>(())
            });
            let (ended, ()) = tokio::join!(running, async {
                while stats.get().claimed < 3 {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let pending = group.pending_entries(..).await.unwrap();
                    let [entry] = &pending[..] else { continue };
                    let (name, id) = (waiting.wire_key().unwrap(), entry.id.to_string());
                    let claim =
                        ["XCLAIM", &name, "workers", &entry.consumer, "0", &id, "IDLE", "900000", "JUSTID"];
                    raw::<Vec<String>>(&redis, &claim).await;
                }
                tokio::time::sleep(LONG).await;
                let pending = group.pending_entries(..).await.unwrap();
                assert_eq!(pending[0].deliveries, 1);
                tokio::time::sleep(LONG * 60).await;
                assert!(is_done(&waiting, "workers").await);
                drop(stop);
            });
            let stats = ended.unwrap();
            assert_eq!((stats.succeeded, stats.failed, stats.lost), (1, 0, 0));
        })
        .await;
}
