//! Idempotent work: it runs once per key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_keyspace::once::OnceError;
use redis_keyspace::{ErrorKind, Json, Keyspace, Once, Redis, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{
    Fault as ProxyFault, PATIENCE, Proxy, RealServer, both_servers, eventually, raw, wire, within,
};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "once", ttl = "1d")]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    receipt: fn(request: &str) -> Once<Json<Vec<u32>>>,
    text: fn(request: &str) -> Once<Text>,
    number: fn(request: &str) -> Once<u8>,
}

both_servers! {
    async fn a_hundred_requests_run_the_work_once(redis: Redis) {
        let done = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (done, key) = (Arc::clone(&done), Keys::receipt("r").on(&redis));
                tokio::spawn(async move {
                    let work = || async move {
                        let number = done.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        vec![number]
                    };
                    key.run(work).wait(MINUTE).await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), [0]);
        }
        assert_eq!(done.load(Ordering::Relaxed), 1);
        assert_eq!(Keys::receipt("r").result().await.unwrap(), Some(vec![0]));
        assert!(Keys::receipt("r").ttl().await.unwrap().remaining().unwrap() > 23 * 60 * MINUTE);
        // Other clients can read the result, and there is no other key.
        let there: String = raw(&redis, &["GET", &wire(&Keys::receipt("r"))]).await;
        assert_eq!(there, "[0]");
        let pattern = format!("{}*", wire(&Keys::receipt("r")));
        let keys: Vec<String> = raw(&redis, &["KEYS", &pattern]).await;
        assert_eq!(keys.len(), 1, "{keys:?}");
        assert_eq!(Keys::receipt("r").run(|| async { panic!("the work has run") }).await.unwrap(), [0]);
        // After a `del`, the work runs again.
        assert!(Keys::receipt("r").del().await.unwrap());
        assert_eq!(Keys::receipt("r").run(|| async { vec![7] }).await.unwrap(), [7]);
    }

    async fn an_invalid_ttl_is_rejected_before_the_work(redis: Redis) {
        let _ = redis;
        for ttl in [Duration::ZERO, Duration::MAX] {
            let run = Keys::text("t").run(|| async { panic!("the work ran and its result is lost") });
            assert_eq!(run.ttl(ttl).await.unwrap_err().kind(), ErrorKind::InvalidInput, "{ttl:?}");
        }
    }

    async fn in_progress_is_reported_at_once_or_after_the_wait(redis: Redis) {
        let (started, ends) = (Arc::new(AtomicU32::new(0)), Arc::new(tokio::sync::Notify::new()));
        let first = tokio::spawn({
            let (started, ends, key) = (Arc::clone(&started), Arc::clone(&ends), Keys::text("a").on(&redis));
            async move {
                let work = || async move {
                    started.store(1, Ordering::Relaxed);
                    ends.notified().await;
                    "done".to_owned()
                };
                key.run(work).await
            }
        });
        eventually("the work runs", async || started.load(Ordering::Relaxed) == 1).await;
        let never = || async { panic!("another caller runs the work") };
        let error = Keys::text("a").run(never).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::InProgress, Some("once:text:a")), "{error}");
        let error = Keys::text("a").run(never).wait(Duration::from_millis(30)).await.unwrap_err();
        assert!(error.to_string().contains("still after 30ms"), "{error}");
        assert_eq!(Keys::text("a").result().await.unwrap(), None);
        let waiting = tokio::spawn(Keys::text("a").on(&redis).run(never).wait(MINUTE).into_future());
        ends.notify_one();
        assert_eq!(waiting.await.unwrap().unwrap(), "done");
        assert_eq!(first.await.unwrap().unwrap(), "done");
    }

    async fn failed_or_dropped_work_is_not_recorded(redis: Redis) {
        let failed = Keys::text("f").try_run(|| async { Err("no money") }).await;
        assert!(matches!(failed, Err(OnceError::Work("no money"))), "{failed:?}");
        assert_eq!(failed.unwrap_err().to_string(), "the work failed: no money");
        let begun = tokio::sync::Notify::new();
        let dropped = Keys::text("f").run(|| async {
            begun.notify_one();
            std::future::pending().await
        });
        tokio::select! {
            ended = dropped.into_future() => panic!("{ended:?}"),
            () = begun.notified() => {}
        }
        // Released in the background, so no caller waits for half a minute.
        let done = Keys::text("f").run(|| async { "done".to_owned() }).wait(MINUTE / 4).await;
        assert_eq!(done.unwrap(), "done");
        let panicked = tokio::spawn(Keys::text("p").on(&redis).run(|| async { panic!("expected by the test") }).into_future());
        assert!(panicked.await.is_err());
        let done = Keys::text("p").run(|| async { "done".to_owned() }).wait(MINUTE / 4).await;
        assert_eq!(done.unwrap(), "done");
    }

    async fn an_undecodable_result_does_not_run_the_work_again(redis: Redis) {
        raw::<()>(&redis, &["SET", &wire(&Keys::number("n")), "300"]).await;
        let error = Keys::number("n").run(|| async { panic!("the work has run") }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
    }

    async fn deleting_the_key_during_the_work_is_reported(redis: Redis) {
        let _ = redis;
        let work = || async {
            Keys::text("d").del().await.unwrap();
            "done".to_owned()
        };
        let error = Keys::text("d").run(work).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResultNotStored, "{error}");
        // The error contains the result, can return it once, and never prints it.
        assert!(!format!("{error} {error:?}").contains("done\""), "{error:?}");
        assert_eq!(error.take_result::<u8>(), None);
        assert_eq!(error.clone().take_result::<String>().as_deref(), Some("done"));
        assert_eq!(error.take_result::<String>(), None);
        let work = || async {
            Keys::text("d").del().await.unwrap();
            Ok::<_, std::io::Error>("tried".to_owned())
        };
        let Err(OnceError::Redis(error)) = Keys::text("d").try_run(work).await else { panic!("the result was stored") };
        assert_eq!(error.take_result::<String>().as_deref(), Some("tried"));
        assert!(!Keys::text("d").exists().await.unwrap());
    }
}

both_servers! {
    async fn a_different_payload_is_refused_and_the_same_one_gets_the_result(redis: Redis) {
        let key = Keys::receipt("p");
        let never = || async { panic!("the work has run") };
        let done = key.run(|| async { vec![7] }).payload(&("order", 7)).await.unwrap();
        assert_eq!(done, [7]);
        assert_eq!(key.run(never).payload(&("order", 7)).await.unwrap(), [7]);
        let error = key.run(never).payload(&("order", 8)).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::PayloadMismatch, Some("once:receipt:p")), "{error}");
        let error = key.run(never).payload_bytes("order 7").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PayloadMismatch, "{error}");
        let failed = key.try_run(|| async { Err::<Vec<u32>, _>("no money") }).payload(&("order", 8)).wait(MINUTE).await;
        assert!(matches!(failed, Err(OnceError::Redis(error)) if error.kind() == ErrorKind::PayloadMismatch));
        // Without a payload, nothing is compared.
        assert_eq!(key.run(never).await.unwrap(), [7]);
        // Other clients can read the result. The hash of the payload outlives it.
        let there: String = raw(&redis, &["GET", &wire(&key)]).await;
        assert_eq!(there, "[7]");
        let note = format!("{0}%payload{{{0}}}", wire(&key));
        let (note_left, left): (i64, i64) =
            (raw(&redis, &["PTTL", &note]).await, raw(&redis, &["PTTL", &wire(&key)]).await);
        assert!(note_left > left && left > 0, "{note_left} {left}");
        // After a `del`, the work can run for another payload.
        assert!(key.del().await.unwrap());
        assert_eq!(key.run(|| async { vec![8] }).payload(&("order", 8)).await.unwrap(), [8]);
        assert_eq!(key.run(never).payload(&("order", 7)).await.unwrap_err().kind(), ErrorKind::PayloadMismatch);
    }

    async fn a_result_without_a_payload_hash_matches_every_payload(redis: Redis) {
        let never = || async { panic!("the work has run") };
        // Stored without a payload, as by earlier versions.
        let key = Keys::receipt("old");
        key.run(|| async { vec![1] }).await.unwrap();
        assert_eq!(key.run(never).payload_bytes("any").await.unwrap(), [1]);
        // The hash was evicted.
        let key = Keys::receipt("evicted");
        key.run(|| async { vec![1] }).payload_bytes("a").await.unwrap();
        let note = format!("{0}%payload{{{0}}}", wire(&key));
        assert_eq!(raw::<u64>(&redis, &["DEL", &note]).await, 1);
        assert_eq!(key.run(never).payload_bytes("b").await.unwrap(), [1]);
        // The hash belongs to another result, which another program replaced.
        let key = Keys::receipt("replaced");
        key.run(|| async { vec![1] }).payload_bytes("a").await.unwrap();
        raw::<()>(&redis, &["SET", &wire(&key), "[2]"]).await;
        assert_eq!(key.run(never).payload_bytes("b").await.unwrap(), [2]);
    }

    async fn a_payload_that_is_not_json_is_refused_before_the_work(_redis: Redis) {
        let never = || async { panic!("the work does not start") };
        let error = Keys::receipt("n").run(never).payload(&f64::NAN).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("NaN"), "{error}");
    }

    async fn work_that_lost_its_lease_does_not_change_the_payload_of_the_result(redis: Redis) {
        let _ = redis;
        let key = Keys::text("o");
        let later = || async {
            // The first work loses its lease, and another caller stores the same result.
            key.del().await.unwrap();
            let other = key.run(async || "ok".to_owned()).payload_bytes("b").await;
            assert_eq!(other.unwrap(), "ok");
            "ok".to_owned()
        };
        let lost = key.run(later).payload_bytes("a").await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::ResultNotStored, "{lost}");
        let never = || async { panic!("the result is stored") };
        assert_eq!(key.run(never).payload_bytes("b").await.unwrap(), "ok");
        let error = key.run(never).payload_bytes("a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PayloadMismatch, "{error}");
    }

    async fn lifetimes_and_sweeps_do_not_end_running_work(redis: Redis) {
        let _ = redis;
        let key = Keys::text("s");
        let again = async || key.run(async || panic!("the work runs twice")).await.unwrap_err().kind();
        let work = || async {
            assert!(!key.expire(MINUTE).await.unwrap());
            assert!(!key.persist().await.unwrap());
            assert_eq!(again().await, ErrorKind::InProgress);
            assert_eq!(Keys::text_keys().all().expire(MINUTE).await.unwrap().affected, 0);
            assert_eq!(Keys::text_keys().all().delete().await.unwrap().affected, 0);
            Keys::delete_pattern("text:*").await.unwrap();
            assert_eq!(again().await, ErrorKind::InProgress);
            "done".to_owned()
        };
        assert_eq!(key.run(work).await.unwrap(), "done");
        assert_eq!(Keys::text_keys().all().delete().await.unwrap().affected, 1);
    }

    async fn a_waiter_with_a_different_payload_is_refused_after_the_work(redis: Redis) {
        let (begun, ends) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
        let first = tokio::spawn({
            let (begun, ends, key) = (Arc::clone(&begun), Arc::clone(&ends), Keys::text("w").on(&redis));
            async move {
                let work = || async move {
                    begun.notify_one();
                    ends.notified().await;
                    "done".to_owned()
                };
                key.run(work).payload_bytes("a").await
            }
        });
        begun.notified().await;
        let run = |payload: &str| {
            let never = || async { panic!("another caller runs the work") };
            let run = Keys::text("w").on(&redis).run(never).payload_bytes(payload);
            tokio::spawn(run.wait(MINUTE).into_future())
        };
        let (same, other) = (run("a"), run("b"));
        ends.notify_one();
        assert_eq!(first.await.unwrap().unwrap(), "done");
        assert_eq!(same.await.unwrap().unwrap(), "done");
        assert_eq!(other.await.unwrap().unwrap_err().kind(), ErrorKind::PayloadMismatch);
    }
}

/// The command that stores the result, or its reply, is lost.
#[test]
fn a_result_survives_a_lost_connection() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).build().unwrap();
        let work = || async {
            server.inject(Fault::close_after().on("EVALSHA").times(1)).keep();
            "done".to_owned()
        };
        assert_eq!(Keys::text("l").on(&redis).run(work).await.unwrap(), "done");
        let work = || async {
            server.inject(Fault::close_before().on("EVALSHA").times(1)).keep();
            "done".to_owned()
        };
        assert_eq!(Keys::text("m").on(&redis).run(work).await.unwrap(), "done");
        assert_eq!(Keys::text("m").on(&redis).result().await.unwrap().as_deref(), Some("done"));
        // Another error says that nothing was stored.
        let work = || async {
            server.inject(Fault::error("ERR injected").on("EVALSHA").times(1)).keep();
            "done".to_owned()
        };
        let error = Keys::text("n").on(&redis).run(work).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResultNotStored, "{error}");
        assert_eq!(error.take_result::<String>().as_deref(), Some("done"));
    });
}

/// The caller gives up, and later the server executes the request for the lease.
#[test]
fn work_that_never_began_does_not_stay_in_progress() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let proxy = Proxy::start(server.address());
        let redis = Redis::open(&server.url_through(&proxy)).unwrap();
        let run = |id: &str| Keys::text(id).on(&redis).run(async || "done".to_owned());
        run("other").await.unwrap();
        let has = |id: &str, field: &str| {
            let companion = format!("once:text:{id}%fill{{once:text:{id}}}");
            server.redis_cli(&["HEXISTS", &companion, field]) == "1"
        };
        let is_acquired_and_released = async |id: &str| {
            // If the lease expired instead, nothing would be left.
            let is_released = async || has(id, "v") && !has(id, "lease");
            eventually("the lease is acquired and released", is_released).await;
        };
        // The reply is late, and the caller has an error.
        proxy.on("EVALSHA", ProxyFault::Delay(MINUTE / 60));
        let error = run("late").timeout(MINUTE / 240).await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        is_acquired_and_released("late").await;
        // The caller is gone before its request fails.
        proxy.on("EVALSHA", ProxyFault::Delay(MINUTE / 60));
        let mut waiting = Box::pin(run("dropped").timeout(MINUTE / 240).into_future());
        tokio::select! {
            ended = &mut waiting => assert!(ended.unwrap_err().is_timeout()),
            () = eventually("the command is in flight", async || proxy.unused() == 0) => {}
        }
        drop(waiting);
        is_acquired_and_released("dropped").await;
    });
}

#[test]
fn work_can_be_dropped_outside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let redis = Redis::embedded();
    let key = Keys::text("outside").on(&redis);
    let begun = Arc::new(tokio::sync::Notify::new());
    let begins = Arc::clone(&begun);
    let mut running = key
        .run(move || async move {
            begins.notify_one();
            std::future::pending::<String>().await
        })
        .into_future();
    runtime.block_on(async {
        tokio::select! {
            ended = &mut running => panic!("{ended:?}"),
            () = begun.notified() => {}
        }
    });
    drop(running);
    let done = runtime.block_on(key.run(async || "done".to_owned()).wait(MINUTE / 4).into_future());
    assert_eq!(done.unwrap(), "done");
}

/// Other callers find the work in progress although several renewals fail.
#[test]
fn a_failed_renewal_is_tried_again_soon() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let server = Server::new();
        let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
        let key = Keys::text("renewed").on(&redis);
        let work = || async {
            // The renewals after 10 s, and those that follow it.
            let refusals = server.inject(Fault::error("ERR injected").on("EVALSHA").times(8));
            tokio::time::sleep(Duration::from_secs(35)).await;
            assert_eq!(refusals.hits(), 8);
            let error = key.run(async || panic!("the work runs twice")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InProgress, "{error}");
            "done".to_owned()
        };
        assert_eq!(key.run(work).await.unwrap(), "done");
    });
}
