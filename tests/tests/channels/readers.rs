//! Readers that are slower than publishers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis_keyspace::Redis;
use redis_keyspace::channel::Event;
use redis_keyspace_tests::{both_servers, raw, wire};

use crate::{Chat, message};

both_servers! {
    /// What is missing is counted, where it is missing.
    async fn a_lagging_reader_is_told_how_many_messages_are_missing(redis: Redis) {
        let mut slow = Chat::number().subscribe().buffer(4).await.unwrap();
        let mut fast = Chat::number().subscribe().buffer(1000).await.unwrap();
        for number in 0..100 {
            Chat::number().publish(&number).await.unwrap();
        }
        for number in 0..100 {
            assert_eq!(message(&mut fast).await, number, "another subscription misses nothing");
        }
        let (mut next, mut lagged) = (0, 0);
        while next < 100 {
            match slow.next().await.unwrap().unwrap() {
                Event::Message(number) => {
                    assert_eq!(number, next);
                    next += 1;
                }
                Event::Lagged(count) => {
                    next += count;
                    lagged += count;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(lagged >= 90, "{lagged}");
        // It goes on.
        Chat::number().on(&redis).publish(&100).await.unwrap();
        assert_eq!(message(&mut slow).await, 100);
    }

    /// A reader that reads, however slowly, loses nothing as long as it makes room in time.
    async fn a_full_buffer_holds_up_the_connection_first(_redis: Redis) {
        let mut numbers = Chat::number().subscribe().buffer(1).await.unwrap();
        let publishing = tokio::spawn(Redis::current().unwrap().scope(async {
            for number in 0..200 {
                Chat::number().publish(&number).await.unwrap();
            }
        }));
        let mut seen = 0;
        while seen < 200 {
            match numbers.next().await.unwrap().unwrap() {
                Event::Message(number) => {
                    assert_eq!(number, seen);
                    seen += 1;
                }
                // On a machine that stops for a quarter of a second.
                Event::Lagged(count) => seen += count,
                other => panic!("{other:?}"),
            }
        }
        publishing.await.unwrap();
    }

    /// Others wait a moment, not for as long as the reader needs.
    async fn a_slow_reader_does_not_hold_up_other_subscriptions(redis: Redis) {
        const MESSAGES: u64 = 500;
        let mut slow = Chat::number().subscribe().buffer(1).await.unwrap();
        let mut other = Chat::room("a").subscribe().await.unwrap();
        let read = Arc::<AtomicU64>::default();
        let reading = tokio::spawn({
            let read = Arc::clone(&read);
            async move {
                let mut next = 0;
                while next < MESSAGES {
                    match slow.next().await.unwrap().unwrap() {
                        Event::Message(number) => {
                            assert_eq!(number, next);
                            next += 1;
                            read.fetch_add(1, Ordering::SeqCst);
                        }
                        Event::Lagged(count) => next += count,
                        other => panic!("{other:?}"),
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                slow
            }
        });
        for number in 0..MESSAGES {
            Chat::number().publish(&number).await.unwrap();
        }
        Chat::room("a").publish("x").await.unwrap();
        let mut third = Chat::room("b").subscribe().await.unwrap();
        // Neither a gap nor a reconnection.
        assert_eq!(message(&mut other).await, "x");
        let read = read.load(Ordering::SeqCst);
        assert!(read < MESSAGES / 2, "it came after {read} messages of the slow reader");
        Chat::room("b").on(&redis).publish("y").await.unwrap();
        assert_eq!(message(&mut third).await, "y");
        // The slow reader goes on after the gap.
        let mut slow = reading.await.unwrap();
        Chat::number().publish(&MESSAGES).await.unwrap();
        assert_eq!(message(&mut slow).await, MESSAGES);
    }

    async fn long_messages_arrive(redis: Redis) {
        let mut messages = Chat::room("a").subscribe().await.unwrap();
        raw::<u64>(&redis, &["PUBLISH", &wire(&Chat::room("a")), &"x".repeat(1 << 20)]).await;
        assert_eq!(message(&mut messages).await.len(), 1 << 20);
    }
}

#[test]
fn a_message_longer_than_the_limit_is_reported_and_the_next_one_arrives() {
    use redis_keyspace::ErrorKind;
    use redis_keyspace_tests::{PATIENCE, shared_server, unique_namespace, within};
    let namespace = unique_namespace();
    let builder = || Redis::builder().url(&shared_server().url()).unwrap().namespace(&namespace).unwrap();
    let (small, large) = (builder().max_value_bytes(4096).build().unwrap(), builder().build().unwrap());
    within(PATIENCE, async {
        let mut messages = Chat::room("a").subscribe().on(&small).await.unwrap();
        Chat::room("a").publish(&"x".repeat(5000)).on(&large).await.unwrap();
        Chat::room("a").publish("y").on(&large).await.unwrap();
        let error = messages.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert_eq!(message(&mut messages).await, "y");
    });
}

/// The limit is the one of values.
#[test]
fn the_name_of_a_channel_may_be_longer_than_a_message() {
    use redis_keyspace::channel::Event;
    use redis_keyspace_embedded::Server;
    use redis_keyspace_tests::{PATIENCE, shared_server, unique_namespace, within};
    let namespace = unique_namespace();
    let real = Redis::builder().url(&shared_server().url()).unwrap();
    for builder in [real, Redis::builder().embedded(Server::new())] {
        let builder = builder.timeout(PATIENCE).max_value_bytes(4096);
        let redis = builder.namespace(&namespace).unwrap().build().unwrap();
        within(PATIENCE, async {
            let name = "n".repeat(5000);
            let mut messages = Chat::room(&name).subscribe().on(&redis).await.unwrap();
            let mut all = Chat::room_keys().subscribe().on(&redis).await.unwrap();
            Chat::room(&name).publish("x").on(&redis).await.unwrap();
            assert_eq!(message(&mut messages).await, "x");
            let Event::Message((found, text)) = all.next().await.unwrap().unwrap() else { panic!() };
            assert_eq!((found.key().as_str().len(), text.as_str()), ("chat:room:".len() + 5000, "x"));
            assert_eq!(redis.stats().connections[0].lost_connections, 0);
        });
    }
}

/// They do not belong to the pattern.
#[test]
fn messages_with_names_that_are_too_long_are_skipped_and_counted() {
    use redis_keyspace_embedded::Server;
    use redis_keyspace_tests::{PATIENCE, shared_server, unique_namespace, within};
    let namespace = unique_namespace();
    let real = Redis::builder().url(&shared_server().url()).unwrap();
    for builder in [real, Redis::builder().embedded(Server::new())] {
        let builder = builder.timeout(PATIENCE).max_value_bytes(4096).max_key_bytes(1024);
        let redis = builder.namespace(&namespace).unwrap().build().unwrap();
        within(PATIENCE, async {
            let mut all = Chat::room_keys().subscribe().on(&redis).await.unwrap();
            for length in [2000, 10_000] {
                let name = format!("{}{}", redis.wire_key(&Chat::room("n")).unwrap(), "n".repeat(length));
                raw::<u64>(&redis, &["PUBLISH", &name, "x"]).await;
            }
            Chat::room("n").publish("y").on(&redis).await.unwrap();
            assert!(all.next().await.unwrap().unwrap().message().is_some_and(|(_, text)| text == "y"));
            assert_eq!(all.skipped(), 2);
        });
    }
}
