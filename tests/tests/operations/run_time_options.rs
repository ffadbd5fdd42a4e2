//! Lifetimes and servers that are known only at run time.

use std::time::Duration;

use redis_keyspace::command::{IntoCommand, Ttl};
use redis_keyspace::rate_limit::Rate;
use redis_keyspace::{
    Counter, ErrorKind, Group, Json, Key, Keyspace, Lock, Once, RateLimit, Redis, RedisBuilder, Text,
};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, both_servers, raw, shared_server, unique_namespace, wire, within};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "run-time", ttl = "1d")]
struct Keys {
    text: fn(id: u64) -> Text,
    list: fn(id: u64) -> Json<Vec<u32>>,
    #[key(stale_for = "1h")]
    kept: fn(id: u64) -> Text,
    count: fn(id: u64) -> Counter,
    #[key(ttl = none)]
    total: fn(id: u64) -> Counter,
    #[key(ttl = "2d")]
    own: fn(id: u64) -> Text,
    #[key(ttl = none)]
    forever: fn(id: u64) -> Text,
    once: fn(id: u64) -> Once<Text>,
    lock: fn(id: u64) -> Lock,
    limit: fn(id: u64) -> RateLimit,
    group: fn(id: u64) -> Group,
}

#[derive(Keyspace)]
#[keyspace(prefix = "no-default")]
struct OwnKeys {
    #[key(ttl = "1h")]
    text: fn(id: u64) -> Text,
}

/// Checks that a key has about this remaining lifetime.
#[track_caller]
fn assert_left(ttl: redis_keyspace::Result<Ttl>, expected: Duration) {
    let left = ttl.unwrap().remaining().expect("a TTL");
    let latest = expected + Duration::from_millis(2);
    assert!(left <= latest && left + Duration::from_secs(30) > expected, "{left:?} of {expected:?}");
}

both_servers! {
    async fn the_first_increment_uses_the_lifetime_of_the_call(redis: Redis) {
        for key in [Keys::count(1), Keys::total(1)] {
            assert_eq!(key.incr().ttl(MINUTE).await.unwrap(), 1);
            assert_left(key.ttl().await, MINUTE);
            assert_eq!(key.incr_by(5).ttl(HOUR).await.unwrap(), 6);
            assert_left(key.ttl().await, MINUTE);
        }
        assert_eq!(Keys::count(2).decr().ttl(MINUTE).on(&redis).await.unwrap(), -1);
        assert_left(Keys::count(2).ttl().await, MINUTE);
        let batch = (Keys::total(3).decr_by(2).ttl(MINUTE), Keys::count(3).incr());
        assert_eq!(redis.batch(batch).await.unwrap(), (-2, 1));
        assert_left(Keys::total(3).ttl().await, MINUTE);
        let transaction = [Keys::total(4).incr().ttl(MINUTE), Keys::count(4).incr_by(4).ttl(HOUR)];
        assert_eq!(redis.transaction(transaction).await.unwrap(), [1, 4]);
        assert_left(Keys::total(4).ttl().await, MINUTE);
        assert_left(Keys::count(4).ttl().await, HOUR);
    }

    async fn set_many_uses_the_lifetime_of_the_call(redis: Redis) {
        let entries = [(Keys::text(1), "a"), (Keys::own(1), "b"), (Keys::forever(1), "PX")];
        Key::set_many(entries).ttl(MINUTE).await.unwrap();
        for key in [Keys::text(1), Keys::own(1), Keys::forever(1)] {
            assert_left(key.ttl().await, MINUTE);
        }
        assert_eq!(Keys::forever(1).get().await.unwrap().as_deref(), Some("PX"));
        Key::set_many([(Keys::kept(1), "a")]).ttl(MINUTE).await.unwrap();
        assert_left(Keys::kept(1).ttl().await, MINUTE);
        Key::set_many(Vec::<(Key<Keys, Text>, &str)>::new()).ttl(MINUTE).await.unwrap();
        drop(redis);
    }

    async fn the_result_of_work_uses_the_lifetime_of_the_call(redis: Redis) {
        Keys::once(1).run(async || "done".to_owned()).ttl(MINUTE).await.unwrap();
        assert_left(Keys::once(1).ttl().await, MINUTE);
        Keys::once(2).try_run(async || Ok::<_, ()>("done".to_owned())).ttl(MINUTE).await.unwrap();
        assert_left(Keys::once(2).ttl().await, MINUTE);
        // The hash of the payload outlives the result.
        let longer = Duration::from_secs(5 * 24 * 3600);
        Keys::once(4).run(async || "done".to_owned()).payload_bytes("a").ttl(longer).await.unwrap();
        let name = wire(&Keys::once(4));
        let note_left: u64 = raw(&redis, &["PTTL", &format!("{name}%payload{{{name}}}")]).await;
        assert!(Duration::from_millis(note_left) > longer, "{note_left}");
        // Fails before the work runs, because the result could not be stored.
        let zero = Keys::once(3).run(|| async { panic!("the lifetime is wrong") }).ttl(Duration::ZERO).await;
        assert_eq!(zero.unwrap_err().kind(), ErrorKind::InvalidInput);
        drop(redis);
    }

    async fn a_lifetime_on_a_command_that_sets_none_is_an_error(redis: Redis) {
        for command in [
            Keys::text(1).del().ttl(MINUTE),
            Keys::text(1).exists().ttl(MINUTE),
            Keys::text(1).set("x").ttl(HOUR).only_if_absent().into_command().ttl(MINUTE),
        ] {
            let error = command.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("ttl"), "{error}");
        }
        let zero = Keys::count(1).incr().ttl(Duration::ZERO).await.unwrap_err();
        assert_eq!((zero.kind(), zero.field()), (ErrorKind::InvalidInput, Some("count")));
        assert_eq!(Keys::count(1).get().await.unwrap(), 0);
        drop(redis);
    }
}

/// Runs a body on both servers, with builders that have different namespaces.
fn on_both(body: impl AsyncFn(RedisBuilder)) {
    within(PATIENCE, async {
        body(Redis::builder().embedded(Server::new())).await;
        let real = Redis::builder().url(&shared_server().url()).unwrap();
        body(real.namespace(unique_namespace()).unwrap()).await;
    });
}

#[test]
fn a_keyspace_uses_the_lifetime_of_its_options() {
    on_both(async |builder| {
        let redis = builder.keyspace::<Keys>(|options| options.ttl(MINUTE)).build().unwrap();
        redis
            .scope(async {
                let left = async |key: Key<Keys, Text>, expected| assert_left(key.ttl().await, expected);
                Keys::text(1).set("x").await.unwrap();
                left(Keys::text(1), MINUTE).await;
                Keys::text(1).set("PX").ttl(HOUR).await.unwrap();
                left(Keys::text(1), HOUR).await;
                Keys::text(1).get_ex().await.unwrap();
                left(Keys::text(1), MINUTE).await;
                Keys::kept(1).get_set("x").await.unwrap();
                left(Keys::kept(1), MINUTE).await;
                assert!(Keys::text(2).set("x").only_if_absent().await.unwrap());
                left(Keys::text(2), MINUTE).await;
                Keys::text(3).set("x").keep_ttl().await.unwrap();
                left(Keys::text(3), MINUTE).await;
                Key::set_many([(Keys::text(4), "x"), (Keys::own(4), "y"), (Keys::forever(4), "z")])
                    .await
                    .unwrap();
                left(Keys::text(4), MINUTE).await;
                left(Keys::own(4), 48 * HOUR).await;
                assert_eq!(Keys::forever(4).ttl().await.unwrap(), Ttl::NoExpiry);
                Key::set_many([(Keys::text(5), "x")]).ttl(HOUR).await.unwrap();
                left(Keys::text(5), HOUR).await;
                Keys::text(6).get_or_set(async || "x".to_owned()).await.unwrap();
                left(Keys::text(6), MINUTE).await;
                Keys::list(1).update_or_insert(Vec::new, |list| list.push(1)).await.unwrap();
                assert_left(Keys::list(1).ttl().await, MINUTE);
                Keys::count(1).incr().await.unwrap();
                assert_left(Keys::count(1).ttl().await, MINUTE);
                Keys::count(2).incr().ttl(HOUR).await.unwrap();
                assert_left(Keys::count(2).ttl().await, HOUR);
                Keys::total(1).incr().await.unwrap();
                assert_eq!(Keys::total(1).ttl().await.unwrap(), Ttl::NoExpiry);
                Keys::once(1).run(async || "x".to_owned()).await.unwrap();
                assert_left(Keys::once(1).ttl().await, MINUTE);
                let member = Keys::group(1).member(&Keys::text(7)).await.unwrap();
                assert_left(Keys::group(1).ttl().await, MINUTE);
                member.set("x").await.unwrap();
                assert_left(member.ttl().await, MINUTE);
                Keys::group(2).invalidate().await.unwrap();
                assert_left(Keys::group(2).ttl().await, MINUTE);
                let guard = Keys::lock(1).lock().await.unwrap();
                assert_left(Keys::lock(1).ttl().await, MINUTE);
                guard.release().await.unwrap();
                // The limit takes an hour to recover, which is longer than the lifetime of the key.
                let long = Keys::limit(1).check(Rate::per_hour(1)).await;
                assert_eq!(long.unwrap_err().kind(), ErrorKind::InvalidInput);

                let batch = (Keys::text(8).set("x"), Keys::own(8).set("y"), Keys::count(8).incr());
                redis.batch(batch).await.unwrap();
                left(Keys::text(8), MINUTE).await;
                left(Keys::own(8), 48 * HOUR).await;
                assert_left(Keys::count(8).ttl().await, MINUTE);
                redis.transaction((Keys::text(9).set("x"), Keys::count(9).incr())).await.unwrap();
                left(Keys::text(9), MINUTE).await;
                assert_left(Keys::count(9).ttl().await, MINUTE);
            })
            .await;
    });
}

#[derive(Keyspace)]
#[keyspace(prefix = "endless", ttl = none)]
struct EndlessKeys {
    text: fn(id: u64) -> Text,
}

#[test]
fn keep_ttl_gives_a_new_key_the_lifetime_of_the_options() {
    on_both(async |builder| {
        let endless = builder.clone().build().unwrap();
        EndlessKeys::text(1).set("x").keep_ttl().on(&endless).await.unwrap();
        assert_eq!(EndlessKeys::text(1).ttl().on(&endless).await.unwrap(), Ttl::NoExpiry);
        let redis = builder.keyspace::<EndlessKeys>(|options| options.ttl(MINUTE)).build().unwrap();
        EndlessKeys::text(2).set("x").keep_ttl().on(&redis).await.unwrap();
        assert_left(EndlessKeys::text(2).ttl().on(&redis).await, MINUTE);
        EndlessKeys::text(1).set("y").keep_ttl().on(&redis).await.unwrap();
        assert_eq!(EndlessKeys::text(1).ttl().on(&redis).await.unwrap(), Ttl::NoExpiry);
        assert_eq!(EndlessKeys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("y"));
    });
}

/// The password of one server is never sent to another.
#[test]
fn credentials_of_a_url_are_used() {
    within(PATIENCE, async {
        let server = shared_server();
        let redis = Redis::builder()
            .embedded(Server::new())
            // Without a user name, and by AUTH: HELLO takes any password for a user that needs
            // none.
            .password("secret")
            .namespace(unique_namespace())
            .unwrap()
            .keyspace::<Keys>(|options| options.url(format!("{}?protocol=resp2", server.url())))
            .build()
            .unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
    });
}

#[test]
fn invalid_options_of_a_keyspace_are_errors() {
    within(PATIENCE, async {
        let redis = Redis::builder().embedded(Server::new());
        let error = redis.keyspace::<OwnKeys>(|options| options.ttl(MINUTE)).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("OwnKeys"), "{error}");
        let redis = Redis::builder().embedded(Server::new());
        let error = redis.keyspace::<Keys>(|options| options.ttl(Duration::ZERO)).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let redis = Redis::builder().embedded(Server::new());
        let error = redis.keyspace::<Keys>(|options| options.host("a b")).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    });
}

/// Programs pass optional settings from their configuration.
#[test]
fn an_option_of_none_changes_nothing() {
    within(PATIENCE, async {
        let none = |options: redis_keyspace::config::KeyspaceOptions| {
            options
                .ttl(None::<Duration>)
                .host(None::<&str>)
                .port(None::<u16>)
                .url(None::<String>)
                .db(None::<u16>)
        };
        let server = Server::new();
        let plain = Redis::builder().embedded(server.clone()).db(3).build().unwrap();
        let redis = Redis::builder().embedded(server.clone()).db(3).keyspace::<Keys>(none).build().unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        assert_eq!(Keys::text(1).get().on(&plain).await.unwrap().as_deref(), Some("x"));
        let kept = Redis::builder()
            .embedded(server)
            .keyspace::<Keys>(|options| none(options.db(3).ttl(MINUTE)))
            .build()
            .unwrap();
        assert_eq!(Keys::text(1).get().on(&kept).await.unwrap().as_deref(), Some("x"));
        Keys::text(2).set("x").on(&kept).await.unwrap();
        assert!(Keys::text(2).ttl().on(&kept).await.unwrap().remaining() <= Some(MINUTE));
    });
}

#[test]
fn a_keyspace_uses_the_server_of_its_options() {
    within(PATIENCE, async {
        let (server, namespace) = (shared_server(), unique_namespace());
        let elsewhere = || Redis::builder().embedded(Server::new()).namespace(&namespace).unwrap();
        let plain =
            Redis::builder().url(&server.url()).unwrap().namespace(&namespace).unwrap().build().unwrap();
        let (host, port) = server
            .url()
            .trim_start_matches("redis://")
            .trim_end_matches('/')
            .rsplit_once(':')
            .map(|(host, port)| (host.to_owned(), port.parse::<u16>().unwrap()))
            .unwrap();
        let options: [Box<dyn Fn(RedisBuilder) -> RedisBuilder>; 3] = [
            Box::new(|builder| builder.keyspace::<Keys>(|options| options.url(server.url()))),
            Box::new(|builder| builder.keyspace::<Keys>(|options| options.host(&host).port(port))),
            Box::new(|builder| builder.keyspace::<Keys>(|options| options.port(port).host(&host))),
        ];
        for (id, options) in (0..).zip(&options) {
            let redis = options(elsewhere()).build().unwrap();
            Keys::text(id).set("x").on(&redis).await.unwrap();
            assert_eq!(Keys::text(id).get().on(&plain).await.unwrap().as_deref(), Some("x"));
            // Other keyspaces stay on the server of the handle.
            OwnKeys::text(id).set("x").on(&redis).await.unwrap();
            assert_eq!(OwnKeys::text(id).get().on(&plain).await.unwrap(), None);
            assert_eq!(redis.stats().total, 2);
        }
        // The URL's database applies, unless the options set one.
        let url = format!("{}/3", server.url().trim_end_matches('/'));
        let redis = elsewhere().keyspace::<Keys>(|options| options.url(&url)).build().unwrap();
        Keys::text(9).set("x").on(&redis).await.unwrap();
        assert_eq!(redis.stats().connections[0].db, 3);
        Keys::text(9).del().on(&redis).await.unwrap();

        let wrong = elsewhere().keyspace::<Keys>(|options| options.url("redis://u:hunter2@h#x")).build();
        let error = wrong.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let wrong = elsewhere().keyspace::<Keys>(|options| options.host("a b")).build();
        let error = wrong.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    });
}
