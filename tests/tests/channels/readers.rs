//! Readers that are slower than publishers.

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
