//! Workers in processes that are killed: no job is lost, and no dead letter is added twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redis_keyspace::stream::StreamId;
use redis_keyspace::worker::{DeadLetter, Job};
use redis_keyspace::{Hash, Keyspace, Redis, Stream};
use redis_keyspace_tests::{PATIENCE, RealServer, RunningTest, child_test, eventually, within};

/// How many jobs are attacked, and every which one always fails.
const JOBS: u64 = 1200;
const POISON: u64 = 100;
/// Deliveries to workers that were killed count, too, so it must be more than any job suffers.
const RETRIES: u32 = 20;
const KILLS: usize = 40;
/// Short, so that the jobs of killed workers are taken over soon. On a busy machine, workers may
/// take over jobs of workers that live, which the guarantees allow.
const MIN_IDLE: Duration = Duration::from_millis(400);

#[derive(Keyspace)]
#[keyspace(prefix = "killed", ttl = none)]
struct Keys {
    #[key("{{jobs}}:waiting", trim = none)]
    waiting: Stream<u64>,
    #[key("{{jobs}}:dead", trim = none)]
    dead: Stream<u64>,
    /// How often each job had its effect.
    effects: Hash<u64, i64>,
}

/// The child process of the tests below. `WORKER_CHILD` selects what it does.
#[test]
fn worker_child() {
    let Ok(does) = std::env::var("WORKER_CHILD") else { return };
    let redis = Redis::open(&std::env::var("WORKER_URL").unwrap()).unwrap();
    let worker = Keys::waiting().group("workers").worker("worker").concurrency(6).min_idle(MIN_IDLE);
    let worker = worker.retries(RETRIES).backoff(Duration::from_millis(1), Duration::from_millis(20));
    let worker = worker.dead_letter(&Keys::dead()).delete_done();
    println!("ready");
    let run = redis.scope(async {
        worker
            .run(move |job| {
                let does = does.clone();
                async move { effect(job, &does).await }
            })
            .await
            .unwrap();
    });
    within(PATIENCE, run);
}

async fn effect(job: Job<u64>, does: &str) -> Result<(), String> {
    if does == "hang before" {
        println!("hangs");
        std::future::pending::<()>().await;
    }
    // Most of the time is before and after the effect, where the process is killed.
    tokio::time::sleep(Duration::from_millis(job.value % 20)).await;
    if job.value.is_multiple_of(POISON) {
        return Err("poison".to_owned());
    }
    Keys::effects().hincr_by(&job.value, 1).await.map_err(|error| error.to_string())?;
    if does == "hang after" {
        println!("hangs");
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(Duration::from_millis(20 - job.value % 20)).await;
    Ok(())
}

fn child(server: &RealServer, does: &str) -> RunningTest {
    let mut child =
        child_test!("worker_child").env("WORKER_CHILD", does).env("WORKER_URL", server.url()).spawn();
    child.line("ready");
    child
}

/// Whether every job succeeded or is a dead letter. Both delete its entry.
async fn is_done() -> bool {
    Keys::waiting().xlen().await.unwrap() == 0
        && Keys::waiting().groups().await.unwrap().iter().all(|group| group.pending == 0)
}

#[test]
fn killed_workers_lose_no_job_and_bury_none_twice() {
    let server = RealServer::start();
    let redis = Redis::open(&server.url()).unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let mut ids = BTreeMap::new();
            for job in 0..JOBS {
                ids.insert(Keys::waiting().xadd(&job).await.unwrap(), job);
            }
            let mut children: Vec<RunningTest> = (0..2).map(|_| child(&server, "work")).collect();
            let mut kills = 0;
            while !is_done().await {
                if kills < KILLS {
                    // At a random point of the jobs that run: the sequence of kills has its own
                    // pace.
                    let pause = Duration::from_millis(60 + (kills as u64 * 37) % 140);
                    tokio::time::sleep(pause).await;
                    children.remove(0).kill();
                    children.push(child(&server, "work"));
                    kills += 1;
                } else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            children.into_iter().for_each(RunningTest::kill);
            let effects = Keys::effects().hget_all().await.unwrap();
            let mut letters = BTreeMap::new();
            for entry in Keys::dead().xrange(..).raw().await.unwrap() {
                let letter = DeadLetter::of(&entry).unwrap();
                assert_eq!(ids.get(&letter.id), Some(&entry.decode::<u64>().unwrap()), "its own payload");
                let earlier = letters.insert(letter.id, letter.deliveries);
                assert_eq!(earlier, None, "a dead letter was added twice");
            }
            let dead: BTreeSet<u64> = letters.keys().map(|id| ids[id]).collect();
            let twice = effects.values().filter(|count| **count > 1).count();
            println!("{kills} kills, {} jobs ran twice or more, {} dead letters", twice, dead.len());
            for job in 0..JOBS {
                if job.is_multiple_of(POISON) {
                    assert!(dead.contains(&job), "{job} is no dead letter");
                    assert!(!effects.contains_key(&job));
                } else {
                    assert!(effects.get(&job).is_some_and(|count| *count >= 1), "{job} had no effect");
                    assert!(!dead.contains(&job), "{job} is a dead letter although it succeeds");
                }
            }
            assert!(letters.values().all(|deliveries| *deliveries > u64::from(RETRIES)), "{letters:?}");
            assert!(kills >= 10, "the jobs were done before the attack: {kills}");
        }),
    );
}

/// The two points that matter: before the effect, and between the effect and its acknowledgement.
#[test]
fn a_job_runs_again_wherever_its_worker_was_killed() {
    for (does, effects) in [("hang before", 1), ("hang after", 2)] {
        let server = RealServer::start();
        let redis = Redis::open(&server.url()).unwrap();
        within(
            PATIENCE,
            redis.scope(async {
                let id: StreamId = Keys::waiting().xadd(&7).await.unwrap();
                let mut first = child(&server, does);
                first.line("hangs");
                first.kill();
                let group = Keys::waiting().group("workers");
                assert_eq!(group.pending_entries(..).await.unwrap()[0].id, id);
                let second = child(&server, "work");
                eventually("the job is done", async || is_done().await).await;
                second.kill();
                assert_eq!(Keys::effects().hget(&7).await.unwrap(), Some(effects), "{does}");
                assert_eq!(Keys::dead().xlen().await.unwrap(), 0);
            }),
        );
    }
}
