//! Commands as futures: joined, raced, spawned, timed out, and dropped at any moment.

use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use redis_keyspace::command::OnUnavailable;
use redis_keyspace::config::Protocol;
use redis_keyspace::raw::RawConnection;
use redis_keyspace::{Command, Counter, Error, ErrorKind, Json, Key, Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{both_servers, secrets, shared_server, unique_namespace, within};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "futures", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u64) -> Text,
    json: fn(id: u64) -> Json<Vec<u64>>,
    count: fn(id: u64) -> Counter,
}

fn send<T: Send>(value: T) -> T {
    value
}

fn sendable<F>(value: F) -> F
where
    F: IntoFuture + Send,
    F::IntoFuture: Send + 'static,
{
    value
}

/// This only has to compile.
#[allow(dead_code, reason = "it only has to compile")]
fn every_future_is_send(redis: &Redis) {
    fn assert_all<T: Send + Sync + 'static>() {}
    assert_all::<Redis>();
    assert_all::<Key<Keys, Text>>();
    assert_all::<Error>();
    assert_all::<Command<Option<std::rc::Rc<u8>>>>(); // a command contains no result
    assert_all::<redis_keyspace::command::SetValue<Keys, Text, ()>>();
    assert_all::<redis_keyspace::command::GetEx<Keys, Text>>();
    fn assert_send<T: Send + 'static>() {}
    assert_send::<RawConnection>();
    let key = Keys::text(1);
    drop(sendable(key.get()));
    drop(sendable(key.set("x")));
    drop(sendable(key.set("x").keep_ttl().returning_old()));
    drop(sendable(key.get_ex().persist()));
    drop(sendable(Keys::count(1).incr()));
    drop(sendable(Key::get_many([key.clone()])));
    drop(sendable(Key::set_many([(key.clone(), "x")])));
    drop(sendable(redis.batch((key.get(), Keys::count(1).incr()))));
    drop(sendable(redis.transaction(vec![key.get()])));
    drop(sendable(key.get_or_set(|| async { String::new() })));
    drop(sendable(key.try_get_or_set(|| async { Ok::<_, std::io::Error>(String::new()) })));
    drop(send(redis.batch((key.get(),)).each()));
    drop(send(redis.raw(|_| async { Ok(()) })));
    drop(send(redis.ping()));
    drop(send(redis.connect()));
    drop(send(redis.close()));
    drop(send(redis.scope(async {})));
    drop(send(Redis::from_async(|| async { Ok::<_, std::io::Error>(Redis::builder()) })));
}

both_servers! {
    async fn commands_can_be_joined_raced_spawned_and_timed(redis: Redis) {
        let (a, b, c) = tokio::join!(
            Keys::text(1).set("a"),
            Keys::count(1).incr(),
            Keys::json(1).get(),
        );
        assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), ((), 1, None));
        let (a, b) = tokio::try_join!(Keys::text(1).get(), Keys::count(1).get()).unwrap();
        assert_eq!((a.as_deref(), b), (Some("a"), 1));
        tokio::select! {
            count = Keys::count(1).incr() => assert_eq!(count.unwrap(), 2),
            () = std::future::pending() => unreachable!("a pending future is never ready"),
        }
        let spawned = tokio::spawn(Keys::text(1).get().on(&redis));
        assert_eq!(spawned.await.unwrap().unwrap().as_deref(), Some("a"));
        let timed = tokio::time::timeout(MINUTE, Keys::text(1).get()).await;
        assert_eq!(timed.unwrap().unwrap().as_deref(), Some("a"));
        let timed = tokio::time::timeout(MINUTE, Keys::text(1).get_or_set(|| async { String::new() })).await;
        assert_eq!(timed.unwrap().unwrap(), "a");
        // Commands can be created first and awaited later.
        let commands: Vec<Command<i64>> = (0..10).map(|_| Keys::count(2).incr()).collect();
        for (nth, command) in commands.into_iter().enumerate() {
            assert_eq!(command.await.unwrap(), nth as i64 + 1);
        }
    }

    async fn commands_are_spawned_and_collected_as_they_are(redis: Redis) {
        let kept = Keys::text(20).set("a").keep_ttl().on(&redis);
        tokio::spawn(kept).await.unwrap().unwrap();
        let old = tokio::spawn(Keys::text(20).set("b").returning_old().on(&redis)).await.unwrap();
        assert_eq!(old.unwrap().as_deref(), Some("a"));
        let renewed = tokio::spawn(Keys::text(20).get_ex().ttl(MINUTE).on(&redis)).await.unwrap();
        assert_eq!(renewed.unwrap().as_deref(), Some("b"));
        let mut set: tokio::task::JoinSet<_> = (20..23).map(|id| Keys::text(id).exists().on(&redis)).collect();
        let mut found = 0;
        while let Some(exists) = set.join_next().await {
            found += u32::from(exists.unwrap().unwrap());
        }
        assert_eq!(found, 1);
    }

    async fn a_polled_command_takes_no_option_and_joins_no_batch(redis: Redis) {
        type Change = fn(Command<i64>, &Redis) -> Command<i64>;
        let options: [Change; 4] = [
            |command, redis| command.on(redis),
            |command, _| command.timeout(MINUTE),
            |command, _| command.ttl(MINUTE),
            |command, _| command.on_unavailable(OnUnavailable::Error),
        ];
        for change in options {
            let mut command = Keys::count(30).incr();
            poll_once(&mut command).await;
            assert_polled_already(change(command, &redis).await.unwrap_err());
        }
        // The same before and after the reply, also for the builders.
        let mut complete = Keys::count(30).incr();
        (&mut complete).await.unwrap();
        assert_polled_already(redis.batch((complete,)).await.unwrap_err());
        let mut written = Keys::text(30).set("a");
        poll_once(&mut written).await;
        assert_polled_already(written.keep_ttl().await.unwrap_err());
        let mut written = Keys::text(30).set("a");
        poll_once(&mut written).await;
        assert_polled_already(written.only_if_absent().await.unwrap_err());
        let mut written = Keys::text(30).set("a");
        poll_once(&mut written).await;
        assert_polled_already(written.returning_old().on(&redis).await.unwrap_err());
        let mut read = Keys::text(30).get_ex();
        poll_once(&mut read).await;
        assert_polled_already(redis.transaction((read.persist(),)).await.unwrap_err());
        let mut read = Keys::text(30).get_ex();
        poll_once(&mut read).await;
        let (polled, other) = redis.batch((read, Keys::text(31).set("b"))).each().await.unwrap();
        assert_polled_already(polled.unwrap_err());
        other.expect("the other commands of the batch run");
    }

    async fn a_command_that_is_not_awaited_does_not_run(_redis: Redis) {
        drop(Keys::count(3).incr());
        assert_eq!(Keys::count(3).get().await.unwrap(), 0);
    }

    async fn polling_after_completion_fails_without_hanging(_redis: Redis) {
        let mut future = Keys::count(4).incr();
        assert_eq!((&mut future).await.unwrap(), 1);
        let again = tokio::time::timeout(MINUTE, &mut future).await.expect("no hang");
        again.unwrap_err();
        assert_eq!(Keys::count(4).get().await.unwrap(), 1);
    }
}

async fn poll_once<T>(mut command: impl Future<Output = T> + Unpin) {
    std::future::poll_fn(|context| {
        let _ = std::pin::Pin::new(&mut command).poll(context);
        Poll::Ready(())
    })
    .await;
}

#[track_caller]
fn assert_polled_already(error: Error) {
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let text = error.to_string();
    assert!(text.contains("was polled before it was changed") && text.contains("Keys::"), "{text}");
}

#[test]
fn debug_prints_no_value() {
    let (secret, redis) = ("hunter2-xyzzy", Redis::embedded());
    let key = Keys::text(1);
    let many = Key::set_many([(key.clone(), secret)]);
    let batch = redis.batch((key.set(secret), Keys::text(2).get()));
    let texts = [
        format!("{:?}", key.set(secret)),
        format!("{:#?}", key.set(secret).keep_ttl().returning_old()),
        format!("{:?}", redis_keyspace::command::IntoCommand::into_command(key.set(secret))),
        format!("{:?}", key.set(secret)),
        format!("{:?}", key.get_or_set(|| async { secret.to_owned() })),
        format!("{many:?} {batch:?}"),
    ];
    assert!(texts[2].contains("SET") && texts[2].contains("futures:text:1"), "{}", texts[2]);
    secrets::assert_absent(secret, texts);
}

/// Drops futures at random moments, while other tasks check that they get the replies to their own
/// commands.
fn dropped_at_random(builder: RedisBuilder) {
    const DROPPERS: u64 = 8;
    const DROPS: u64 = 20_000;
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(2 * MINUTE, async {
        let (done, checked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        for id in 0..100 {
            Keys::text(id).set(&format!("text {id}")).on(&redis).await.unwrap();
            Keys::json(id).set(&vec![id; 1 + id as usize % 7]).on(&redis).await.unwrap();
        }
        let checkers: Vec<_> = (0..8_u64)
            .map(|task| {
                let (redis, done, checked) = (redis.clone(), done.clone(), checked.clone());
                tokio::spawn(async move {
                    for nth in 0_u64.. {
                        // On a busy machine, the other tasks may be done at once.
                        if nth >= 50 && done.load(Ordering::Relaxed) {
                            break;
                        }
                        let id = (nth * 31 + task) % 100;
                        let (text, json, own) = tokio::join!(
                            Keys::text(id).get().on(&redis),
                            Key::get_many([Keys::json(id), Keys::json((id + 1) % 100)]).on(&redis),
                            Keys::count(1000 + task).incr().on(&redis),
                        );
                        assert_eq!(text.unwrap(), Some(format!("text {id}")));
                        let json = json.unwrap();
                        assert_eq!(json[0], Some(vec![id; 1 + id as usize % 7]));
                        assert_eq!(json[1].as_ref().unwrap()[0], (id + 1) % 100);
                        assert_eq!(own.unwrap() as u64, nth + 1);
                        checked.fetch_add(3, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let droppers: Vec<_> = (0..DROPPERS)
            .map(|task| {
                let redis = redis.clone();
                tokio::spawn(async move {
                    let mut random = task + 1;
                    for nth in 0..DROPS / DROPPERS {
                        random = random
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        let (id, polls) = (200 + nth % 50, (random >> 33) % 4);
                        match (random >> 40) % 5 {
                            0 => poll_then_drop(Keys::text(id).get().on(&redis), polls).await,
                            1 => poll_then_drop(Keys::text(id).set("dropped").on(&redis), polls).await,
                            2 => poll_then_drop(Keys::count(id).incr().on(&redis), polls).await,
                            3 => {
                                poll_then_drop(
                                    redis.batch((Keys::text(id).get(), Keys::count(id).incr())),
                                    polls,
                                )
                                .await
                            }
                            _ => poll_then_drop(redis.transaction([Keys::count(id).incr()]), polls).await,
                        }
                    }
                })
            })
            .collect();
        for task in droppers {
            task.await.unwrap();
        }
        done.store(true, Ordering::Relaxed);
        for task in checkers {
            task.await.unwrap();
        }
        assert!(checked.load(Ordering::Relaxed) > 1000, "other tasks checked their replies");
        assert!(redis.stats().connections.iter().all(|pool| pool.connects <= 2), "no connection was lost");
    });
}

/// Polls a few times, yields in between, and drops the future.
async fn poll_then_drop<F: IntoFuture>(command: F, polls: u64) {
    let mut future = Box::pin(command.into_future());
    for _ in 0..polls {
        if std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn dropped_at_random_embedded_resp2() {
    dropped_at_random(Redis::builder().embedded(Server::new()).protocol(Protocol::Resp2));
}

#[test]
fn dropped_at_random_embedded_resp3() {
    dropped_at_random(Redis::builder().embedded(Server::new()).protocol(Protocol::Resp3));
}

#[test]
fn dropped_at_random_real_resp2() {
    dropped_at_random(Redis::builder().url(&shared_server().url()).unwrap().protocol(Protocol::Resp2));
}

#[test]
fn dropped_at_random_real_resp3() {
    dropped_at_random(Redis::builder().url(&shared_server().url()).unwrap().protocol(Protocol::Resp3));
}
