//! Many elements, large elements, and elements that can't be read.

use redis_keyspace::geo::{By, Distance, From, Position};
use redis_keyspace::{ErrorKind, Redis};
use redis_keyspace_tests::{PATIENCE, RealServer, both_servers, raw, wire, within};

use crate::Keys;

both_servers! {
    async fn many_elements_are_one_transaction(_redis: Redis) {
        const MANY: u64 = 30_000;
        assert_eq!(Keys::list(1).rpush_many(0..MANY).await.unwrap(), MANY);
        assert_eq!(Keys::list(1).lindex(-1).await.unwrap(), Some(MANY - 1));
        assert_eq!(Keys::set(1, 1).sadd_many((0..MANY).map(|n| n % 20_000)).await.unwrap(), 20_000);
        assert_eq!(Keys::set(1, 1).srem_many(0..MANY).await.unwrap(), 20_000);
        let members = (0..MANY).map(|member| (member, member as f64));
        assert_eq!(Keys::scores(1).zadd_many(members).await.unwrap(), MANY);
        assert!(Keys::visitors(1, 0).pf_add(0..MANY).await.unwrap());
        assert!(Keys::visitors(1, 0).pf_count().await.unwrap().abs_diff(MANY) < MANY / 20);
        let position = |n: u64| Position::new(f64::from(u32::try_from(n).unwrap()) / 1000.0, 52.5).unwrap();
        let placed = (0..MANY).map(|member| (member, position(member)));
        assert_eq!(Keys::places(1).geo_add_many(placed).await.unwrap(), MANY);
        assert_eq!(Keys::places(1).geo_remove_many(0..MANY).await.unwrap(), MANY);
        let entries = (0..MANY).map(|n| (n, i64::try_from(n).unwrap()));
        assert_eq!(Keys::sums(1).hset_many(entries).await.unwrap(), MANY);
        assert_eq!(Keys::sums(1).hlen().await.unwrap(), MANY);
        let read = Keys::sums(1).hget_many(0..MANY).await.unwrap();
        assert!(read.into_iter().enumerate().all(|(n, value)| value == i64::try_from(n).ok()));
    }

    async fn an_element_of_another_kind_is_a_decode_error(redis: Redis) {
        let list = Keys::list(2);
        let () = raw(&redis, &["RPUSH", &wire(&list), "1", "many"]).await;
        let error = list.lrange(..).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert_eq!(list.lindex(0).await.unwrap(), Some(1));
        let scores = Keys::scores(2);
        let () = raw(&redis, &["ZADD", &wire(&scores), "1", "many"]).await;
        assert_eq!(scores.zrange(..).with_scores().await.unwrap_err().kind(), ErrorKind::Decode);
        let places = Keys::places(2);
        let () = raw(&redis, &["GEOADD", &wire(&places), "13.4", "52.5", "many"]).await;
        let around = From::position(Position::new(13.4, 52.5).unwrap());
        let error = places.geo_search(around, By::radius(Distance::km(1.0))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
    }

}

#[test]
fn a_script_that_the_server_forgot_is_sent_again() {
    let server = RealServer::start();
    let redis = Redis::open(&server.url()).unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let list = Keys::list(3);
            for round in 0..3 {
                assert_eq!(list.rpush(&1).await.unwrap(), 1 + 4 * round);
                server.redis_cli(&["SCRIPT", "FLUSH"]);
                let (two, three) = redis.batch((list.rpush(&2), list.rpush(&3))).await.unwrap();
                assert_eq!((two, three), (2 + 4 * round, 3 + 4 * round), "a batch sends the script first");
                server.redis_cli(&["SCRIPT", "FLUSH"]);
                assert_eq!(redis.transaction((list.rpush(&4), list.llen())).await.unwrap().1, 4 + 4 * round);
                server.redis_cli(&["SCRIPT", "FLUSH"]);
            }
        }),
    );
}

/// On a server without MULTI, a transaction is one script, whose commands have a limit.
#[test]
fn many_elements_can_be_written_without_multi() {
    let server = RealServer::start();
    let rules = "reset on >pass ~* +@all -multi";
    let command: Vec<&str> = ["ACL", "SETUSER", "app"].into_iter().chain(rules.split(' ')).collect();
    server.redis_cli(&command);
    let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
    let redis = builder.build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            assert_eq!(Keys::list(7).rpush_many(0..10_000).await.unwrap(), 10_000);
            assert!(Keys::list(7).ttl().await.unwrap().remaining().is_some());
            let members = (0..10_000_u32).map(|member| (u64::from(member), f64::from(member)));
            assert_eq!(Keys::scores(7).zadd_many(members).only_if_absent().await.unwrap(), 10_000);
        }),
    );
}
