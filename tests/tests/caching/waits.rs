//! No caller waits forever for the load of another. All times are on a paused clock.

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_core::future::BoxFuture;
use redis_keyspace::cache::FillError;
use redis_keyspace::{ErrorKind, Key, Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, RealServer, both_servers, within};
use tokio::sync::{Barrier, Notify};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// A wait that ends soon.
const SHORT: Duration = Duration::from_millis(50);
/// A wait that ends after the test has failed.
const TOO_LONG: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Keyspace)]
#[keyspace(prefix = "waits", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    #[key(wait_timeout = "3s")]
    declared: fn(id: u32) -> Text,
}

/// Runs a body with two handles that share no state, like two processes. Runs it on an embedded
/// server and on a real one.
fn in_two_processes<F: Future<Output = ()>>(body: impl Fn(Redis, Redis) -> F) {
    let run = |builder: &dyn Fn() -> RedisBuilder| {
        let handle = |name: &str| builder().client_name(name).build().unwrap();
        within(PATIENCE, body(handle("one"), handle("two")));
    };
    let embedded = Server::new();
    run(&|| Redis::builder().embedded(embedded.clone()));
    let real = RealServer::start();
    run(&|| Redis::builder().url(&real.url()).unwrap());
}

type TakesOver = Box<dyn FnOnce() -> BoxFuture<'static, String> + Send>;

/// Runs fills in several tasks, and returns how many of them loaded.
async fn fill_in_tasks<F>(count: u32, fill: impl Fn(TakesOver) -> F) -> u32
where
    F: IntoFuture<Output = redis_keyspace::Result<String>, IntoFuture: Send + 'static>,
{
    let loads = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let loads = Arc::clone(&loads);
            let load: TakesOver = Box::new(move || {
                Box::pin(async move {
                    loads.fetch_add(1, Ordering::Relaxed);
                    "taken over".to_owned()
                })
            });
            tokio::spawn(fill(load).into_future())
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), "taken over");
    }
    loads.load(Ordering::Relaxed)
}

both_servers! {
    async fn a_loader_can_fill_its_own_key_in_another_task(redis: Redis) {
        let key = Keys::text(1).on(&redis);
        let inner = key.clone();
        let load = || async move {
            let inner = inner.get_or_set(|| async { "inner".to_owned() }).wait_timeout(SHORT);
            format!("outer of {}", tokio::spawn(inner.into_future()).await.unwrap().unwrap())
        };
        assert_eq!(key.get_or_set(load).await.unwrap(), "outer of inner");
    }

    async fn loaders_that_wait_for_each_other_do_not_deadlock(redis: Redis) {
        for count in [2_u32, 3] {
            for across in [false, true] {
                let all_load = Arc::new(Barrier::new(usize::try_from(count).unwrap()));
                let id = |nth: u32| 100 * count + 10 * u32::from(across) + nth % count;
                let tasks: Vec<_> = (0..count).map(|nth| {
                    let (key, next) = (Keys::text(id(nth)).on(&redis), Keys::text(id(nth + 1)).on(&redis));
                    let all_load = Arc::clone(&all_load);
                    tokio::spawn(async move {
                        let load = || async move {
                            all_load.wait().await;
                            let next = next.get_or_set(|| async { "inner".to_owned() }).wait_timeout(TOO_LONG);
                            let next = if across { next.across_processes() } else { next };
                            next.await.unwrap()
                        };
                        let outer = key.get_or_set(load).wait_timeout(TOO_LONG);
                        if across { outer.across_processes().await } else { outer.await }
                    })
                }).collect();
                for task in tasks {
                    assert_eq!(task.await.unwrap().unwrap(), "inner");
                }
            }
        }
    }

    async fn loaders_of_many_keys_that_wait_for_each_other_do_not_deadlock(redis: Redis) {
        let all_load = Arc::new(Barrier::new(2));
        let tasks: Vec<_> = [0, 1].into_iter().map(|nth: u32| {
            let (redis, all_load) = (redis.clone(), Arc::clone(&all_load));
            tokio::spawn(async move {
                let inner = |ids: Vec<u32>| async move {
                    ids.into_iter().map(|id| (id, "inner".to_owned())).collect::<Vec<_>>()
                };
                let load = |_: Vec<u32>| {
                    let (redis, all_load) = (redis.clone(), Arc::clone(&all_load));
                    async move {
                        all_load.wait().await;
                        let others = [10 * (1 - nth), 10 * (1 - nth) + 1, 77];
                        let others = Key::get_or_set_many(others, |id| Keys::text(id).on(&redis), inner);
                        assert_eq!(others.wait_timeout(TOO_LONG).await.unwrap().len(), 3);
                        vec![(10 * nth, "outer".to_owned()), (10 * nth + 1, "outer".to_owned())]
                    }
                };
                let ids = [10 * nth, 10 * nth + 1];
                Key::get_or_set_many(ids, |id| Keys::text(id).on(&redis), load).wait_timeout(TOO_LONG).await
            })
        }).collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap().len(), 2);
        }
    }

    async fn a_leader_that_is_not_polled_is_replaced(redis: Redis) {
        let key = Keys::text(1).on(&redis);
        let started = Arc::new(Notify::new());
        let (leader, starts) = (key.clone(), Arc::clone(&started));
        let mut leader = pin!(leader.get_or_set(|| async move {
            starts.notify_one();
            std::future::pending().await
        }).into_future());
        tokio::select! {
            _ = &mut leader => unreachable!(),
            () = started.notified() => {}
        }
        assert_eq!(fill_in_tasks(20, |load| key.get_or_set(load).wait_timeout(SHORT)).await, 1);
        assert_eq!(key.get().await.unwrap().as_deref(), Some("taken over"));
    }
}

#[test]
fn a_hanging_process_is_replaced_and_stores_nothing() {
    in_two_processes(|one, two| async move {
        let (release, released) = tokio::sync::oneshot::channel::<()>();
        let (starts, started) = tokio::sync::oneshot::channel();
        let key = Keys::text(1).on(&one);
        let slow = tokio::spawn(
            key.get_or_set(|| async {
                starts.send(()).unwrap();
                released.await.unwrap();
                "slow".to_owned()
            })
            .across_processes()
            .into_future(),
        );
        started.await.unwrap();
        let key = Keys::text(1).on(&two);
        let fill = |load| key.get_or_set(load).across_processes().wait_timeout(SHORT);
        assert_eq!(fill_in_tasks(20, fill).await, 1);
        release.send(()).unwrap();
        assert_eq!(slow.await.unwrap().unwrap(), "slow");
        assert_eq!(key.get().await.unwrap().as_deref(), Some("taken over"));
    });
}

/// To the next caller, each of these loaders looks like one that hangs.
#[tokio::test(start_paused = true)]
async fn loaders_that_never_end_are_started_once_per_wait() {
    let redis = Redis::embedded();
    Keys::text(1).on(&redis).get().await.unwrap();
    let loads = Arc::new(AtomicU32::new(0));
    let start = |across: bool| {
        let (key, loads) = (Keys::text(u32::from(across)).on(&redis), Arc::clone(&loads));
        tokio::spawn(async move {
            let load = || async move {
                loads.fetch_add(1, Ordering::Relaxed);
                std::future::pending().await
            };
            let fill = key.get_or_set(load);
            if across { fill.across_processes().await } else { fill.await }
        })
    };
    for across in [false, true] {
        let before = loads.load(Ordering::Relaxed);
        let tasks: Vec<_> = (0..100).map(|_| start(across)).collect();
        tokio::time::sleep(SECOND).await;
        for waits in 0..5 {
            assert_eq!(loads.load(Ordering::Relaxed) - before, 1 + waits, "after {waits} waits");
            tokio::time::sleep(10 * SECOND).await;
        }
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_the_declared_time_or_the_hard_timeout() {
    let redis = Redis::embedded();
    Keys::text(1).on(&redis).get().await.unwrap();
    let load = || async { "loaded".to_owned() };
    abandon(Keys::declared(1).on(&redis), false).await;
    let since = Instant::now();
    Keys::declared(1).on(&redis).get_or_set(load).await.unwrap();
    assert_eq!(since.elapsed().as_secs(), 3);

    // A loader that may take a minute is not replaced before.
    abandon(Keys::text(2).on(&redis), false).await;
    let since = Instant::now();
    let failed = Keys::text(2).on(&redis).try_get_or_set(|| async { Ok::<_, ()>("loaded".to_owned()) });
    assert!(matches!(failed.hard_timeout(MINUTE).await, Err(FillError::TimedOut(MINUTE))));
    assert_eq!(since.elapsed().as_secs(), 60);
}

/// Polls a fill until its loader runs, and then no more.
async fn abandon(key: Key<Keys, Text>, across: bool) {
    let loads = Arc::new(Notify::new());
    let starts = Arc::clone(&loads);
    let fill = key.get_or_set(|| async move {
        starts.notify_one();
        std::future::pending().await
    });
    let mut fill = Box::pin(if across { fill.across_processes() } else { fill }.into_future());
    tokio::select! {
        _ = &mut fill => unreachable!("its loader never ends"),
        () = loads.notified() => {}
    }
    std::mem::forget(fill);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_call_limits_all_its_waiting() {
    let server = Server::new();
    let one = Redis::builder().embedded(server.clone()).client_name("one").build().unwrap();
    let two = Redis::builder().embedded(server).client_name("two").build().unwrap();
    Keys::text(1).on(&two).get().await.unwrap();
    let hang = || std::future::pending::<String>();
    abandon(Keys::text(1).on(&one), true).await;
    for (redis, across) in [(&one, false), (&one, true), (&two, true)] {
        let since = Instant::now();
        let fill = Keys::text(1).on(redis).get_or_set(hang).timeout(2 * SECOND);
        let error = if across { fill.across_processes().await } else { fill.await }.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LoaderTimeout, "{error}");
        assert!(since.elapsed() <= 2 * SECOND + SECOND / 100, "{:?}", since.elapsed());
    }
    let since = Instant::now();
    let load = async |_: Vec<u32>| std::future::pending::<Vec<(u32, String)>>().await;
    let many = Key::get_or_set_many([1, 1], |id| Keys::text(id).on(&one), load).timeout(2 * SECOND).await;
    assert_eq!(many.unwrap_err().kind(), ErrorKind::LoaderTimeout);
    assert!(since.elapsed() <= 2 * SECOND + SECOND / 100, "{:?}", since.elapsed());
}

/// Loads that fail one after the other: a process that has waited for two of them no longer waits.
/// Each handle has its own configuration, so that none shares the loads of another.
#[tokio::test(start_paused = true)]
async fn loads_that_fail_do_not_queue() {
    const PROCESSES: u32 = 8;
    let server = Server::new();
    let (running, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..PROCESSES)
        .map(|nth| {
            let name = format!("process-{nth}");
            let redis = Redis::builder().embedded(server.clone()).client_name(&name).build().unwrap();
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            tokio::spawn(async move {
                let load = || async {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(5 * SECOND).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    Err::<String, _>("no database")
                };
                let filled = Keys::text(60).on(&redis).try_get_or_set(load).across_processes().await;
                assert!(matches!(filled, Err(FillError::Loader("no database"))), "{filled:?}");
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // The third holder of the lease and those that no longer wait for it.
    assert_eq!(most.load(Ordering::SeqCst), PROCESSES - 2);
    assert!(begun.elapsed() < 16 * SECOND, "{:?}", begun.elapsed());
    // None of them left its lease behind.
    let redis = Redis::builder().embedded(server).build().unwrap();
    let load = || async { "the database is back".to_owned() };
    let next = Keys::text(60).on(&redis).get_or_set(load).across_processes().timeout(SECOND).await;
    assert_eq!(next.unwrap(), "the database is back");
}

/// A write ends a lease, but the load is no failure: one more process loads for each write.
#[tokio::test(start_paused = true)]
async fn writes_during_a_load_start_no_stampede() {
    let server = Server::new();
    let loads = Arc::new(AtomicU32::new(0));
    let handle = |name: String| Redis::builder().embedded(server.clone()).client_name(&name).build().unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|nth| {
            let (redis, loads) = (handle(format!("process-{nth}")), Arc::clone(&loads));
            tokio::spawn(async move {
                let load = || async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(5 * SECOND).await;
                    "loaded".to_owned()
                };
                Keys::text(62).on(&redis).get_or_set(load).across_processes().await.unwrap()
            })
        })
        .collect();
    let writer = handle("writer".to_owned());
    for writes in 1..=3 {
        tokio::time::sleep(SECOND).await;
        assert_eq!(loads.load(Ordering::SeqCst), writes, "after {} writes", writes - 1);
        Keys::text(62).on(&writer).del().await.unwrap();
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), "loaded");
    }
    assert_eq!(loads.load(Ordering::SeqCst), 4);
}

/// A load that finds nothing leaves nothing for the others, like one that fails.
#[tokio::test(start_paused = true)]
async fn loads_that_find_nothing_do_not_queue() {
    let server = Server::new();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..8)
        .map(|nth| {
            let name = format!("process-{nth}");
            let redis = Redis::builder().embedded(server.clone()).client_name(&name).build().unwrap();
            tokio::spawn(async move {
                let find = || async {
                    tokio::time::sleep(5 * SECOND).await;
                    None::<String>
                };
                Keys::text(63).on(&redis).get_or_set_optional(find).across_processes().await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), None);
    }
    assert!(begun.elapsed() < 16 * SECOND, "{:?}", begun.elapsed());
}

/// The holder of the lease changes with each wait, but the loads that were replaced still run.
#[tokio::test(start_paused = true)]
async fn processes_that_replace_each_other_take_turns() {
    let server = Server::new();
    let loads = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..8)
        .map(|nth| {
            let name = format!("process-{nth}");
            let redis = Redis::builder().embedded(server.clone()).client_name(&name).build().unwrap();
            let loads = Arc::clone(&loads);
            tokio::spawn(async move {
                let load = || async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    std::future::pending().await
                };
                Keys::text(61).on(&redis).get_or_set(load).across_processes().await.map(drop)
            })
        })
        .collect();
    tokio::time::sleep(SECOND).await;
    for waits in 0..5 {
        assert_eq!(loads.load(Ordering::SeqCst), 1 + waits, "after {waits} waits");
        tokio::time::sleep(10 * SECOND).await;
    }
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}
