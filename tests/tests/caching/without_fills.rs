//! `fills = false`: a write is one command and uses only its own keys, and nothing can be filled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis_keyspace::cache::FillError;
use redis_keyspace::command::OnUnavailable;
use redis_keyspace::update::Change;
use redis_keyspace::{Counter, Error, ErrorKind, Group, Json, Key, Keyspace, Once, Redis, Text, catalog};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{CommandLog, PATIENCE, RealServer, ServerAbilities, both_servers, within};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "plain", ttl = "1h", fills = false)]
struct PlainKeys {
    text: fn(id: u64) -> Text,
    #[key(ttl = none)]
    json: Json<Vec<u64>>,
    #[key(ttl = none)]
    count: Counter,
    once: fn(id: u64) -> Once<Text>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "mixed", ttl = "1h", stale_for = "1h", negative_ttl = "1m")]
struct MixedKeys {
    filled: fn(id: u64) -> Text,
    #[key(fills = false)]
    plain: fn(id: u64) -> Text,
    #[key(fills = true)]
    also_filled: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "plain-group", ttl = "30d")]
struct Groups {
    all: Group,
}

catalog!(CATALOG = [PlainKeys]);

/// Runs a command that must send exactly these commands.
macro_rules! sends {
    ($log:ident, $command:expr, $($expected:expr),+ $(,)?) => {{
        let result = $command.await.unwrap();
        assert_eq!($log.take(), [$(String::from($expected)),+], "{}", stringify!($command));
        result
    }};
}

/// Every write of one key.
async fn writes(log: &mut CommandLog, redis: &Redis) {
    let (one, two) = (PlainKeys::text(1), PlainKeys::text(2));
    let then = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    // Loads the script, and asks the server what it supports.
    one.update_or_insert(String::new, |_| ()).await.unwrap();
    redis.transaction((one.del(), two.del())).await.unwrap();
    log.take();

    sends!(log, one.set("a"), "SET plain:text:1 a EX 3600");
    sends!(log, one.set("b").ttl(MINUTE), "SET plain:text:1 b EX 60");
    sends!(log, one.set("c").expire_at(then), "SET plain:text:1 c PXAT 4000000000000");
    let stored = sends!(log, one.set("d").only_if_absent(), "SET plain:text:1 d NX EX 3600");
    assert!(!stored);
    let stored = sends!(log, one.set("d").only_if_present(), "SET plain:text:1 d XX EX 3600");
    assert!(stored);
    let old = sends!(log, one.get_set("e"), "SET plain:text:1 e EX 3600 GET");
    assert_eq!(old.as_deref(), Some("d"));
    // Servers before 7.0 do not combine NX with GET.
    for (key, id, expected) in [(&one, 1, Some("e")), (&two, 2, None)] {
        let set = format!("SET plain:text:{id} x NX EX 3600");
        let get = format!("GET plain:text:{id}");
        let old = sends!(log, key.set("x").only_if_absent().returning_old(), "MULTI", get, set, "EXEC");
        assert_eq!(old.as_deref(), expected);
    }
    sends!(log, two.del(), "UNLINK plain:text:2");
    // In one round trip, but not one command: a key that does not exist gets the declared TTL.
    sends!(
        log,
        one.set("f").keep_ttl(),
        "MULTI",
        "SET plain:text:1  NX EX 3600",
        "SET plain:text:1 f KEEPTTL",
        "EXEC",
    );
    sends!(log, PlainKeys::json().set(&vec![1]).keep_ttl(), "SET plain:json [1] KEEPTTL");

    sends!(log, one.get_ex(), "GETEX plain:text:1 EX 3600");
    sends!(log, one.get_ex().expire_at(then), "GETEX plain:text:1 PXAT 4000000000000");
    sends!(log, one.get_ex().persist(), "GETEX plain:text:1 PERSIST");
    assert!(sends!(log, one.expire(MINUTE), "PEXPIRE plain:text:1 60000"));
    assert!(sends!(log, one.expire_at(then), "PEXPIREAT plain:text:1 4000000000000"));
    assert!(sends!(log, one.persist(), "PERSIST plain:text:1"));
    assert!(sends!(log, one.rename(&two), "RENAME plain:text:1 plain:text:2"));
    assert!(sends!(log, two.rename_if_absent(&one), "RENAMENX plain:text:2 plain:text:1"));
    assert_eq!(sends!(log, one.get_del(), "GETDEL plain:text:1").as_deref(), Some("f"));
    assert!(!sends!(log, one.del(), "UNLINK plain:text:1"));
    assert!(!sends!(log, one.expire(Duration::ZERO), "PEXPIRE plain:text:1 0"));
}

async fn writes_of_many_keys(log: &mut CommandLog, redis: &Redis) {
    let (one, two) = (PlainKeys::text(1), PlainKeys::text(2));
    let sets = ["SET plain:text:1 a EX 3600", "SET plain:text:2 b EX 3600"];
    let entries = || [(one.clone(), "a"), (two.clone(), "b")];
    sends!(log, Key::set_many(entries()), sets[0], sets[1]);
    sends!(log, Key::set_many([entries()[0].clone()]).ttl(MINUTE), "SET plain:text:1 a EX 60");
    let both = || [one.clone(), two.clone()];
    assert_eq!(sends!(log, Key::del_many(both()), "UNLINK plain:text:1 plain:text:2"), 2);
    assert_eq!(sends!(log, Key::del_many([one.clone()]), "UNLINK plain:text:1"), 0);

    sends!(log, redis.batch((one.set("a"), two.set("b"))), sets[0], sets[1]);
    let deletes = "UNLINK plain:text:1";
    sends!(log, redis.transaction((one.set("a"), one.del())), "MULTI", sets[0], deletes, "EXEC");
    sends!(log, redis.batch((Key::set_many(entries()), one.del())), sets[0], sets[1], deletes);

    let sent = ["DBSIZE", "SCAN 0 MATCH plain:text:* COUNT 1000 TYPE string"];
    one.set("a").await.unwrap();
    log.take();
    let expired = PlainKeys::text_keys().all().expire(MINUTE);
    assert_eq!(expired.await.unwrap().affected, 2);
    let mut commands = log.take();
    commands[2..].sort();
    let expires = ["PEXPIRE plain:text:1 60000", "PEXPIRE plain:text:2 60000"];
    assert_eq!(commands, [&sent[..], &expires].concat());
    let one_key = PlainKeys::text_keys().id(1).delete();
    assert_eq!(one_key.await.unwrap().affected, 1);
    let commands = log.take();
    assert!(commands.iter().all(|command| !command.contains('%')), "{commands:?}");
    let deleted = sends!(log, PlainKeys::text_keys().all().delete(), sent[0], sent[1], "UNLINK plain:text:2");
    assert_eq!(deleted.affected, 1);
}

async fn updates_and_counters(log: &mut CommandLog, server: ServerAbilities) {
    let one = PlainKeys::text(1);
    one.set("a").await.unwrap();
    // The first updates ask which commands the server has, and load the script.
    one.update(|text| text.push('b')).await.unwrap();
    one.update_with(|_| Change::Delete).await.unwrap();
    one.set("a").await.unwrap();
    log.take();
    let updated = one.update(|text| text.push('b'));
    let get = "GET plain:text:1";
    let set = match server.set_if_equal {
        true => "SET plain:text:1 ab IFEQ a GET KEEPTTL",
        false => "EVALSHA .. 1 plain:text:1 1 a set ab KEEPTTL",
    };
    sends!(log, updated, get, set);
    sends!(log, one.update(|_| ()), get);
    let deleted = one.update_with(|_| Change::Delete);
    match server.delete_if_equal {
        Some("DELEX") => sends!(log, deleted, get, "DELEX plain:text:1 IFEQ ab", get),
        Some(name) => sends!(log, deleted, get, format!("{name} plain:text:1 ab"), get),
        None => sends!(log, deleted, get, "EVALSHA .. 1 plain:text:1 1 ab del"),
    };
    sends!(log, one.update_with(|_| Change::Delete), get);
    let inserted = one.update_or_insert(String::new, |text| text.push('c'));
    let set = match server.set_nx_get {
        true => "SET plain:text:1 c NX GET EX 3600",
        false => "EVALSHA .. 1 plain:text:1 0  set c EX 3600",
    };
    sends!(log, inserted, get, set);
    assert_eq!(one.get().await.unwrap().as_deref(), Some("c"));
    log.take();

    let count = PlainKeys::count();
    assert_eq!(sends!(log, count.incr(), "INCRBY plain:count 1"), 1);
    assert_eq!(sends!(log, count.decr_by(3), "INCRBY plain:count -3"), -2);
    sends!(log, count.set(7), "SET plain:count 7");
    assert_eq!(sends!(log, count.get_del(), "GETDEL plain:count"), 7);
}

/// Keys of templates with and without fills, in one command.
async fn writes_of_mixed_keys(log: &mut CommandLog) {
    let companions = |ids: &[&str]| {
        let name = |id: &&str| format!(" mixed:{id}%fill{{mixed:{id}}}");
        format!("UNLINK{}", ids.iter().map(name).collect::<String>())
    };
    let (filled, plain) = (MixedKeys::filled(1), MixedKeys::plain(1));
    log.take();
    sends!(log, plain.set("a"), "SET mixed:plain:1 a EX 3600");
    sends!(log, filled.set("a"), "MULTI", companions(&["filled:1"]), "SET mixed:filled:1 a EX 3600", "EXEC",);
    sends!(
        log,
        Key::set_many([(plain.clone(), "b"), (filled.clone(), "b"), (MixedKeys::also_filled(1), "b")]),
        "MULTI",
        companions(&["filled:1", "also_filled:1"]),
        "SET mixed:plain:1 b EX 3600",
        "SET mixed:filled:1 b EX 3600",
        "SET mixed:also_filled:1 b EX 3600",
        "EXEC",
    );
    let deleted = sends!(
        log,
        Key::del_many([plain.clone(), filled.clone()]),
        "MULTI",
        companions(&["filled:1"]),
        "UNLINK mixed:plain:1 mixed:filled:1",
        "EXEC",
    );
    assert_eq!(deleted, 2);
    let many = (0..1500).flat_map(|id| [MixedKeys::plain(id), MixedKeys::filled(id)]);
    Key::del_many(many).await.unwrap();
    let mut commands = log.take();
    commands.retain(|command| command.starts_with("UNLINK"));
    let keys: Vec<_> = commands.iter().map(|command| command.split(' ').count() - 1).collect();
    assert_eq!(keys, [1000, 500, 1000, 1000, 1000]);
    assert!(!commands.iter().any(|command| command.contains("plain:0%")));
}

async fn everything(log: &mut CommandLog, redis: &Redis, server: ServerAbilities) {
    writes(log, redis).await;
    writes_of_many_keys(log, redis).await;
    updates_and_counters(log, server).await;
}

#[test]
fn a_write_is_one_command_on_the_embedded_server() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(100_000).build();
        let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
        let abilities = ServerAbilities::of(&redis).await;
        let mut log = CommandLog::of_embedded(server);
        redis.scope(everything(&mut log, &redis, abilities)).await;
        redis.scope(writes_of_mixed_keys(&mut log)).await;
    });
}

#[test]
fn a_write_is_one_command_on_a_real_server() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::builder().url(&server.url()).unwrap().shared_connections(1).build().unwrap();
        let mut log = CommandLog::of_real(&server);
        redis.scope(everything(&mut log, &redis, ServerAbilities::of_real(&server).await)).await;
        redis.scope(writes_of_mixed_keys(&mut log)).await;
    });
}

/// The user has rights on exactly the keys of the program, and on no companion key.
#[test]
fn writes_need_no_rights_on_companion_keys() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pass", "+@all"];
        command.extend(["~plain:text:1", "~plain:text:2", "~plain:json", "~plain:count"]);
        server.redis_cli(&command);
        let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
        let redis = builder.build().unwrap();
        let mut log = CommandLog::of_real(&server);
        redis.scope(everything(&mut log, &redis, ServerAbilities::of_real(&server).await)).await;
    });
}

/// A template without arguments has an exact rule, so rights on its companions would be visible.
#[test]
fn acl_rules_and_the_catalog_know_that_nothing_is_filled() {
    #[derive(Keyspace)]
    #[keyspace(prefix = "motd", ttl = "1h", fills = false)]
    struct MotdKeys {
        today: Text,
        of: fn(day: u32) -> Text,
    }
    #[derive(Keyspace)]
    #[keyspace(prefix = "notes", ttl = "1h")]
    struct NoteKeys {
        #[key(fills = false)]
        today: Text,
        next: Text,
    }
    catalog!(MOTD = [MotdKeys]);
    catalog!(NOTES = [NoteKeys]);
    let rules = MOTD.acl_rules().to_string();
    assert!(rules.starts_with("resetkeys ~motd:of:* ~motd:today -@all "), "{rules}");
    assert!(!rules.contains("+hset") && rules.contains("+unlink"), "{rules}");
    let rules = NOTES.acl_rules().to_string();
    assert!(rules.starts_with("resetkeys ~notes:next ~notes:next%* ~notes:today -@all "), "{rules}");

    let json = |catalog: &catalog::Catalog| -> serde_json::Value {
        let json: serde_json::Value = serde_json::from_str(&catalog.to_json()).unwrap();
        json["keyspaces"][0]["templates"].as_array().unwrap().iter().map(|t| t["fills"].clone()).collect()
    };
    assert_eq!(json(&MOTD), serde_json::json!([false, false]));
    assert_eq!(json(&NOTES), serde_json::json!([false, null]));
    // A counter never has fills, and the work of `Once` runs under a lease.
    assert_eq!(json(&CATALOG), serde_json::json!([false, false, null, null]));
    let snapshot = NOTES.to_snapshot();
    assert!(snapshot.contains("notes:today = Text (UTF-8 text), ttl: 1h, fills: false\n"), "{snapshot}");
    assert!(snapshot.contains("notes:next = Text (UTF-8 text), ttl: 1h\n"), "{snapshot}");
    let fills = |template: usize| MixedKeys::META.templates()[template].fills();
    assert_eq!((fills(0).enabled(), fills(0).stale_for()), (true, Some(60 * MINUTE)));
    assert_eq!((fills(1).enabled(), fills(1).stale_for()), (false, None));
    assert_eq!((fills(2).enabled(), fills(2).negative_ttl()), (true, Some(MINUTE)));

    within(PATIENCE, async {
        let server = RealServer::start();
        let rules = MOTD.acl_rules().to_string();
        let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pass"];
        command.extend(rules.split(' '));
        server.redis_cli(&command);
        let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
        let work = async {
            MotdKeys::today().set("a").await.unwrap();
            MotdKeys::today().set("b").only_if_present().await.unwrap();
            MotdKeys::today().update(|text| text.push('c')).await.unwrap();
            assert_eq!(MotdKeys::today().get_del().await.unwrap().as_deref(), Some("bc"));
            MotdKeys::today().del().await.unwrap();
            Key::set_many([(MotdKeys::today(), "a"), (MotdKeys::of(1), "b")]).await.unwrap();
            assert_eq!(MotdKeys::of_keys().all().delete().await.unwrap().affected, 1);
            assert_eq!(MotdKeys::delete_pattern("*").await.unwrap().affected, 1);
        };
        builder.build().unwrap().scope(work).await;
    });
}

/// Fails unless a fill was rejected before it did anything.
fn assert_rejected<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let text = error.to_string();
    for part in ["`fills = false`", "mixed:plain:1", "MixedKeys::plain", "remove"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

async fn fills_are_rejected(ran: &AtomicBool) {
    let key = MixedKeys::plain(1);
    let load = || async {
        ran.store(true, Ordering::Relaxed);
        "loaded".to_owned()
    };
    let find = || async { Some(load().await) };
    let fallible = |result: Result<_, FillError<std::fmt::Error>>| match result {
        Err(FillError::Redis(error)) => Err(error),
        other => Ok(other.unwrap()),
    };
    assert_rejected(key.get_or_set(load).await);
    assert_rejected(key.get_or_set(load).refresh().ttl(MINUTE).await);
    assert_rejected(key.get_or_set(load).on_unavailable(OnUnavailable::Miss).lookup().await);
    assert_rejected(key.get_or_set(|| async { "x".to_owned() }).in_background().await);
    assert_rejected(key.get_or_set_optional(find).across_processes().await);
    assert_rejected(fallible(key.try_get_or_set(|| async { Ok(load().await) }).await));
    assert_rejected(match key.try_get_or_set_optional(|| async { Ok::<_, ()>(find().await) }).await {
        Err(FillError::Redis(error)) => Err(error),
        other => Ok(other.unwrap()),
    });
    // Also if only one of the keys has no fills.
    let of = |id: u64| if id == 1 { MixedKeys::plain(1) } else { MixedKeys::filled(id) };
    let many = |ids: Vec<u64>| async move {
        let text = load().await;
        ids.into_iter().map(|id| (id, text.clone())).collect::<Vec<_>>()
    };
    assert_rejected(Key::get_or_set_many([2, 1], of, many).await);
    let many = Key::try_get_or_set_many([2, 1], of, |ids| async move { Ok::<_, ()>(many(ids).await) });
    assert_rejected(match many.await {
        Err(FillError::Redis(error)) => Err(error),
        other => Ok(other.unwrap()),
    });
}

#[test]
fn a_fill_is_rejected_before_the_loader_runs() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(100).build();
        let redis = Redis::builder().embedded(server.clone()).build().unwrap();
        let ran = AtomicBool::new(false);
        redis.scope(fills_are_rejected(&ran)).await;
        assert_eq!((server.commands(), ran.load(Ordering::Relaxed)), (0, false));
        Redis::disabled().scope(fills_are_rejected(&ran)).await;
        assert!(!ran.load(Ordering::Relaxed));
        // Without a server, too: the error does not depend on it.
        fills_are_rejected(&ran).await;
    });
}

#[test]
fn a_disabled_handle_drops_the_writes() {
    within(PATIENCE, async {
        let redis = Redis::disabled();
        let writes = async {
            let (one, two) = (PlainKeys::text(1), PlainKeys::text(2));
            one.set("a").await.unwrap();
            one.set("a").keep_ttl().await.unwrap();
            Key::set_many([(one.clone(), "a"), (two.clone(), "b")]).await.unwrap();
            assert_eq!(one.get_del().await.unwrap(), None);
            assert!(!one.rename(&two).await.unwrap());
            assert_eq!(Key::del_many([one.clone(), two.clone()]).await.unwrap(), 0);
            assert_eq!(PlainKeys::text_keys().all().delete().await.unwrap().affected, 0);
            one.set("a").only_if_absent().await.unwrap_err();
            one.rename_if_absent(&two).await.unwrap_err();
        };
        redis.scope(writes).await;
        assert_eq!(redis.stats().dropped_writes, 7);
    });
}

both_servers! {
    async fn other_keys_of_the_keyspace_are_filled(redis: Redis) {
        let key = MixedKeys::also_filled(1);
        assert_eq!(key.get_or_set(|| async { "a".to_owned() }).await.unwrap(), "a");
        // A write during a load wins.
        let late = MixedKeys::filled(1).get_or_set(|| async {
            MixedKeys::filled(1).set("new").await.unwrap();
            "old".to_owned()
        });
        late.await.unwrap();
        assert_eq!(MixedKeys::filled(1).get().await.unwrap().as_deref(), Some("new"));
        assert_eq!(redis.stats().fills.superseded, 1);
    }

    async fn a_member_of_a_group_has_no_fills_either(redis: Redis) {
        let member = Groups::all().member(&MixedKeys::plain(1)).await.unwrap();
        member.set("a").await.unwrap();
        assert_eq!(member.get().await.unwrap().as_deref(), Some("a"));
        let error = member.get_or_set(|| async { unreachable!() }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Groups::all().invalidate().await.unwrap();
        let member = Groups::all().member(&PlainKeys::text(1)).on(&redis).await.unwrap();
        assert_eq!(member.get().await.unwrap(), None);
    }

    async fn work_that_runs_once_still_does(redis: Redis) {
        let key = PlainKeys::once(1);
        assert_eq!(key.run(|| async { "done".to_owned() }).await.unwrap(), "done");
        assert_eq!(key.run(|| async { unreachable!() }).await.unwrap(), "done");
        // A deletion while the work runs ends its lease, so the result is not stored.
        let other = PlainKeys::once(2);
        let raced = other.run(|| async {
            PlainKeys::once(2).del().await.unwrap();
            "late".to_owned()
        });
        drop(raced.await);
        assert!(!other.exists().await.unwrap());
        drop(redis);
    }

    async fn conflicting_updates_are_repeated(redis: Redis) {
        let key = PlainKeys::json();
        key.set(&vec![]).await.unwrap();
        let key_of = |id| PlainKeys::json().update(move |ids| ids.push(id)).into_future();
        let writers: Vec<_> = (0..20).map(|id| redis.scope(key_of(id))).collect();
        for writer in writers.into_iter().map(tokio::spawn) {
            writer.await.unwrap().unwrap();
        }
        assert_eq!(key.get().await.unwrap().unwrap().len(), 20);
        let until = SystemTime::now() + MINUTE;
        assert!(key.expire_at(until).await.unwrap());
    }
}
