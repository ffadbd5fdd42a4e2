//! The rules of a catalog permit every operation, and nothing else.

use redis_keyspace::{Redis, catalog};
use redis_keyspace_tests::{PATIENCE, RealServer, require_in_scripts, unique_namespace, within};

use crate::Keys;
use crate::coordinated::CoordinatedKeys;
use crate::counters::CounterKeys;
use crate::filled::FilledKeys;
use crate::table::check_all;
use crate::values::ValueKeys;
use crate::workers::Jobs;

catalog!(CATALOG = [Keys, FilledKeys, Jobs, ValueKeys, CounterKeys, CoordinatedKeys]);

#[test]
fn a_user_with_the_rules_of_the_catalog_can_run_every_operation() {
    let server = RealServer::start();
    let namespace = unique_namespace();
    let rules = CATALOG.acl_rules().namespace(&namespace);
    // An older server rejects rules with commands that it does not know.
    let rules = if server.supports("LMPOP") { rules.redis_version(7, 0) } else { rules.redis_version(6, 2) };
    let rules = rules.to_string();
    let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pass"];
    command.extend(rules.split(' '));
    server.redis_cli(&command);
    let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
    let redis = builder.namespace(namespace).unwrap().build().unwrap();
    within(PATIENCE, redis.scope(check_all(redis.clone())));
}

/// Without the permission for the lifetime, the write must not run either.
#[test]
fn without_rights_to_set_the_lifetime_nothing_is_written() {
    let server = RealServer::start();
    if !require_in_scripts(&server, "acl_check_cmd") {
        return;
    }
    let rules = "reset on >pass ~* -@all +@list +@connection +@transaction +exists +type +eval +evalsha";
    let command: Vec<&str> = ["ACL", "SETUSER", "app"].into_iter().chain(rules.split(' ')).collect();
    server.redis_cli(&command);
    let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
    let redis = builder.build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let error = Keys::list(1).rpush(&1).await.unwrap_err();
            assert!(error.to_string().contains("PEXPIRE"), "{error}");
            assert_eq!(Keys::list(1).llen().await.unwrap(), 0, "nothing was written");
            assert_eq!(Keys::forever(1, 0).rpush(&1).await.unwrap(), 1);
        }),
    );
}

#[test]
fn rules_name_only_the_commands_of_declared_kinds() {
    use redis_keyspace::{Bitmap, Geo, Keyspace, List, Set};
    #[derive(Keyspace)]
    #[keyspace(prefix = "jobs", ttl = none)]
    #[allow(dead_code, reason = "fields are declarations")]
    struct Jobs {
        #[key(ttl = none)]
        waiting: List<u64>,
    }
    #[derive(Keyspace)]
    #[keyspace(prefix = "rooms", ttl = "1h")]
    #[allow(dead_code, reason = "fields are declarations")]
    struct Rooms {
        online: fn(room: u64) -> Set<u64>,
    }
    catalog!(JOBS = [Jobs]);
    catalog!(ROOMS = [Rooms]);
    let rules = JOBS.acl_rules().to_string();
    assert!(rules.contains(" +lpush ") && !rules.contains("+sadd"), "{rules}");
    assert!(!rules.contains("+set"), "{rules}");
    let rules = ROOMS.acl_rules().to_string();
    #[derive(Keyspace)]
    #[keyspace(prefix = "days", ttl = "1h")]
    #[allow(dead_code, reason = "fields are declarations")]
    struct Days {
        active: fn(day: u64) -> Bitmap,
    }
    catalog!(DAYS = [Days]);
    #[derive(Keyspace)]
    #[keyspace(prefix = "taxis", ttl = none)]
    #[allow(dead_code, reason = "fields are declarations")]
    struct Taxis {
        city: fn(city: u64) -> Geo<u64>,
    }
    catalog!(TAXIS = [Taxis]);
    let taxis = TAXIS.acl_rules().to_string();
    assert!(taxis.contains(" +geosearch ") && !taxis.contains("+zadd"), "{taxis}");
    let days = DAYS.acl_rules().to_string();
    assert!(days.contains(" +setbit ") && days.contains(" +evalsha "), "{days}");
    assert!(!days.contains("+incrby") && !days.contains("+pfadd"), "{days}");
    assert!(
        rules.contains(" +sadd ") && rules.contains(" +evalsha ") && !rules.contains("+lpush"),
        "{rules}"
    );
}
