//! Users and passwords of masters and of sentinels.

use redis_keyspace::Redis;
use redis_keyspace_tests::RealSentinels;
use tokio::task::block_in_place;

use crate::{answer, builder, follows, on, sentinels, write_again};

#[test]
fn a_user_with_few_rights_is_enough_for_sentinels() {
    let rules = "app on >hunter2 -@all +auth +hello +ping +sentinel|get-master-addr-by-name \
                 +sentinel|sentinels +subscribe allchannels";
    let servers = RealSentinels::builder().sentinel_user(rules).start();
    on(
        builder(&servers, &[0, 1]).sentinel_username("app").sentinel_password("hunter2"),
        async |redis: Redis| {
            redis.ping().await.unwrap();
            answer(&redis, 3).await;
            assert_eq!(sentinels(&redis).known, 3);
            let switches = servers.switches();
            servers.failover(2);
            let first = block_in_place(|| switches.first());
            follows(&redis, &servers, first.node).await;
            write_again(1).await;
        },
    );
}

#[test]
fn masters_and_sentinels_have_separate_passwords() {
    let servers = RealSentinels::builder().password("of-nodes").sentinel_password("of-sentinels").start();
    on(
        builder(&servers, &[0]).password("of-nodes").sentinel_password("of-sentinels"),
        async |redis: Redis| {
            write_again(1).await;
            answer(&redis, 3).await;
        },
    );
    for (node, sentinel, problem) in [
        ("of-nodes", None, "NOAUTH"),
        ("of-nodes", Some("hunter2"), "WRONGPASS"),
        ("hunter2", Some("of-sentinels"), "WRONGPASS"),
    ] {
        let mut builder = builder(&servers, &[0, 1, 2]).password(node);
        if let Some(sentinel) = sentinel {
            builder = builder.sentinel_password(sentinel);
        }
        on(builder, async |redis: Redis| {
            let error = redis.ping().await.unwrap_err();
            let text = format!("{error} {error:?} {:?}", redis.stats());
            assert!(text.contains(problem), "{text}");
            assert!(
                !text.contains("hunter2") && !text.contains("of-nodes") && !text.contains("of-sentinels")
            );
            // Which server refused is part of the message.
            let address =
                if node == "hunter2" { servers.node_address(0) } else { servers.sentinel_address(0) };
            assert!(text.contains(&address.to_string()), "{text}");
        });
    }
}
