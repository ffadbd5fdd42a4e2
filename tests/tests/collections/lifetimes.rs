//! Collections get their declared lifetime, in the same step as their first element.

use std::time::Duration;

use redis_keyspace::command::{Ttl, U};
use redis_keyspace::embedded::{Fault, Server};
use redis_keyspace::geo::Position;
use redis_keyspace::{Keyspace, Redis, RedisBuilder, Set, Text};
use redis_keyspace_tests::{PATIENCE, RealServer, both_servers, raw, wire, within};

use crate::Keys;

/// All collections with a TTL are renewed, but for one.
#[derive(Keyspace)]
#[keyspace(prefix = "collections-renewed", ttl = "1h", renew = "write")]
struct Renewed {
    set: fn(id: u64) -> Set<u64>,
    #[key(renew = "creation")]
    kept: fn(id: u64) -> Set<u64>,
    #[key(ttl = none)]
    forever: fn(id: u64) -> Set<u64>,
    title: fn(id: u64) -> Text,
}

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// Whether the rest of a lifetime is that of one that began within this test.
fn is_new(ttl: Ttl, lifetime: Duration) -> bool {
    ttl.remaining().is_some_and(|left| left <= lifetime && left > lifetime / 2)
}

both_servers! {
    async fn the_first_write_sets_the_lifetime_and_later_ones_keep_it(_redis: Redis) {
        let list = Keys::list(1);
        list.rpush(&1).await.unwrap();
        assert!(is_new(list.ttl().await.unwrap(), HOUR));
        assert!(list.expire(MINUTE).await.unwrap());
        list.rpush(&2).await.unwrap();
        list.lpush_many([3, 4]).await.unwrap();
        assert!(is_new(list.ttl().await.unwrap(), MINUTE), "later writes keep it");
        assert!(list.persist().await.unwrap());
        list.rpush(&5).await.unwrap();
        assert_eq!(list.ttl().await.unwrap(), Ttl::NoExpiry, "a key that was made permanent stays so");

        // An emptied list is gone; the next write creates it again.
        list.lpop_many(100).await.unwrap();
        list.rpush(&1).await.unwrap();
        assert!(is_new(list.ttl().await.unwrap(), HOUR));

        let (set, scores, map) = (Keys::set(1, 1), Keys::scores(1), Keys::map(1));
        set.sadd_many([1, 2]).await.unwrap();
        scores.zadd(&1, 1.0).await.unwrap();
        map.hset("a", &1).await.unwrap();
        Keys::sums(1).hincr_by(&1, 1).await.unwrap();
        Keys::bitmap(1, 0).set_bit(1, true).await.unwrap();
        Keys::bitmap(1, 1).bit_field().set(U::<63>, 0, 1).await.unwrap();
        Keys::visitors(1, 0).pf_add([1]).await.unwrap();
        let position = Position::new(13.4, 52.5).unwrap();
        Keys::places(1).geo_add(&1, position).await.unwrap();
        assert!(is_new(Keys::places(1).ttl().await.unwrap(), HOUR));
        Keys::places(1).expire(MINUTE).await.unwrap();
        Keys::places(1).geo_add_many([(1, position), (2, position)]).await.unwrap();
        assert!(is_new(Keys::places(1).ttl().await.unwrap(), MINUTE));
        let strings = [Keys::bitmap(1, 0).ttl(), Keys::bitmap(1, 1).ttl(), Keys::visitors(1, 0).ttl()];
        for ttl in [set.ttl(), scores.ttl(), map.ttl(), Keys::sums(1).ttl()].into_iter().chain(strings) {
            assert!(is_new(ttl.await.unwrap(), HOUR));
        }
        scores.del().await.unwrap();
        scores.zincr_by(&1, 1.0).await.unwrap();
        assert!(is_new(scores.ttl().await.unwrap(), HOUR));
        let bitmap = Keys::bitmap(1, 1);
        assert!(bitmap.expire(MINUTE).await.unwrap());
        bitmap.bit_field().set(U::<63>, 0, 1).await.unwrap();
        bitmap.bit_field().set(U::<8>, 0, 1).await.unwrap();
        bitmap.set_bit(9, true).await.unwrap();
        assert!(is_new(bitmap.ttl().await.unwrap(), MINUTE));
    }

    async fn a_declaration_can_renew_the_lifetime_with_every_write(_redis: Redis) {
        let set = Keys::renewed(2);
        for write in 0..3_u64 {
            set.sadd(&(write / 2)).await.unwrap();
            assert!(is_new(set.ttl().await.unwrap(), HOUR), "also if the member was there");
            assert!(set.expire(MINUTE).await.unwrap());
        }
        set.srem(&0).await.unwrap();
        assert!(is_new(set.ttl().await.unwrap(), MINUTE), "a removal renews nothing");
        let list = Keys::renewed_list(2);
        assert_eq!(list.rpush(&1).only_if_present().await.unwrap(), 0);
        assert!(!list.exists().await.unwrap());
        list.rpush(&1).await.unwrap();
        list.expire(MINUTE).await.unwrap();
        assert!(list.lset(0, &2).await.unwrap());
        assert!(is_new(list.ttl().await.unwrap(), HOUR));
        assert!(!list.lset(9, &2).await.unwrap());
        let bitmap = Keys::renewed_bitmap(2);
        for write in 0..2 {
            bitmap.bit_field().set(U::<63>, 0, write).await.unwrap();
            assert!(is_new(bitmap.ttl().await.unwrap(), HOUR));
            assert!(bitmap.expire(MINUTE).await.unwrap());
            bitmap.set_bit(0, true).await.unwrap();
            assert!(is_new(bitmap.ttl().await.unwrap(), HOUR));
            assert!(bitmap.expire(MINUTE).await.unwrap());
        }
    }

    async fn a_struct_can_renew_the_lifetime_of_all_its_collections(_redis: Redis) {
        for (set, renewed) in [(Renewed::set(1), HOUR), (Renewed::kept(1), MINUTE)] {
            set.sadd(&1).await.unwrap();
            assert!(is_new(set.ttl().await.unwrap(), HOUR));
            set.expire(MINUTE).await.unwrap();
            set.sadd(&2).await.unwrap();
            assert!(is_new(set.ttl().await.unwrap(), renewed));
        }
        Renewed::forever(1).sadd(&1).await.unwrap();
        assert_eq!(Renewed::forever(1).ttl().await.unwrap(), Ttl::NoExpiry);
        Renewed::title(1).set("a").await.unwrap();
        assert!(is_new(Renewed::title(1).ttl().await.unwrap(), HOUR));
    }

    async fn without_a_lifetime_the_bare_command_is_sent(_redis: Redis) {
        let list = Keys::forever(3, 0);
        list.rpush(&1).await.unwrap();
        assert_eq!(list.ttl().await.unwrap(), Ttl::NoExpiry);
        list.rpush(&2).ttl(MINUTE).await.unwrap();
        assert_eq!(list.ttl().await.unwrap(), Ttl::NoExpiry, "`ttl` is for lists that the command creates");
        list.del().await.unwrap();
        list.rpush(&2).ttl(MINUTE).await.unwrap();
        assert!(is_new(list.ttl().await.unwrap(), MINUTE));
        let error = list.rpush(&2).ttl(Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), redis_keyspace::ErrorKind::InvalidInput, "{error}");
    }

    async fn a_write_can_set_another_lifetime(_redis: Redis) {
        Keys::list(4).rpush(&1).ttl(MINUTE).await.unwrap();
        assert!(is_new(Keys::list(4).ttl().await.unwrap(), MINUTE));
    }

    async fn a_key_of_another_type_gets_no_lifetime(redis: Redis) {
        let list = Keys::list(5);
        let () = raw(&redis, &["SET", &wire(&list), "foreign"]).await;
        for failed in [
            list.rpush(&1).await.is_err(),
            list.rpush_many((0..10_000).collect::<Vec<u64>>()).await.is_err(),
            redis.transaction((list.rpush(&1), list.llen())).await.is_err(),
            redis.batch((list.rpush(&1), list.rpush(&2))).await.is_err(),
        ] {
            assert!(failed);
            assert_eq!(list.ttl().await.unwrap(), Ttl::NoExpiry);
        }
        let renewed = Keys::renewed(5);
        let () = raw(&redis, &["SET", &wire(&renewed), "foreign"]).await;
        assert!(renewed.sadd(&1).await.is_err());
        assert_eq!(renewed.ttl().await.unwrap(), Ttl::NoExpiry);
        for bitmap in [Keys::bitmap(5, 0), Keys::renewed_bitmap(5)] {
            let () = raw(&redis, &["RPUSH", &wire(&bitmap), "foreign"]).await;
            assert!(bitmap.set_bit(1, true).await.is_err());
            assert!(bitmap.bit_field().set(U::<8>, 0, 1).await.is_err());
            assert!(bitmap.bit_field().set(U::<63>, 0, 1).await.is_err());
            assert_eq!(bitmap.ttl().await.unwrap(), Ttl::NoExpiry);
        }
        let visitors = Keys::visitors(5, 0);
        let () = raw(&redis, &["SET", &wire(&visitors), "foreign"]).await;
        assert!(visitors.pf_add([1]).await.is_err());
        assert_eq!(visitors.ttl().await.unwrap(), Ttl::NoExpiry);
    }

    async fn each_write_of_a_batch_fails_by_itself(redis: Redis) {
        let (list, set, renewed, scores) = (Keys::list(10), Keys::set(10, 1), Keys::renewed(10), Keys::scores(10));
        let () = raw(&redis, &["SET", &wire(&set), "foreign"]).await;
        renewed.sadd(&1).await.unwrap();
        renewed.expire(MINUTE).await.unwrap();
        let writes =
            (list.rpush(&1), set.sadd(&1), renewed.sadd(&1), list.rpush(&2).ttl(MINUTE), scores.zadd(&1, 0.5).ttl(MINUTE));
        let (length, failed, again, other, added) = redis.batch(writes).each().await.unwrap();
        assert_eq!((length.unwrap(), again.unwrap(), other.unwrap(), added.unwrap()), (1, false, 2, true));
        let failed = failed.unwrap_err();
        assert_eq!(failed.kind(), redis_keyspace::ErrorKind::WrongType, "{failed}");
        assert_eq!(failed.key(), Some(set.as_str()), "{failed}");
        assert_eq!(set.ttl().await.unwrap(), Ttl::NoExpiry);
        assert!(is_new(list.ttl().await.unwrap(), HOUR), "the second write did not create it");
        assert!(is_new(renewed.ttl().await.unwrap(), HOUR));
        assert!(is_new(scores.ttl().await.unwrap(), MINUTE));
    }

    async fn batches_and_transactions_set_lifetimes(redis: Redis) {
        let (one, two) = (Keys::list(6), Keys::set(6, 1));
        let (length, added, len) = redis.batch((one.rpush(&1), two.sadd(&1), one.llen())).await.unwrap();
        assert_eq!((length, added, len), (1, true, 1));
        assert!(is_new(one.ttl().await.unwrap(), HOUR) && is_new(two.ttl().await.unwrap(), HOUR));
        one.del().await.unwrap();
        two.del().await.unwrap();
        assert_eq!(redis.transaction((one.rpush(&1), two.sadd(&1), one.rpush(&2))).await.unwrap(), (1, true, 2));
        assert!(is_new(one.ttl().await.unwrap(), HOUR) && is_new(two.ttl().await.unwrap(), HOUR));
    }
}

/// The scripts that a batch sent: how many, and their number of keys.
fn scripts(server: &Server) -> Vec<String> {
    let log = server.command_log();
    let words = log.iter().map(|command| &command.arguments).filter(|words| words[0].starts_with(b"EVAL"));
    // A login runs a script without keys.
    words.map(|words| String::from_utf8_lossy(&words[2]).into_owned()).filter(|keys| keys != "0").collect()
}

#[test]
fn successive_writes_of_a_batch_are_one_script() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(1000).build();
        let redis = Redis::with_embedded_server(server.clone());
        let (list, set, renewed) = (Keys::list(8), Keys::set(8, 1), Keys::renewed(8));
        let writes = (list.rpush(&1), set.sadd(&1), renewed.sadd(&1), list.rpush(&2), set.sadd(&1));
        assert_eq!(redis.batch(writes).await.unwrap(), (1, true, true, 2, false));
        assert_eq!(scripts(&server), ["3"], "each key is sent once");

        // Other commands keep their place.
        let split =
            (list.rpush(&3), list.llen(), list.rpush(&4), Keys::sums(8).hincr_by(&1, 1), list.rpush(&5));
        assert_eq!(redis.batch(split).await.unwrap(), (3, 3, 4, 1, 5));
        assert_eq!(scripts(&server)[1..], ["1"; 4]);

        let before = scripts(&server).len();
        let many: Vec<_> = (0..100).map(|nth| Keys::set(9, nth % 5).sadd(&nth)).collect();
        assert_eq!(redis.batch(many).await.unwrap(), [true; 100]);
        let sent = scripts(&server).split_off(before);
        assert!((2..=10).contains(&sent.len()), "a script is short, because other clients wait: {sent:?}");
        for nth in 0..5 {
            assert_eq!(Keys::set(9, nth).scard().on(&redis).await.unwrap(), 20);
        }
    });
}

/// A handle overrides the lifetime of a whole keyspace.
fn with_minutes(builder: RedisBuilder) -> RedisBuilder {
    builder.keyspace::<Keys>(|options| options.ttl(MINUTE))
}

#[test]
fn the_lifetime_of_a_handle_applies() {
    let redis = with_minutes(Redis::builder().embedded(Server::new())).build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            Keys::list(7).rpush(&1).await.unwrap();
            assert!(is_new(Keys::list(7).ttl().await.unwrap(), MINUTE));
            let forever = Keys::forever(7, 0);
            forever.rpush(&1).await.unwrap();
            assert_eq!(forever.ttl().await.unwrap(), Ttl::NoExpiry, "the template's own lifetime stays");
        }),
    );
}

#[derive(Keyspace)]
#[keyspace(prefix = "allowed", ttl = "1h")]
struct Allowed {
    set: fn(id: u64) -> Set<u64>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "forbidden", ttl = "1h")]
struct Forbidden {
    set: fn(id: u64) -> Set<u64>,
}

/// The server checks the permissions on all keys of a script before it runs any of it.
#[test]
fn a_forbidden_key_fails_only_its_own_command() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let rules = ["reset", "on", ">pass", "+@all", "~allowed:*"];
        server.redis_cli(&[&["ACL", "SETUSER", "app"], &rules[..]].concat());
        let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
        let redis = builder.build().unwrap();
        let (allowed, forbidden) = (Allowed::set(1).on(&redis), Forbidden::set(1).on(&redis));
        for id in 1..=2 {
            let batch = (allowed.sadd(&id), forbidden.sadd(&id), Allowed::set(2).on(&redis).scard());
            let (one, other, count) = redis.batch(batch).each().await.unwrap();
            assert_eq!((one.unwrap(), count.unwrap()), (true, 0));
            assert_eq!(other.unwrap_err().code(), Some("NOPERM"));
        }
        // The commands still run in order.
        let batch = (allowed.sadd(&3), forbidden.sadd(&3), allowed.sadd(&4), allowed.scard());
        let (three, other, four, count) = redis.batch(batch).each().await.unwrap();
        assert_eq!((three.unwrap(), four.unwrap(), count.unwrap()), (true, true, 4));
        assert_eq!(other.unwrap_err().code(), Some("NOPERM"));
    });
}

#[test]
fn the_commands_of_a_refused_script_are_sent_by_themselves() {
    within(PATIENCE, async {
        for said in
            ["NOPERM No permissions to access a key", "CROSSSLOT Keys in request don't hash to the same slot"]
        {
            let server = Server::new();
            let redis = Redis::with_embedded_server(server.clone());
            let (one, other) = (Allowed::set(1).on(&redis), Forbidden::set(1).on(&redis));
            assert_eq!(one.scard().await.unwrap(), 0);
            let refused = server.inject(Fault::error(said).on("EVAL").times(1));
            let (added, same, count) =
                redis.batch((one.sadd(&1), other.sadd(&1), one.sadd(&2))).await.unwrap();
            assert_eq!((added, same, count, refused.hits()), (true, true, true, 1));
            assert_eq!((one.scard().await.unwrap(), other.scard().await.unwrap()), (2, 1));
            // A command that uses one of their keys has run already, so they would run too late.
            let server = Server::new();
            let redis = Redis::with_embedded_server(server.clone());
            let (one, other) = (Allowed::set(1).on(&redis), Forbidden::set(1).on(&redis));
            assert_eq!(one.scard().await.unwrap(), 0);
            let _refused = server.inject(Fault::error(said).on("EVAL").times(1));
            let batch = redis.batch((one.sadd(&1), other.sadd(&1), one.scard())).each();
            let (added, same, count) = batch.await.unwrap();
            assert!(added.is_err() && same.is_err());
            assert_eq!((count.unwrap(), one.scard().await.unwrap()), (0, 0));
        }
    });
}
