//! Messages of single channels.

use redis_keyspace::channel::Event;
use redis_keyspace::config::Protocol;
use redis_keyspace::{ErrorKind, Key, Redis};
use redis_keyspace_tests::{
    PATIENCE, both_servers, eventually, is_available, is_known, raw, shared_server, unique_namespace, wire,
    within,
};

use crate::{Chat, Note, message};

fn note(number: u64) -> Note {
    Note { from: "ann".to_owned(), number }
}

both_servers! {
    async fn messages_arrive_typed_and_in_order(redis: Redis) {
        let mut notes = Chat::note(1, 2).subscribe().await.unwrap();
        for number in 0..50 {
            assert_eq!(Chat::note(1, 2).publish(&note(number)).await.unwrap(), 1);
        }
        let batch: Vec<_> = (50..60).map(|number| Chat::note(1, 2).publish(&note(number))).collect();
        redis.batch(batch).await.unwrap();
        let (first, second) = (Chat::note(1, 2).publish(&note(60)), Chat::note(1, 2).publish(&note(61)));
        redis.transaction((first, second)).await.unwrap();
        for number in 0..62 {
            assert_eq!(message(&mut notes).await, note(number));
        }
    }

    async fn a_channel_without_parameters(redis: Redis) {
        let mut numbers = Chat::number().subscribe().await.unwrap();
        assert_eq!(Chat::number().on(&redis).publish(&7).await.unwrap(), 1);
        assert_eq!(message(&mut numbers).await, 7);
    }

    /// The server splits nothing: an argument is a part of one name.
    async fn arguments_name_exactly_one_channel(redis: Redis) {
        let names = ["*", "?", "[a]", "a:b", "a", "", "{x}", "\\", "ü", "a b"];
        let mut subscriptions = Vec::new();
        for name in names {
            subscriptions.push(Chat::room(name).subscribe().await.unwrap());
        }
        for name in names {
            assert_eq!(Chat::room(name).publish(name).await.unwrap(), 1, "{name}");
            assert_eq!(Chat::room(name).subscribers().await.unwrap(), 1, "{name}");
        }
        for (name, subscription) in names.into_iter().zip(&mut subscriptions) {
            assert_eq!(message(subscription).await, name);
        }
        // Without the namespace, it is another channel.
        let received: u64 = raw(&redis, &["PUBLISH", Chat::room("a").as_str(), "foreign"]).await;
        assert_eq!(received, 0);
        let received: u64 = raw(&redis, &["PUBLISH", &wire(&Chat::room("a")), "own"]).await;
        assert_eq!(received, 1);
        assert_eq!(message(&mut subscriptions[4]).await, "own");
    }

    async fn a_message_that_is_not_of_the_kind_is_an_error_and_the_next_one_arrives(redis: Redis) {
        let mut notes = Chat::note(1, 2).subscribe().await.unwrap();
        for text in ["", "{", "\"a\"", "[1]"] {
            raw::<u64>(&redis, &["PUBLISH", &wire(&Chat::note(1, 2)), text]).await;
            let error = notes.next().await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
            assert_eq!(error.key(), Some("chat:note:1:2"));
            assert_eq!(error.template(), Some("chat:note:{from}:{to}"));
        }
        Chat::note(1, 2).publish(&note(1)).await.unwrap();
        assert_eq!(message(&mut notes).await, note(1));
    }

    async fn each_subscription_receives_every_message(redis: Redis) {
        let mut one = Chat::room("a").subscribe().await.unwrap();
        let mut other = Chat::room("a").on(&redis).subscribe().await.unwrap();
        // They share a connection.
        assert_eq!(Chat::room("a").publish("x").await.unwrap(), 1);
        assert_eq!((message(&mut one).await, message(&mut other).await), ("x".to_owned(), "x".to_owned()));
        let pools = redis.stats().connections;
        let sum = |count: fn(&redis_keyspace::stats::PoolStats) -> usize| pools.iter().map(count).sum::<usize>();
        assert_eq!((sum(|pool| pool.subscriptions), sum(|pool| pool.subscription_connections)), (2, 1));
        drop(one);
        assert_eq!(Chat::room("a").publish("y").await.unwrap(), 1);
        assert_eq!(message(&mut other).await, "y");
    }

    async fn a_dropped_subscription_unsubscribes(redis: Redis) {
        let (first, mut second) =
            (Chat::room("a").subscribe().await.unwrap(), Chat::room("b").subscribe().await.unwrap());
        drop(first);
        eventually("it is unsubscribed", async || Chat::room("a").subscribers().await.unwrap() == 0).await;
        assert_eq!(Chat::room("b").publish("x").await.unwrap(), 1);
        assert_eq!(message(&mut second).await, "x");
        drop(second);
        let connections = || redis.stats().connections.iter().map(|pool| pool.subscription_connections).sum::<usize>();
        eventually("the connection is closed", async || connections() == 0).await;
        eventually("it is unsubscribed", async || Chat::room("b").subscribers().await.unwrap() == 0).await;
        // It is opened again when it is needed.
        let mut again = Chat::room("b").subscribe().await.unwrap();
        Chat::room("b").publish("y").await.unwrap();
        assert_eq!(message(&mut again).await, "y");
    }

    /// Whatever the server has seen meanwhile, the last wish counts.
    async fn subscriptions_that_end_and_begin_again_at_once(_redis: Redis) {
        let _other = Chat::number().subscribe().await.unwrap();
        for nth in 0..50 {
            let mut messages = Chat::room("a").subscribe().await.unwrap();
            let text = nth.to_string();
            assert_eq!(Chat::room("a").publish(&text).await.unwrap(), 1);
            assert_eq!(message(&mut messages).await, text);
            if nth % 2 == 0 {
                // A future that is dropped subscribes to nothing.
                let pending = Chat::room("a").subscribe().into_future();
                drop(pending);
            }
        }
    }

    /// Other tasks subscribe to the same channels, and unsubscribe, at the same time.
    async fn what_is_published_after_a_confirmation_arrives(redis: Redis) {
        let tasks = (0..8_u32).map(|task| tokio::spawn(redis.scope(async move {
            for round in 0..60 {
                let room = Chat::room(&((task + round) % 3).to_string());
                let mut messages = room.subscribe().await.unwrap();
                let text = format!("{task} {round}");
                assert!(room.publish(&text).await.unwrap() > 0, "the server knows the subscription");
                while message(&mut messages).await != text {}
            }
        })));
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }

    async fn sharded_channels(_redis: Redis) {
        let messages = Chat::shard("a").subscribe().await;
        if !is_available(&messages, &["SPUBLISH"]).await {
            assert!(!is_available(&Chat::shard("a").publish("x").await, &["SPUBLISH"]).await);
            let subscribers = Chat::shard("a").subscribers().await;
            assert!(!is_available(&subscribers, &["PUBSUB", "SHARDNUMSUB"]).await);
            return;
        }
        let mut messages = messages.unwrap();
        assert_eq!(Chat::shard("a").publish("x").await.unwrap(), 1);
        assert_eq!(Chat::shard("a").subscribers().await.unwrap(), 1);
        assert_eq!(message(&mut messages).await, "x");
        drop(messages);
        eventually("it is unsubscribed", async || Chat::shard("a").subscribers().await.unwrap() == 0).await;
    }

    async fn a_closed_handle_ends_its_subscriptions(redis: Redis) {
        let mut messages = Chat::room("a").subscribe().await.unwrap();
        Chat::room("a").publish("x").await.unwrap();
        let other = Redis::clone(&redis);
        let closing = tokio::spawn(async move { other.close().await });
        let mut seen = Vec::new();
        while let Some(event) = messages.next().await {
            seen.push(event.unwrap());
        }
        closing.await.unwrap();
        assert!(seen.is_empty() || seen == [Event::Message("x".to_owned())], "{seen:?}");
        assert!(messages.next().await.is_none());
        let error = Chat::room("a").subscribe().on(&redis).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    }

    async fn many_channels_at_once(_redis: Redis) {
        let names: Vec<String> = (0..700).map(|nth| nth.to_string()).collect();
        let subscribing = names.iter().map(|name| tokio::spawn(Redis::current().unwrap().scope({
            let key = Chat::room(name);
            async move { key.subscribe().await.unwrap() }
        })));
        let mut subscriptions = Vec::new();
        for subscription in subscribing.collect::<Vec<_>>() {
            subscriptions.push(subscription.await.unwrap());
        }
        for (name, subscription) in names.iter().zip(&mut subscriptions) {
            assert_eq!(Chat::room(name).publish(name).await.unwrap(), 1);
            assert_eq!(message(subscription).await, *name);
        }
    }
}

#[test]
fn both_versions_of_the_protocol_work() {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let builder =
            Redis::builder().url(&shared_server().url()).unwrap().protocol(protocol).timeout(PATIENCE);
        let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
        within(
            PATIENCE,
            redis.scope(async {
                let mut messages = Chat::room("a").subscribe().await.unwrap();
                let mut all = Chat::room_keys().subscribe().await.unwrap();
                assert_eq!(Chat::room("a").publish("x").await.unwrap(), 2);
                assert_eq!(message(&mut messages).await, "x");
                if is_known(&["SPUBLISH"]).await {
                    let mut shard = Chat::shard("a").subscribe().await.unwrap();
                    assert_eq!(Chat::shard("a").publish("y").await.unwrap(), 1);
                    assert_eq!(message(&mut shard).await, "y");
                }
                let (found, text) = all.next().await.unwrap().unwrap().message().unwrap();
                assert_eq!((found.key().as_str(), text.as_str()), ("chat:room:a", "x"));
            }),
        );
    }
}

#[test]
fn a_disabled_handle_publishes_nothing_and_has_no_subscriptions() {
    let redis = Redis::disabled();
    within(
        PATIENCE,
        redis.scope(async {
            assert_eq!(Chat::room("a").publish("x").await.unwrap(), 0);
            assert_eq!(Chat::room("a").subscribers().await.unwrap(), 0);
            assert_eq!(redis.stats().dropped_writes, 1);
            let error = Chat::room("a").subscribe().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ServerNotConfigured, "{error}");
            let error = Chat::room_keys().subscribe().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ServerNotConfigured, "{error}");
        }),
    );
}

#[test]
fn a_pool_of_the_application_has_no_subscriptions() {
    within(PATIENCE, async {
        let pool = redis_keyspace_tests::pool_builder()
            .build(redis_keyspace_tests::manager(&shared_server().url()))
            .await;
        let redis = Redis::from_pool(pool.unwrap());
        redis
            .scope(async {
                let error = Chat::room("a").subscribe().await.unwrap_err();
                assert!(error.to_string().contains("a pool of the application can't lend"), "{error}");
                assert_eq!(error.kind(), ErrorKind::Configuration);
                assert_eq!(Chat::room("empty").publish("x").await.unwrap(), 0);
            })
            .await;
    });
}

#[test]
fn a_server_that_is_down_is_an_error_at_the_deadline() {
    within(PATIENCE, async {
        let redis = Redis::builder()
            .url("redis://127.0.0.1:1")
            .unwrap()
            .timeout(std::time::Duration::from_millis(300));
        let redis = redis.build().unwrap();
        let error = Chat::room("a").subscribe().on(&redis).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!((error.command(), error.key()), (Some("SUBSCRIBE"), Some("chat:room:a")));
    });
}

#[test]
fn a_channel_has_no_lifetime() {
    use redis_keyspace::Keyspace;
    #[derive(Keyspace)]
    #[keyspace(prefix = "inherits", ttl = "1h")]
    struct Inheriting {
        all: redis_keyspace::Channel<redis_keyspace::Text>,
    }
    let template = Key::template(&Inheriting::all());
    assert_eq!(template.lifetime().duration(), None);
    assert!(!template.is_sharded() && Chat::shard("a").template().is_sharded());
}
