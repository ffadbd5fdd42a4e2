//! The driver's own connection, lent: whatever is done to it, the next user gets a clean one.

use std::sync::Arc;
use std::time::Duration;

use redis_keyspace::error::Budget;
use redis_keyspace::raw::RawConnection;
use redis_keyspace::{ErrorKind, Keyspace, Redis, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{
    PATIENCE, both_servers, eventually, raw, shared_server, unique_namespace, wire, wired, within,
};
use tokio::sync::Notify;

#[derive(Keyspace)]
#[keyspace(prefix = "raw", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
}

async fn id(redis: &Redis) -> i64 {
    raw(redis, &["CLIENT", "ID"]).await
}

both_servers! {
    async fn the_driver_s_whole_api(redis: Redis) {
        let list = wired("list");
        let (length, items): (u64, Vec<String>) = redis
            .raw(|mut connection| async move {
                let mut pipe = redis::pipe();
                pipe.atomic().cmd("RPUSH").arg(&list).arg("a").arg("b").cmd("LRANGE").arg(&list).arg(0).arg(-1);
                pipe.query_async(&mut connection).await
            })
            .await
            .unwrap();
        assert_eq!((length, items), (2, vec!["a".into(), "b".into()]));
    }

    async fn the_namespace_shows(redis: Redis) {
        Keys::text(1).set("x").await.unwrap();
        assert_eq!(Keys::text(1).to_string(), "raw:text:1");
        assert_eq!(raw::<Option<String>>(&redis, &["GET", "raw:text:1"]).await, None);
        assert_eq!(raw::<Option<String>>(&redis, &["GET", &wire(&Keys::text(1))]).await.as_deref(), Some("x"));
    }

    async fn errors_are_in_our_terms(redis: Redis) {
        Keys::text(2).set("x").await.unwrap();
        let key = wire(&Keys::text(2));
        let error = redis
            .raw(|mut connection| async move { redis::cmd("LPUSH").arg(key).arg("y").query_async::<()>(&mut connection).await })
            .await
            .unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::WrongType, Some("WRONGTYPE")), "{error}");
        let error = redis
            .raw(|mut connection| async move {
                redis::cmd("NOSUCHCOMMAND").arg("hunter2").query_async::<()>(&mut connection).await
            })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        redis_keyspace_tests::secrets::assert_absent("hunter2", [format!("{error} {error:?}")]);
    }

    async fn a_watch_left_behind(redis: Redis) {
        let watched = wire(&Keys::text(3));
        let key = watched.clone();
        redis
            .raw(|mut connection| async move { redis::cmd("WATCH").arg(key).query_async::<()>(&mut connection).await })
            .await
            .unwrap();
        Keys::text(3).set("changed").await.unwrap();
        for _ in 0..10 {
            let key = watched.clone();
            let executed: Option<(String,)> = redis
                .raw(|mut connection| async move {
                    redis::pipe().atomic().cmd("GET").arg(key).query_async(&mut connection).await
                })
                .await
                .unwrap();
            assert_eq!(executed.unwrap().0, "changed", "nobody inherits a WATCH");
        }
    }

    async fn a_database_left_behind(redis: Redis) {
        for command in [&["SELECT", "9"][..], &["MULTI"], &["CLIENT", "SETNAME", "mine"]] {
            raw::<()>(&redis, command).await;
            for _ in 0..10 {
                let key = wired("somewhere");
                let seen: i64 = redis
                    .raw(|mut connection| async move {
                        redis::cmd("SET").arg(&key).arg("x").query_async::<()>(&mut connection).await?;
                        redis::cmd("EXISTS").arg(&key).query_async(&mut connection).await
                    })
                    .await
                    .unwrap();
                assert_eq!(seen, 1, "after {command:?}");
            }
        }
        let info: i64 = redis
            .raw(|mut connection| async move {
                redis::cmd("SELECT").arg(9).query_async::<()>(&mut connection).await?;
                redis::cmd("EXISTS").arg(wired("somewhere")).query_async(&mut connection).await
            })
            .await
            .unwrap();
        assert_eq!(info, 0);
    }

    async fn a_clean_connection_is_used_again_and_a_dirty_one_is_not(redis: Redis) {
        let ping = |mut c: RawConnection| async move { redis::cmd("PING").query_async::<()>(&mut c).await };
        redis.raw(ping).await.unwrap();
        let before = redis.stats().connections.iter().map(|pool| pool.connects).sum::<u64>();
        for _ in 0..20 {
            redis.raw(ping).await.unwrap();
        }
        let connects = |redis: &Redis| redis.stats().connections.iter().map(|pool| pool.connects).sum::<u64>();
        assert_eq!(connects(&redis), before);
        for _ in 0..5 {
            raw::<()>(&redis, &["SELECT", "0"]).await;
        }
        redis.raw(ping).await.unwrap();
        assert_eq!(connects(&redis), before + 5);
    }

    async fn a_cancelled_pop_eats_nothing(redis: Redis) {
        for round in 0..10 {
            let queue = wired(format!("queue:{round}"));
            let pop = |key: String, seconds: u32| {
                redis.raw(move |mut connection| async move {
                    redis::cmd("BLPOP").arg(key).arg(seconds).query_async::<Option<(String, String)>>(&mut connection).await
                })
            };
            tokio::select! {
                popped = pop(queue.clone(), 0) => panic!("there is nothing: {popped:?}"),
                // Of the shared server, so it may be another test's; then this one is dropped before it blocks.
                () = eventually("it blocks", async || {
                    let clients: String = raw(&redis, &["INFO", "clients"]).await;
                    !clients.contains("blocked_clients:0")
                }) => {}
            }
            eventually("the server has noticed", async || {
                let clients: String = raw(&redis, &["INFO", "clients"]).await;
                !clients.contains("blocked_clients:") || clients.contains("blocked_clients:0")
            })
            .await;
            raw::<u64>(&redis, &["RPUSH", &queue, "element"]).await;
            let popped = pop(queue.clone(), 60).await.unwrap();
            assert_eq!(popped.unwrap().1, "element", "round {round}");
        }
    }

    /// The driver waits half a second for a reply, unless it is configured otherwise. The server ends this one after a second.
    async fn a_blocking_pop_may_take_longer_than_the_driver_waits(redis: Redis) {
        let popped = redis.raw(|mut connection| async move {
            redis::cmd("BLPOP").arg(wired("long")).arg(1).query_async::<Option<(String, String)>>(&mut connection).await
        });
        assert_eq!(popped.await.unwrap(), None);
    }

    async fn a_panic_gives_the_connection_back(redis: Redis) {
        for _ in 0..10 {
            let redis = redis.clone();
            let task = tokio::spawn(async move {
                redis.raw::<(), _, _>(|_connection| async { panic!("a bug in the closure") }).await
            });
            assert!(task.await.unwrap_err().is_panic());
        }
        let seen: i64 = id(&redis).await;
        assert!(seen > 0);
    }
}

async fn all_busy(redis: Redis) {
    let (held, release) = (Arc::new(tokio::sync::Barrier::new(9)), Arc::new(Notify::new()));
    let holders: Vec<_> = (0..8)
        .map(|_| {
            let (redis, held, release) = (redis.clone(), held.clone(), release.clone());
            tokio::spawn(async move {
                redis
                    .raw(|connection| async move {
                        held.wait().await;
                        release.notified().await;
                        drop(connection);
                        Ok(())
                    })
                    .await
            })
        })
        .collect();
    held.wait().await;
    let ping = |mut c: RawConnection| async move { redis::cmd("PING").query_async::<()>(&mut c).await };
    let error = redis.raw(ping).await.unwrap_err();
    assert_eq!((error.kind(), error.budget()), (ErrorKind::PoolBusy, Some(Budget::Checkout)), "{error}");
    assert!(
        error.is_timeout() && !error.is_unavailable() && error.to_string().contains("exclusive_connections"),
        "{error}"
    );
    // Stateless commands don't need those.
    Keys::text(8).set("x").await.unwrap();
    assert_eq!(
        redis.stats().connections.iter().map(|pool| pool.exclusive_connections_in_use).sum::<u32>(),
        8
    );
    let waiting = redis.raw(ping);
    release.notify_waiters();
    waiting.await.unwrap();
    for holder in holders {
        holder.await.unwrap().unwrap();
    }
}

/// The limit is short, because it is waited for, and long enough for what is to work.
#[test]
fn all_busy_is_said_when_the_limit_is_over() {
    let url = shared_server().url();
    for builder in [Redis::builder().embedded(Server::new()), Redis::builder().url(&url).unwrap()] {
        let redis =
            builder.namespace(unique_namespace()).unwrap().timeout(Duration::from_secs(3)).build().unwrap();
        within(PATIENCE, redis.scope(all_busy(redis.clone())));
    }
}
