//! Raw access lends a connection of the driver. The next user always gets a clean one.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis_keyspace::error::Budget;
use redis_keyspace::raw::RawConnection;
use redis_keyspace::{ErrorKind, Key, Keyspace, Redis, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{
    PATIENCE, RealServer, both_servers, eventually, on_embedded, on_real, raw, require_private_script_debug,
    shared_server, unique_namespace, wire, wired, within,
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

/// How far a request gets before its future is dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Until {
    Answered,
    PolledOnce,
    Unpolled,
}

/// Sends a request and ignores its outcome.
async fn request(connection: &mut RawConnection, pipeline: &redis::Pipeline, until: Until) {
    let (offset, count) =
        if pipeline.is_transaction() { (pipeline.len() + 1, 1) } else { (0, pipeline.len()) };
    let mut sent = connection.req_packed_commands(pipeline, offset, count);
    match until {
        Until::Answered => _ = sent.await,
        Until::PolledOnce => {
            poll_fn(|context| {
                let _ = sent.as_mut().poll(context);
                Poll::Ready(())
            })
            .await;
        }
        Until::Unpolled => {}
    }
}

/// Builds a pipeline from commands whose words are separated by spaces.
fn pipeline(commands: &[String]) -> redis::Pipeline {
    let mut pipeline = redis::pipe();
    for command in commands {
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        pipeline.add_command(command);
    }
    pipeline
}

/// Checks that the next callers, in sequence, find connections in the state of new ones.
async fn assert_nothing_is_inherited(redis: &Redis, watched: &Key<Keys, Text>, left: &str) {
    watched.set(left).await.unwrap();
    for nth in 0..3 {
        let (read, written) = (wire(watched), wired("written"));
        let value = format!("{left} {nth}");
        let (to_write, key) = (value.clone(), written.clone());
        let executed: Option<(String, i64)> = redis
            .raw(|mut connection| async move {
                // A leftover `MULTI` would queue this command, and it would receive a leftover
                // reply.
                redis::cmd("SET").arg(&key).arg(&to_write).exec_async(&mut connection).await?;
                let mut transaction = redis::pipe();
                transaction.atomic().cmd("GET").arg(read).cmd("STRLEN").arg(&key);
                transaction.query_async(&mut connection).await
            })
            .await
            .unwrap_or_else(|error| panic!("after {left}: {error}"));
        let length = i64::try_from(value.len()).unwrap();
        assert_eq!(executed, Some((left.to_owned(), length)), "after {left}");
        assert_eq!(raw::<String>(redis, &["GET", &written]).await, value, "after {left}");
    }
}

async fn debug_scripts(redis: Redis) {
    redis
        .raw(|mut connection| async move {
            request(&mut connection, &pipeline(&["SCRIPT DEBUG YES".to_owned()]), Until::Answered).await;
            Ok(())
        })
        .await
        .unwrap();
    assert_nothing_is_inherited(&redis, &Keys::text(7), "SCRIPT DEBUG YES").await;
}

#[test]
fn a_debugger_of_scripts_is_not_inherited_on_the_embedded_server() {
    on_embedded(debug_scripts);
}

#[test]
fn a_debugger_of_scripts_is_not_inherited_on_a_real_server() {
    if require_private_script_debug(&RealServer::start()) {
        on_real(debug_scripts);
    }
}

both_servers! {
    async fn the_full_api_of_the_driver_is_available(redis: Redis) {
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

    async fn raw_keys_include_the_namespace(redis: Redis) {
        Keys::text(1).set("x").await.unwrap();
        assert_eq!(Keys::text(1).to_string(), "raw:text:1");
        assert_eq!(raw::<Option<String>>(&redis, &["GET", "raw:text:1"]).await, None);
        assert_eq!(raw::<Option<String>>(&redis, &["GET", &wire(&Keys::text(1))]).await.as_deref(), Some("x"));
    }

    async fn errors_have_kinds_of_this_crate(redis: Redis) {
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

    async fn a_leftover_watch_is_not_inherited(redis: Redis) {
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
            assert_eq!(executed.unwrap().0, "changed", "no caller inherits a WATCH");
        }
    }

    async fn unfinished_state_is_not_inherited(redis: Redis) {
        use Until::{Answered, PolledOnce, Unpolled};
        let (key, watched) = (wire(&Keys::text(4)), Keys::text(4));
        let cases: &[&[(&str, Until)]] = &[
            &[("WATCH k", Answered), ("DISCARD", Answered)],
            &[("WATCH k", Answered), ("EXEC", Answered)],
            &[("WATCH k", Answered), ("UNWATCH", Unpolled)],
            &[("WATCH k", Answered), ("UNWATCH nonsense", Answered)],
            &[("WATCH k", Answered), ("MULTI", Answered), ("UNWATCH", Answered), ("EXEC", Unpolled)],
            &[("WATCH k", Unpolled), ("PING", Answered)],
            &[("WATCH k", PolledOnce), ("PING", Answered)],
            &[("MULTI", Answered), ("DISCARD", Unpolled)],
            &[("MULTI", Answered), ("EXEC", Unpolled), ("PING", Answered)],
            &[("MULTI", PolledOnce), ("GET k", Answered)],
            &[("MULTI", Answered), ("GET k", Answered)],
            &[("MULTI", Answered), ("DISCARD nonsense", Answered)],
            &[("UNWATCH|WATCH k", Answered)],
            &[("WATCH k|DISCARD", Answered)],
            &[("MULTI|GET k|EXEC|MULTI", Answered)],
            &[("WATCH k|MULTI|GET k", Answered), ("EXEC|WATCH k", Answered)],
            &[("WATCH k", Answered), ("RESET", Answered)],
            &[("SELECT 9", Answered)],
            &[("select 9", PolledOnce), ("PING", Answered)],
            &[("HELLO 3", Answered)],
            &[("AUTH default wrong", Answered)],
            &[("CLIENT REPLY OFF", PolledOnce)],
            &[("CLIENT REPLY SKIP", PolledOnce)],
            &[("CLIENT TRACKING ON", Answered)],
            &[("SUBSCRIBE news", PolledOnce)],
            &[("MONITOR", PolledOnce)],
            &[("GET k|GET k", Unpolled), ("PING", Answered)],
        ];
        for steps in cases {
            let steps_of_key: Vec<_> = steps
                .iter()
                .map(|(commands, until)| {
                    let commands = commands.split('|').map(|command| command.replace(" k", &format!(" {key}")));
                    (pipeline(&commands.collect::<Vec<_>>()), *until)
                })
                .collect();
            redis
                .raw(|mut connection| async move {
                    for (pipeline, until) in &steps_of_key {
                        request(&mut connection, pipeline, *until).await;
                    }
                    Ok(())
                })
                .await
                .unwrap();
            assert_nothing_is_inherited(&redis, &watched, &format!("{steps:?}")).await;
        }
    }

    /// Replies that a caller leaves unread must not answer the next caller's request.
    async fn unread_replies_are_not_inherited(redis: Redis) {
        for (offset, count) in [(0, 1), (1, 1), (0, 2)] {
            redis
                .raw(|mut connection| async move {
                    let pipeline = pipeline(&["ECHO a".into(), "ECHO b".into(), "ECHO c".into()]);
                    connection.req_packed_commands(&pipeline, offset, count).await.map(drop)
                })
                .await
                .unwrap();
            assert_nothing_is_inherited(&redis, &Keys::text(5), &format!("{count} replies")).await;
        }
        redis
            .raw(|mut connection| async move {
                let mut command = redis::cmd("ECHO");
                command.arg("a").set_no_response(true);
                connection.req_packed_command(&command).await.map(drop)
            })
            .await
            .unwrap();
        assert_nothing_is_inherited(&redis, &Keys::text(5), "a reply that the driver ignores").await;
    }

    async fn requests_dropped_at_random_are_not_inherited(redis: Redis) {
        let (key, watched) = (wire(&Keys::text(6)), Keys::text(6));
        let commands =
            ["WATCH k", "UNWATCH", "MULTI", "EXEC", "DISCARD", "GET k", "SET k x", "RESET", "SELECT 5", "NOSUCH"];
        // A fixed sequence of numbers makes failures reproducible.
        let mut state = 7_u64;
        let mut below = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % limit
        };
        for _ in 0..150 {
            let steps: Vec<_> = (0..=below(5))
                .map(|nth| {
                    let commands: Vec<_> = (0..=below(3))
                        .map(|_| commands[below(commands.len())].replace(" k", &format!(" {key}")))
                        .collect();
                    let until = [Until::Answered, Until::PolledOnce, Until::Unpolled][below(6).saturating_sub(3)];
                    let mut pipeline = pipeline(&commands);
                    // The driver's task panics if its own MULTI is nested in one of an earlier
                    // step.
                    if nth == 0 && below(2) == 0 {
                        pipeline.atomic();
                    }
                    (commands, pipeline, until)
                })
                .collect();
            let left = format!("{:?}", steps.iter().map(|(commands, _, until)| (commands, until)).collect::<Vec<_>>());
            redis
                .raw(|mut connection| async move {
                    for (_, pipeline, until) in &steps {
                        request(&mut connection, pipeline, *until).await;
                    }
                    Ok(())
                })
                .await
                .unwrap();
            assert_nothing_is_inherited(&redis, &watched, &left).await;
        }
    }

    /// A connection that is known to be clean is not closed.
    async fn a_finished_transaction_does_not_cost_a_connection(redis: Redis) {
        let key = wire(&Keys::text(7));
        let connects = |redis: &Redis| redis.stats().connections.iter().map(|pool| pool.connects).sum::<u64>();
        let ping = |mut c: RawConnection| async move { redis::cmd("PING").query_async::<()>(&mut c).await };
        redis.raw(ping).await.unwrap();
        let before = connects(&redis);
        for commands in ["WATCH k|UNWATCH", "WATCH k|MULTI|EXEC", "MULTI|GET k|DISCARD", "WATCH k|MULTI|GET|EXEC"] {
            let commands = commands.split('|').map(|command| command.replace(" k", &format!(" {key}")));
            let pipeline = pipeline(&commands.collect::<Vec<_>>());
            redis
                .raw(|mut connection| async move {
                    request(&mut connection, &pipeline, Until::Answered).await;
                    Ok(())
                })
                .await
                .unwrap();
            redis.raw(ping).await.unwrap();
        }
        assert_eq!(connects(&redis), before);
    }

    async fn a_selected_database_is_not_inherited(redis: Redis) {
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

    async fn clean_connections_are_reused_and_dirty_ones_are_closed(redis: Redis) {
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
        // The connections were not broken: their callers changed them.
        let closed = redis.stats().connections[0].exclusive_connections_closed;
        assert_eq!((closed.modified, closed.broken, closed.invalid), (5, 0, 0));
    }

    async fn a_cancelled_pop_takes_no_element(redis: Redis) {
        for round in 0..10 {
            let queue = wired(format!("queue:{round}"));
            let pop = |key: String, seconds: u32| {
                redis.raw(move |mut connection| async move {
                    redis::cmd("BLPOP").arg(key).arg(seconds).query_async::<Option<(String, String)>>(&mut connection).await
                })
            };
            tokio::select! {
                popped = pop(queue.clone(), 0) => panic!("the queue is empty: {popped:?}"),
                // The server is shared, so another test's client may be the blocked one. Then this
                // call is dropped before it blocks.
                () = eventually("the pop blocks", async || {
                    let clients: String = raw(&redis, &["INFO", "clients"]).await;
                    !clients.contains("blocked_clients:0")
                }) => {}
            }
            eventually("the server unblocks the client", async || {
                let clients: String = raw(&redis, &["INFO", "clients"]).await;
                !clients.contains("blocked_clients:") || clients.contains("blocked_clients:0")
            })
            .await;
            raw::<u64>(&redis, &["RPUSH", &queue, "element"]).await;
            let popped = pop(queue.clone(), 60).await.unwrap();
            assert_eq!(popped.unwrap().1, "element", "round {round}");
        }
    }

    /// The driver waits half a second for a reply by default. The server ends this pop after a
    /// second.
    async fn a_blocking_pop_can_exceed_the_timeout_of_the_driver(redis: Redis) {
        let popped = redis.raw(|mut connection| async move {
            redis::cmd("BLPOP").arg(wired("long")).arg(1).query_async::<Option<(String, String)>>(&mut connection).await
        });
        assert_eq!(popped.await.unwrap(), None);
    }

    async fn a_panic_releases_the_connection(redis: Redis) {
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
    // Stateless commands do not need exclusive connections.
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

/// The limit is short because the test waits for it, and long enough for the commands that must
/// work.
#[test]
fn a_busy_pool_is_reported_after_the_limit() {
    let url = shared_server().url();
    for builder in [Redis::builder().embedded(Server::new()), Redis::builder().url(&url).unwrap()] {
        let redis =
            builder.namespace(unique_namespace()).unwrap().timeout(Duration::from_secs(3)).build().unwrap();
        within(PATIENCE, redis.scope(all_busy(redis.clone())));
    }
}
