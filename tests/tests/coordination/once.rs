//! Work that is done once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_keyspace::once::OnceError;
use redis_keyspace::{ErrorKind, Json, Keyspace, Once, Redis, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, both_servers, eventually, raw, wire, within};

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
    async fn a_hundred_requests_do_the_work_once(redis: Redis) {
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
        // Other clients read the result as it is, and find nothing else.
        let there: String = raw(&redis, &["GET", &wire(&Keys::receipt("r"))]).await;
        assert_eq!(there, "[0]");
        let beside = format!("{}*", wire(&Keys::receipt("r")));
        let keys: Vec<String> = raw(&redis, &["KEYS", &beside]).await;
        assert_eq!(keys.len(), 1, "{keys:?}");
        assert_eq!(Keys::receipt("r").run(|| async { panic!("it was done") }).await.unwrap(), [0]);
        // Forgotten, it is done again.
        assert!(Keys::receipt("r").del().await.unwrap());
        assert_eq!(Keys::receipt("r").run(|| async { vec![7] }).await.unwrap(), [7]);
    }

    async fn in_progress_is_said_at_once_or_after_the_wait(redis: Redis) {
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
        let never = || async { panic!("somebody else does it") };
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

    async fn work_that_fails_or_is_dropped_is_not_done(redis: Redis) {
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
        // Given back in the background: nobody waits half a minute for it.
        let done = Keys::text("f").run(|| async { "done".to_owned() }).wait(MINUTE / 4).await;
        assert_eq!(done.unwrap(), "done");
        let panicked = tokio::spawn(Keys::text("p").on(&redis).run(|| async { panic!("as the test has it") }).into_future());
        assert!(panicked.await.is_err());
        let done = Keys::text("p").run(|| async { "done".to_owned() }).wait(MINUTE / 4).await;
        assert_eq!(done.unwrap(), "done");
    }

    async fn a_result_that_can_not_be_read_is_no_reason_to_do_it_again(redis: Redis) {
        raw::<()>(&redis, &["SET", &wire(&Keys::number("n")), "300"]).await;
        let error = Keys::number("n").run(|| async { panic!("it was done") }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
    }

    async fn a_key_that_was_deleted_meanwhile_is_told(redis: Redis) {
        let _ = redis;
        let work = || async {
            Keys::text("d").del().await.unwrap();
            "done".to_owned()
        };
        let error = Keys::text("d").run(work).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResultNotStored, "{error}");
        assert!(!Keys::text("d").exists().await.unwrap());
    }
}

/// The answer to the last command is lost, and the result is there.
#[test]
fn a_lost_answer_is_looked_up() {
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
        let error = Keys::text("m").on(&redis).run(work).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResultNotStored, "{error}");
    });
}
