//! Lifetimes of the fields of hashes and records. Not every server has them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis_keyspace::command::{FieldExpiry, FieldPersist, Ttl};
use redis_keyspace::{ErrorKind, Redis, catalog};
use redis_keyspace_tests::{
    PATIENCE, RealCluster, RealServer, on_embedded, on_real, raw, require_command, require_no_command,
    shared_cluster, shared_server, unique_namespace, wire, within,
};

use crate::table::check_newer;
use crate::{Keys, Session};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// Far in the future, in whole milliseconds.
fn end() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(4_000_000_000_123)
}

fn is_new(ttl: Ttl, lifetime: Duration) -> bool {
    ttl.remaining().is_some_and(|left| left <= lifetime && left > lifetime / 2)
}

fn session() -> Session {
    Session { user: 7, token: Some("secret".to_owned()), code: Some(5), attempts: None, visits: 0 }
}

checks! {
    hexpire: async {
        let map = Keys::map(41);
        assert_eq!(map.hexpire(["a"], HOUR).await.unwrap(), [FieldExpiry::NoField]);
        map.hset_many([("a", 1), ("b", 2)]).await.unwrap();
        let set = map.hexpire(["a", "x", "b"], HOUR).await.unwrap();
        assert_eq!(set, [FieldExpiry::Set, FieldExpiry::NoField, FieldExpiry::Set]);
        assert!(map.httl(["a", "b"]).await.unwrap().into_iter().all(|ttl| is_new(ttl, HOUR)));
        assert_eq!(map.hexpire(["a"], MINUTE).extend_only().await.unwrap(), [FieldExpiry::Unmet]);
        assert_eq!(map.hexpire(["a"], MINUTE).only_if_none().await.unwrap(), [FieldExpiry::Unmet]);
        assert_eq!(map.hexpire(["a"], MINUTE).shorten_only().await.unwrap(), [FieldExpiry::Set]);
        assert_eq!(map.hexpire(["a"], HOUR).only_if_some().await.unwrap(), [FieldExpiry::Set]);
        assert_eq!(map.hexpire([""; 0], HOUR).await.unwrap(), []);
        assert_eq!(map.hexpire(["a"], Duration::ZERO).await.unwrap(), [FieldExpiry::Deleted]);
        assert!(!map.hexists("a").await.unwrap());
        // A field whose name looks like an option.
        map.hset_many([("FIELDS", 1), ("NX", 2)]).await.unwrap();
        assert_eq!(map.hexpire(["FIELDS", "NX"], HOUR).await.unwrap(), [FieldExpiry::Set; 2]);
        // A write of the field ends its lifetime; the key's lifetime is another one.
        map.hset("b", &3).await.unwrap();
        assert_eq!(map.httl(["b"]).await.unwrap(), [Ttl::NoExpiry]);
        assert!(is_new(map.ttl().await.unwrap(), HOUR));
    },
    hexpire_at: async {
        let map = Keys::map(42);
        map.hset("a", &1).await.unwrap();
        assert_eq!(map.hexpire_at(["a"], end()).await.unwrap(), [FieldExpiry::Set]);
        assert_eq!(map.hexpire_time(["a"]).await.unwrap(), [Some(end())]);
        assert_eq!(map.hexpire_at(["a"], end()).extend_only().await.unwrap(), [FieldExpiry::Unmet]);
        let past = SystemTime::now() - HOUR;
        assert_eq!(map.hexpire_at(["a"], past).await.unwrap(), [FieldExpiry::Deleted]);
        let error = map.hexpire_at(["a"], UNIX_EPOCH - HOUR).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    },
    httl: async {
        let map = Keys::map(43);
        assert_eq!(map.httl(["a", "b"]).await.unwrap(), [Ttl::NoKey, Ttl::NoKey]);
        assert_eq!(map.httl([""; 0]).await.unwrap(), []);
        map.hset_many([("a", 1), ("b", 2)]).field_ttl(HOUR).await.unwrap();
        map.hset("b", &2).await.unwrap();
        let ttls = map.httl(["a", "b", "c"]).await.unwrap();
        assert!(is_new(ttls[0], HOUR));
        assert_eq!(ttls[1..], [Ttl::NoExpiry, Ttl::NoKey]);
    },
    hexpire_time: async {
        let map = Keys::map(44);
        assert_eq!(map.hexpire_time(["a"]).await.unwrap(), [None]);
        map.hset("a", &1).await.unwrap();
        assert_eq!(map.hexpire_time(["a", "b"]).await.unwrap(), [None, None]);
    },
    hpersist: async {
        let map = Keys::map(45);
        assert_eq!(map.hpersist(["a"]).await.unwrap(), [FieldPersist::NoField]);
        map.hset_many([("a", 1), ("b", 2)]).await.unwrap();
        map.hexpire(["a"], HOUR).await.unwrap();
        let outcomes = map.hpersist(["a", "b", "c"]).await.unwrap();
        assert_eq!(outcomes, [FieldPersist::Removed, FieldPersist::NoExpiry, FieldPersist::NoField]);
    },
    hget_ex: async {
        let map = Keys::map(46);
        assert_eq!(map.hget_ex(["a", "b"]).ttl(HOUR).await.unwrap(), [None, None]);
        map.hset("a", &1).await.unwrap();
        assert_eq!(map.hget_ex(["a", "b"]).ttl(HOUR).await.unwrap(), [Some(1), None]);
        assert!(is_new(map.httl(["a"]).await.unwrap()[0], HOUR));
        assert_eq!(map.hget_ex(["a"]).await.unwrap(), [Some(1)]);
        assert!(is_new(map.httl(["a"]).await.unwrap()[0], HOUR), "without an option, it stays");
        assert_eq!(map.hget_ex(["a"]).persist().await.unwrap(), [Some(1)]);
        assert_eq!(map.httl(["a"]).await.unwrap(), [Ttl::NoExpiry]);
        assert_eq!(map.hget_ex(["a"]).expire_at(end()).await.unwrap(), [Some(1)]);
        assert_eq!(map.hexpire_time(["a"]).await.unwrap(), [Some(end())]);
        let error = map.hget_ex(["a"]).ttl(Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    },
    hget_del: async {
        let map = Keys::map(47);
        assert_eq!(map.hget_del(["a"]).await.unwrap(), [None]);
        map.hset_many([("a", 1), ("b", 2)]).await.unwrap();
        assert_eq!(map.hget_del(["a", "c"]).await.unwrap(), [Some(1), None]);
        assert_eq!(map.hget_del(["b"]).await.unwrap(), [Some(2)]);
        assert!(!map.exists().await.unwrap());
    },
    expire_field of Record: async {
        let session_key = Keys::session(48);
        assert_eq!(session_key.expire_field(Session::CODE, HOUR).await.unwrap(), FieldExpiry::NoField);
        session_key.set(Session::CODE, &5).await.unwrap();
        assert_eq!(session_key.expire_field(Session::CODE, HOUR).only_if_none().await.unwrap(), FieldExpiry::Set);
        assert_eq!(
            session_key.expire_field(Session::CODE, HOUR).only_if_none().await.unwrap(),
            FieldExpiry::Unmet
        );
        assert!(is_new(session_key.field_ttl(Session::CODE).await.unwrap(), HOUR));
        session_key.set(Session::CODE, &6).await.unwrap();
        assert_eq!(session_key.field_ttl(Session::CODE).await.unwrap(), Ttl::NoExpiry);
    },
    expire_field_at of Record: async {
        let session_key = Keys::session(49);
        session_key.set(Session::CODE, &5).await.unwrap();
        assert_eq!(session_key.expire_field_at(Session::CODE, end()).await.unwrap(), FieldExpiry::Set);
        assert_eq!(session_key.field_expire_time(Session::CODE).await.unwrap(), Some(end()));
    },
    field_ttl of Record: async {
        let session_key = Keys::session(50);
        assert_eq!(session_key.field_ttl(Session::TOKEN).await.unwrap(), Ttl::NoKey);
        // Every write of the field sets the declared lifetime, whichever writes it.
        session_key.save(&session()).await.unwrap();
        assert!(is_new(session_key.field_ttl(Session::TOKEN).await.unwrap(), HOUR));
        assert_eq!(session_key.field_ttl(Session::CODE).await.unwrap(), Ttl::NoExpiry);
        session_key.persist_field(Session::TOKEN).await.unwrap();
        session_key.set(Session::TOKEN, "other").await.unwrap();
        assert!(is_new(session_key.field_ttl(Session::TOKEN).await.unwrap(), HOUR));
        session_key.persist_field(Session::TOKEN).await.unwrap();
        session_key.update(|session| session.token = Some("changed".to_owned())).await.unwrap();
        assert!(is_new(session_key.field_ttl(Session::TOKEN).await.unwrap(), HOUR));
        // An update that does not change a field keeps its lifetime; so does an increment.
        session_key.expire_field(Session::TOKEN, MINUTE).await.unwrap();
        session_key.expire_field(Session::VISITS, MINUTE).await.unwrap();
        session_key.update(|session| session.user += 1).await.unwrap();
        session_key.incr(Session::VISITS, 1).await.unwrap();
        session_key.incr(Session::VISITS, -1).await.unwrap();
        for ttl in [session_key.field_ttl(Session::TOKEN), session_key.field_ttl(Session::VISITS)] {
            assert!(is_new(ttl.await.unwrap(), MINUTE));
        }
        session_key.update(|session| session.token = None).await.unwrap();
        assert_eq!(session_key.field_ttl(Session::TOKEN).await.unwrap(), Ttl::NoKey);
        assert!(is_new(session_key.ttl().await.unwrap(), HOUR), "that of the key is another one");
    },
    field_expire_time of Record: async {
        let session_key = Keys::session(51);
        assert_eq!(session_key.field_expire_time(Session::TOKEN).await.unwrap(), None);
        session_key.save(&session()).await.unwrap();
        assert!(session_key.field_expire_time(Session::TOKEN).await.unwrap() > Some(SystemTime::now()));
        assert_eq!(session_key.field_expire_time(Session::CODE).await.unwrap(), None);
    },
    persist_field of Record: async {
        let session_key = Keys::session(52);
        assert_eq!(session_key.persist_field(Session::TOKEN).await.unwrap(), FieldPersist::NoField);
        session_key.save(&session()).await.unwrap();
        assert_eq!(session_key.persist_field(Session::TOKEN).await.unwrap(), FieldPersist::Removed);
        assert_eq!(session_key.persist_field(Session::TOKEN).await.unwrap(), FieldPersist::NoExpiry);
    },
}

/// An increment that creates a field starts its lifetime, and later ones keep it.
async fn increments_of_fields_with_lifetimes(redis: Redis) {
    let key = Keys::session(57);
    let ttl = async || key.field_ttl(Session::ATTEMPTS).await.unwrap();
    assert_eq!(key.incr(Session::ATTEMPTS, 1).await.unwrap(), 1);
    assert!(is_new(ttl().await, HOUR));
    key.expire_field(Session::ATTEMPTS, MINUTE).await.unwrap();
    assert_eq!(key.incr(Session::ATTEMPTS, 1).await.unwrap(), 2);
    assert!(is_new(ttl().await, MINUTE));
    key.persist_field(Session::ATTEMPTS).await.unwrap();
    assert_eq!(key.incr(Session::ATTEMPTS, 1).await.unwrap(), 3);
    assert_eq!(ttl().await, Ttl::NoExpiry);
    // A value under an earlier name keeps its lifetime when it is moved.
    for (lifetime, expected) in [(Some("60000"), MINUTE), (None, HOUR)] {
        key.del().await.unwrap();
        let _: i64 = raw(&redis, &["HSET", &wire(&key), "tries", "5"]).await;
        if let Some(millis) = lifetime {
            let _: Vec<i64> = raw(&redis, &["HPEXPIRE", &wire(&key), millis, "FIELDS", "1", "tries"]).await;
        }
        let error = key.incr(Session::ATTEMPTS, 251).await.unwrap_err();
        assert!(error.to_string().contains("not changed"), "{error}");
        assert_eq!(key.get(Session::ATTEMPTS).await.unwrap(), Some(5));
        assert_eq!(key.incr(Session::ATTEMPTS, 1).await.unwrap(), 6);
        assert!(is_new(ttl().await, expected));
        let names: Vec<String> = raw(&redis, &["HKEYS", &wire(&key)]).await;
        assert_eq!(names, ["attempts"]);
    }
}

/// The options of `hset_many` that need `HSETEX`.
async fn hset_many_with_options(redis: Redis) {
    let map = Keys::map(53);
    assert!(map.hset_many([("a", 1), ("b", 2)]).field_ttl(HOUR).await.unwrap());
    assert!(is_new(map.httl(["b"]).await.unwrap()[0], HOUR));
    assert!(is_new(map.ttl().await.unwrap(), HOUR), "the key gets its own lifetime");
    assert!(!map.hset_many([("b", 3), ("c", 3)]).only_if_no_field().await.unwrap());
    assert!(!map.hset_many([("b", 3), ("c", 3)]).only_if_all_fields().await.unwrap());
    assert_eq!(map.hget_many(["b", "c"]).await.unwrap(), [Some(2), None]);
    assert!(map.hset_many([("c", 3), ("d", 4)]).only_if_no_field().field_ttl(HOUR).await.unwrap());
    assert!(map.hset_many([("c", 5)]).only_if_all_fields().await.unwrap());
    assert_eq!(map.hget_many(["c", "d"]).await.unwrap(), [Some(5), Some(4)]);
    assert_eq!(map.httl(["c"]).await.unwrap(), [Ttl::NoExpiry]);
    assert!(!map.hset_many([("a", 1); 0]).field_ttl(HOUR).await.unwrap(), "nothing is sent");
    let absent = Keys::map(54);
    assert!(!absent.hset_many([("a", 1)]).only_if_all_fields().await.unwrap());
    assert!(!absent.exists().await.unwrap());
    for error in [
        map.hset_many([("a", 1)]).field_ttl(Duration::ZERO).await.unwrap_err(),
        map.hset_many((0..10_000).map(|nth| (format!("{nth}"), nth))).field_ttl(HOUR).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let (set, values) =
        redis.batch((map.hset_many([("e", 1)]).field_ttl(HOUR), map.hget_del(["e"]))).await.unwrap();
    assert_eq!((set, values), (true, vec![Some(1)]));
}

#[test]
fn lifetimes_of_fields_work_on_the_embedded_server() {
    on_embedded(check_newer);
    on_embedded(hset_many_with_options);
    on_embedded(increments_of_fields_with_lifetimes);
}

#[test]
fn lifetimes_of_fields_work_on_a_real_server() {
    if require_command(shared_server(), "HGETDEL") {
        on_real(check_newer);
        on_real(hset_many_with_options);
        on_real(increments_of_fields_with_lifetimes);
    }
}

/// The server refuses the whole transaction, and does not say which command it lacks.
#[test]
fn a_transaction_names_the_command_that_is_missing() {
    if !require_command(shared_server(), "GETEX") || !require_no_command(shared_server(), "HGETDEL") {
        return;
    }
    on_real(async |redis: Redis| {
        let refused = redis.transaction((Keys::text(1).get_ex(), Keys::map(1).hget_del(["a"]))).each().await;
        let (text, map) = refused.unwrap();
        for error in [text.unwrap_err(), map.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::MissingCommand, "{error}");
            assert!(error.to_string().contains("HGETDEL needs Redis 8.0"), "{error}");
        }
    });
}

#[test]
fn lifetimes_of_fields_work_on_a_cluster() {
    if !require_command(shared_server(), "HGETDEL") {
        return;
    }
    let cluster: &RealCluster = shared_cluster();
    let builder = Redis::builder().url(&cluster.seeds_url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(PATIENCE, redis.scope(check_newer(redis.clone())));
}

catalog!(CATALOG = [Keys]);

#[test]
fn the_rules_of_a_newer_server_permit_lifetimes_of_fields() {
    let server = RealServer::start();
    if !require_command(&server, "HGETDEL") {
        return;
    }
    let namespace = unique_namespace();
    let rules = CATALOG.acl_rules().namespace(&namespace).redis_version(8, 0).to_string();
    let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pass"];
    command.extend(rules.split(' '));
    server.redis_cli(&command);
    let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
    let redis = builder.namespace(namespace).unwrap().build().unwrap();
    within(PATIENCE, redis.scope(check_newer(redis.clone())));
}

#[test]
fn a_server_without_them_is_named_and_nothing_is_changed() {
    use redis_keyspace_embedded::{Fault, Server};
    let server = Server::new();
    let unknown = |command: &str| {
        let said = format!("ERR unknown command '{command}', with args beginning with: ");
        server.inject(Fault::error(said).on(command))
    };
    let _faults = ["HPEXPIRE", "HPTTL", "HGETDEL", "SMISMEMBER"].map(unknown);
    let redis = Redis::builder().embedded(server.clone()).build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let (map, session_key) = (Keys::map(55), Keys::session(55));
            map.hset("a", &1).await.unwrap();
            for (error, command, servers) in [
                (map.hexpire(["a"], HOUR).await.unwrap_err(), "HPEXPIRE", "Redis 7.4 or Valkey 9.0"),
                (map.httl(["a"]).await.unwrap_err(), "HPTTL", "Redis 7.4 or Valkey 9.0"),
                (map.hget_del(["a"]).await.unwrap_err(), "HGETDEL", "Redis 8.0 or Valkey 9.1"),
                (
                    Keys::set(55, 0).smismember([1]).await.unwrap_err(),
                    "SMISMEMBER",
                    "Redis 6.2 or Valkey 7.2",
                ),
            ] {
                assert_eq!(error.kind(), ErrorKind::MissingCommand, "{error}");
                assert!(error.to_string().contains(&format!("{command} needs {servers}")), "{error}");
            }
            assert_eq!(map.hget_many(["a", "b"]).await.unwrap(), [Some(1), None]);
            let error = session_key.expire_field(Session::CODE, HOUR).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MissingCommand, "{error}");
        }),
    );
}

/// A real server without field lifetimes rejects a record that declares one, as a whole.
#[test]
fn a_record_with_a_lifetime_is_not_written_in_part() {
    if !require_no_command(shared_server(), "HPEXPIRE") {
        return;
    }
    on_real(async |_| {
        let session_key = Keys::session(56);
        for error in [
            session_key.save(&session()).await.unwrap_err(),
            session_key.set(Session::TOKEN, "x").await.unwrap_err(),
            session_key.update_or_insert(session, |_| ()).await.unwrap_err(),
            session_key.incr(Session::ATTEMPTS, 1).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::MissingCommand, "{error}");
            assert!(error.to_string().contains("HPEXPIRE needs Redis 7.4 or Valkey 9.0"), "{error}");
        }
        assert!(!session_key.exists().await.unwrap(), "nothing was written");
        let map = Keys::map(56);
        let error = map.hset_many([("a", 1)]).field_ttl(HOUR).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingCommand, "{error}");
        assert!(error.to_string().contains("HSETEX needs Redis 8.0 or Valkey 9.0"), "{error}");
        assert!(!map.exists().await.unwrap(), "nothing was written");
        // Without the field, the server needs no such command.
        session_key.save(&Session { token: None, ..session() }).await.unwrap();
        session_key.update(|session| session.visits += 1).await.unwrap();
        assert_eq!(session_key.get(Session::VISITS).await.unwrap(), Some(1));
    });
}
