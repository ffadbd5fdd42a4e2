//! Updates read, change and write back a value, without losing concurrent writes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use redis_keyspace::command::Ttl;
use redis_keyspace::error::Budget;
use redis_keyspace::update::Change;
use redis_keyspace::{Bytes, ErrorKind, Json, Key, Keyspace, Redis, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{Fault, PATIENCE, Proxy, RealServer, both_servers, child_test, raw, wire, within};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "updates", ttl = 3600)]
struct Keys {
    list: fn(id: u32) -> Json<Vec<u32>>,
    number: fn(id: u32) -> i64,
    text: fn(id: u32) -> Text,
    bytes: fn(id: u32) -> Bytes,
    #[key("stays:{id}", ttl = none)]
    stays: fn(id: u32) -> i64,
}

/// Runs a future to completion within a closure that is not async.
fn meanwhile<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

both_servers! {
    async fn every_kind_can_be_updated(_redis: Redis) {
        assert_eq!(Keys::list(1).update(|list| list.push(1)).await.unwrap(), None);
        assert!(!Keys::list(1).exists().await.unwrap(), "a missing key stays missing");
        Keys::list(1).set(&vec![1]).await.unwrap();
        assert_eq!(Keys::list(1).update(|list| list.push(2)).await.unwrap(), Some(vec![1, 2]));
        assert_eq!(Keys::list(1).get().await.unwrap(), Some(vec![1, 2]));
        assert_eq!(Keys::number(1).update_or_insert(|| 40, |number| *number += 2).await.unwrap(), 42);
        assert_eq!(Keys::number(1).update_or_insert(|| 40, |number| *number += 2).await.unwrap(), 44);
        Keys::text(1).set("a").await.unwrap();
        assert_eq!(Keys::text(1).update(|text| text.push('b')).await.unwrap().as_deref(), Some("ab"));
        Keys::bytes(1).set(&[0xff, 0, b'\r', b'\n']).await.unwrap();
        let appended = Keys::bytes(1).update(|bytes| *bytes = [&bytes[..], &[7]].concat().into()).await.unwrap();
        assert_eq!(appended.as_deref(), Some(&[0xff, 0, b'\r', b'\n', 7][..]));
        assert_eq!(Keys::text(1).update(String::clear).await.unwrap().as_deref(), Some(""));
        assert_eq!(Keys::text(1).update(|text| text.push('c')).await.unwrap().as_deref(), Some("c"), "from an empty value");
    }

    async fn the_remaining_lifetime_is_kept(_redis: Redis) {
        let left = async |key: &Key<Keys, i64>| key.ttl().await.unwrap().remaining().unwrap().as_secs();
        Keys::number(1).set(&1).ttl(Duration::from_secs(100)).await.unwrap();
        Keys::number(1).update(|number| *number += 1).await.unwrap();
        assert!((90..=100).contains(&left(&Keys::number(1)).await));
        Keys::number(1).update(|number| *number += 1).ttl(Duration::from_secs(500)).await.unwrap();
        assert!((490..=500).contains(&left(&Keys::number(1)).await));
        Keys::number(2).update_or_insert(|| 0, |_| ()).await.unwrap();
        assert!((3590..=3600).contains(&left(&Keys::number(2)).await), "a new value has the template's lifetime");
        Keys::stays(1).update_or_insert(|| 0, |_| ()).await.unwrap();
        Keys::stays(1).update(|number| *number += 1).await.unwrap();
        assert_eq!(Keys::stays(1).ttl().await.unwrap(), Ttl::NoExpiry);
    }

    async fn an_update_can_keep_delete_or_create_a_value(_redis: Redis) {
        let key = Keys::number(1);
        assert_eq!(key.update_with(|_| Change::Keep).await.unwrap(), None);
        assert_eq!(key.update_with(|_| Change::Delete).await.unwrap(), None);
        assert_eq!(key.update_with(|there| Change::Set(there.map_or(1, |n| n + 1))).await.unwrap(), Some(1));
        assert_eq!(key.update_with(|there| Change::Set(there.map_or(1, |n| n + 1))).await.unwrap(), Some(2));
        assert_eq!(key.update_with(|_| Change::Keep).await.unwrap(), Some(2));
        assert_eq!(key.update_with(|_| Change::Delete).await.unwrap(), None);
        assert!(!key.exists().await.unwrap());
    }

    async fn a_concurrent_write_is_not_overwritten(redis: Redis) {
        let key = Keys::number(1).on(&redis);
        for (what, expected) in [("set", Some(101)), ("del", None), ("incr", Some(3)), ("set the same", Some(2))] {
            key.set(&1).await.unwrap();
            let calls = AtomicU32::new(0);
            let changed = key.update(|number| {
                if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                    meanwhile(async {
                        match what {
                            "set" => key.set(&100).await.unwrap(),
                            "set the same" => key.set(&1).await.unwrap(),
                            "del" => assert!(key.del().await.unwrap()),
                            _ => assert_eq!(raw::<i64>(&redis, &["INCR", &wire(&key)]).await, 2),
                        }
                    });
                }
                *number += 1;
            });
            assert_eq!(changed.await.unwrap(), expected, "{what}");
            assert_eq!(key.get().await.unwrap(), expected, "{what}");
        }
        // The key is created in the meantime.
        key.del().await.unwrap();
        let calls = AtomicU32::new(0);
        let inserted = key.update_or_insert(|| 0, |number| {
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                meanwhile(key.set(&50)).unwrap();
            }
            *number += 1;
        });
        assert_eq!(inserted.await.unwrap(), 51);
    }

    async fn racing_tasks_lose_no_update(redis: Redis) {
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let redis = redis.clone();
                let key = Keys::number(1).on(&redis);
                tokio::spawn(async move {
                    for _ in 0..20 {
                        key.update_or_insert(|| 0, |number| *number += 1).timeout(MINUTE).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(Keys::number(1).get().await.unwrap(), Some(64 * 20));
    }

    async fn flushed_scripts_are_sent_again(redis: Redis) {
        Keys::number(1).set(&0).await.unwrap();
        for round in 1..=3 {
            raw::<()>(&redis, &["SCRIPT", "FLUSH"]).await;
            assert_eq!(Keys::number(1).update(|number| *number += 1).await.unwrap(), Some(round));
        }
    }

    async fn an_update_that_always_conflicts_fails(redis: Redis) {
        let key = Keys::number(1).on(&redis);
        key.set(&0).await.unwrap();
        let calls = AtomicU32::new(0);
        let late = key.update(|number| {
            let call = i64::from(calls.fetch_add(1, Ordering::Relaxed));
            meanwhile(key.set(&(1000 + call))).unwrap();
            *number = -1;
        });
        let error = late.attempts(3).await.unwrap_err();
        assert_eq!((error.kind(), calls.load(Ordering::Relaxed)), (ErrorKind::Conflict, 3));
        let message = error.to_string();
        assert!(message.contains("3 attempts") && message.contains("nothing was changed"), "{message}");
        assert!(message.contains("updates:number:1") && error.key() == Some("updates:number:1"), "{message}");
        assert_eq!(key.get().await.unwrap(), Some(1002));
        raw::<()>(&redis, &["SET", &wire(&key), "no number"]).await;
        let error = key.update(|number| *number = 1).await.unwrap_err();
        assert!(error.is_decode() && !error.to_string().contains("no number"), "{error}");
        raw::<()>(&redis, &["DEL", &wire(&key)]).await;
        raw::<()>(&redis, &["RPUSH", &wire(&key), "x"]).await;
        assert_eq!(key.update(|number| *number = 1).await.unwrap_err().kind(), ErrorKind::WrongType);
    }
}

#[test]
fn an_unchanged_value_is_not_written_and_a_conflict_costs_one_round_trip() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(1000).build();
        let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
        let key = Keys::number(1).on(&redis);
        key.set(&5).await.unwrap();
        let trips = || server.round_trips();
        let before = trips();
        assert_eq!(key.update(|number| *number = 5).await.unwrap(), Some(5));
        assert_eq!(trips() - before, 1, "nothing is written");
        key.update(|number| *number += 1).await.unwrap(); // loads the script
        let before = trips();
        key.update(|number| *number += 1).await.unwrap();
        assert_eq!(trips() - before, 2);
        let (before, calls) = (trips(), AtomicU32::new(0));
        let other = Redis::with_embedded_server(server.clone());
        key.update(|number| {
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                meanwhile(Keys::number(1).set(&70).on(&other)).unwrap();
            }
            *number += 1;
        })
        .await
        .unwrap();
        assert_eq!(key.get().await.unwrap(), Some(71));
        // The other handle's connection and `set`, and the final `get`, are not round trips of the
        // update.
        assert!(trips() - before <= 3 + 4, "{}", trips() - before);
    });
}

#[test]
fn waiting_for_other_updates_has_a_limit() {
    within(PATIENCE, async {
        let redis = Redis::embedded();
        let key = Keys::number(1).on(&redis);
        key.set(&0).await.unwrap();
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let ends = Arc::new((Mutex::new(false), Condvar::new()));
        let slow = {
            let (key, ends) = (key.clone(), Arc::clone(&ends));
            tokio::spawn(async move {
                key.update(|number| {
                    begun.send(()).unwrap();
                    let (ended, told) = &*ends;
                    let ended = ended.lock().unwrap();
                    let (_ended, limit) = told.wait_timeout_while(ended, PATIENCE, |ended| !*ended).unwrap();
                    assert!(!limit.timed_out(), "the test ends the update");
                    *number += 1;
                })
                .await
            })
        };
        begins.recv().await.unwrap();
        let error = key.update(|number| *number += 1).timeout(Duration::from_millis(100)).await.unwrap_err();
        assert_eq!((error.kind(), error.budget()), (ErrorKind::PoolBusy, Some(Budget::Checkout)), "{error}");
        assert!(error.to_string().contains("other tasks were still updating"), "{error}");
        *ends.0.lock().unwrap() = true;
        ends.1.notify_all();
        assert_eq!(slow.await.unwrap().unwrap(), Some(1));
        // An update that is dropped halfway blocks no other update.
        for _ in 0..50 {
            let mut dropped = Box::pin(key.update(|number| *number += 1000).into_future());
            let once = std::future::poll_fn(|context| {
                let _ = dropped.as_mut().poll(context);
                std::task::Poll::Ready(())
            });
            once.await;
        }
        key.update(|number| *number += 1).await.unwrap();
    });
}

/// If the reply is lost, it is unknown whether the change was stored, so it is not repeated.
#[test]
fn a_lost_reply_leaves_the_outcome_unknown() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let proxy = Proxy::start(server.address());
        let redis =
            Redis::builder().url(&server.url_through(&proxy)).unwrap().shared_connections(1).build().unwrap();
        let key = Keys::number(1).on(&redis);
        key.set(&0).await.unwrap();
        key.update(|number| *number += 1).await.unwrap();
        proxy.on("EVALSHA", Fault::CutReply);
        let error = key.update(|number| *number += 1).await.unwrap_err();
        assert!(error.is_connection_lost(), "{error}");
        assert_eq!(key.get().await.unwrap(), Some(2));
        proxy.on("EVALSHA", Fault::CutRequest);
        assert!(key.update(|number| *number += 1).await.unwrap_err().is_connection_lost());
        assert_eq!(key.update(|number| *number += 1).await.unwrap(), Some(3));
    });
}

/// A delete ends loads even if the key does not exist, because a pending load could still create
/// it.
#[test]
fn deleting_a_missing_key_ends_its_loads() {
    within(PATIENCE, async {
        let redis = Redis::embedded();
        let key = Keys::number(1).on(&redis);
        let load = || async {
            assert_eq!(key.update_with(|_| Change::Delete).await.unwrap(), None);
            7
        };
        assert_eq!(key.get_or_set(load).await.unwrap(), 7);
        assert_eq!(key.get().await.unwrap(), None);
    });
}

/// The number of updates of each of the eight tasks of a process.
const EACH: i64 = 200;

/// Not a test by itself: the next test runs it in several processes.
#[test]
fn several_processes_child() {
    let Ok(url) = std::env::var("UPDATES_CHILD") else { return };
    within(PATIENCE, async {
        let redis = Redis::open(&url).unwrap();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let key = Keys::number(1).on(&redis);
                tokio::spawn(async move {
                    for _ in 0..EACH {
                        let update = key.update_or_insert(|| 0, |number| *number += 1);
                        update.attempts(10_000).timeout(MINUTE * 2).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn several_processes_lose_no_update() {
    const PROCESSES: i64 = 8;
    let server = RealServer::start();
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| child_test!("several_processes_child").env("UPDATES_CHILD", server.url()).spawn())
        .collect();
    for child in children {
        child.passes();
    }
    let expected = (PROCESSES * 8 * EACH).to_string();
    assert_eq!(server.redis_cli(&["GET", "updates:number:1"]), expected);
}
