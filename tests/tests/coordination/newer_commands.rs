//! Commands that replace scripts: used where the server has them, and asked for once.

use std::time::Duration;

use redis_keyspace::command::Ttl;
use redis_keyspace::update::Change;
use redis_keyspace::{Error, ErrorKind, Key, Keyspace, Lock, Redis, Text, catalog};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{
    CommandLog, PATIENCE, Proxy, RealServer, ServerAbilities, both_servers, eventually, eventually_rises,
    raw, wire, within,
};
use tokio::task::JoinSet;

const LOCK: &str = "newer:lock:nightly";
const TEXT: &str = "newer:text:1";
const FENCE: &str = "newer:lock:nightly%fence{newer:lock:nightly}";

#[derive(Keyspace)]
#[keyspace(prefix = "newer", ttl = "1m", fills = false)]
struct Keys {
    lock: fn(job: &str) -> Lock,
    text: fn(id: u64) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "newer-filled", ttl = "1m")]
struct FilledKeys {
    text: fn(id: u64) -> Text,
}

catalog!(CATALOG = [Keys]);

fn job() -> Key<Keys, Lock> {
    Keys::lock("nightly")
}

async fn take_and_release(key: &Key<Keys, Lock>) {
    key.try_lock().await.unwrap().expect("the lock is free").release().await.unwrap();
}

/// A change of each kind: the first asks the server, or loads the script.
async fn change<S: Keyspace>(key: &Key<S, Text>) {
    key.update_or_insert(String::new, |text| text.push('a')).await.unwrap();
    key.update(|text| text.push('b')).await.unwrap();
    assert_eq!(key.get().await.unwrap().as_deref(), Some("ab"));
    assert_eq!(key.update_with(|_| Change::Delete).await.unwrap(), None);
    assert!(!key.exists().await.unwrap());
}

fn without(server: &Server, command: &str) {
    server.inject(Fault::error(format!("ERR unknown command '{command}'")).on(command)).keep();
}

fn embedded() -> (Server, Redis, CommandLog) {
    let server = Server::builder().log_commands(100_000).build();
    let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
    (server.clone(), redis, CommandLog::of_embedded(server))
}

/// How often a command was sent.
fn sent(log: &[String], command: &str) -> usize {
    log.iter().filter(|logged| logged.split(' ').next() == Some(command)).count()
}

/// Locks send exactly the commands that the server has.
async fn locks(redis: &Redis, log: &mut CommandLog) {
    let abilities = ServerAbilities::of(redis).await;
    let key = job().on(redis);
    take_and_release(&key).await;
    let guard = key.lock().ttl(Duration::from_secs(3)).await.unwrap();
    let token: String = raw(redis, &["GET", LOCK]).await;
    let mut commands = Vec::new();
    // The first renewal asks, so wait for the second.
    let renewal = match abilities.set_if_equal {
        true => format!("SET {LOCK} {token} IFEQ {token} PX 3000"),
        false => format!("EVALSHA .. 2 {LOCK} {FENCE} {token} 3000 86403000"),
    };
    eventually("the lock is renewed twice", async || {
        commands.extend(log.take());
        commands.iter().filter(|command| **command == renewal).count() >= 2
    })
    .await;
    let keeps = commands.iter().filter(|command| **command == format!("PEXPIRE {FENCE} 86403000 GT"));
    assert_eq!(keeps.count() >= 2, abilities.set_if_equal, "{commands:#?}");
    guard.release().await.unwrap();
    let release = match abilities.delete_if_equal {
        Some("DELEX") => format!("DELEX {LOCK} IFEQ {token}"),
        Some(name) => format!("{name} {LOCK} {token}"),
        None => format!("EVALSHA .. 1 {LOCK} {token}"),
    };
    let commands = log.take();
    // Not the renewals, which may go on until the release.
    let is_release = |command: &&String| {
        command.contains(&token) && !command.contains(FENCE) && !command.starts_with("SET")
    };
    let releases = commands.iter().filter(is_release);
    assert_eq!(releases.collect::<Vec<_>>(), [&release], "{commands:#?}");
}

#[test]
fn locks_use_the_commands_of_the_embedded_server() {
    within(PATIENCE, async {
        let (_server, redis, mut log) = embedded();
        locks(&redis, &mut log).await;
    });
}

#[test]
fn locks_use_the_commands_of_a_real_server() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::builder().url(&server.url()).unwrap().shared_connections(1).build().unwrap();
        let mut log = CommandLog::of_real(&server);
        locks(&redis, &mut log).await;
    });
}

both_servers! {
    /// The holder's token is the only one that matters, whichever command compares it.
    async fn only_the_holder_can_renew_and_release(redis: Redis) {
        let key = job();
        take_and_release(&key).await;
        let guard = key.lock().ttl(Duration::from_secs(3)).await.unwrap();
        let fence = format!("{}%fence{{{}}}", wire(&key), wire(&key));
        raw::<()>(&redis, &["SET", &wire(&key), "another holder", "PX", "60000"]).await;
        assert_eq!(guard.lost().await.kind(), ErrorKind::LockLost);
        assert_eq!(guard.release().await.unwrap_err().kind(), ErrorKind::LockLost);
        let holder: String = raw(&redis, &["GET", &wire(&key)]).await;
        assert_eq!(holder, "another holder");
        // The lost lock was not extended, and the number of the lock is kept for a day longer.
        let left: i64 = raw(&redis, &["PTTL", &wire(&key)]).await;
        assert!((1..=60_000).contains(&left), "{left}");
        let kept: i64 = raw(&redis, &["PTTL", &fence]).await;
        assert!((86_000_000..=86_403_000).contains(&kept), "{kept}");
        raw::<()>(&redis, &["DEL", &wire(&key)]).await;
        take_and_release(&key).await;
    }

    /// Locks that expire while they are released. A release never frees the lock of the next
    /// holder.
    async fn a_release_that_races_with_the_expiry_frees_no_other_lock(redis: Redis) {
        let mut holders = JoinSet::new();
        for task in 0..8 {
            let (redis, name) = (redis.clone(), wire(&Keys::lock("race")));
            holders.spawn(async move {
                let mut released = 0;
                for nth in 0..40 {
                    let Some(guard) = Keys::lock("race").on(&redis).try_lock().await.unwrap() else {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        continue;
                    };
                    let expires = (task + nth) % 2 == 0;
                    if expires {
                        let after = (nth % 4 + 1).to_string();
                        raw::<()>(&redis, &["PEXPIRE", &name, &after]).await;
                    }
                    tokio::time::sleep(Duration::from_millis((task * nth) % 5)).await;
                    match guard.release().await {
                        Ok(()) => released += 1,
                        // A lock that did not expire was freed by another holder.
                        Err(error) => assert!(expires && error.kind() == ErrorKind::LockLost, "{error}"),
                    }
                }
                released
            });
        }
        assert!(holders.join_all().await.into_iter().sum::<u64>() > 0);
        // A late release of an expired lock, with the next holder known.
        for _ in 0..20 {
            let key = Keys::lock("late").on(&redis);
            let first = key.try_lock().await.unwrap().unwrap();
            raw::<()>(&redis, &["DEL", &wire(&key)]).await;
            let second = key.try_lock().await.unwrap().expect("the first lock is gone");
            assert_eq!(first.release().await.unwrap_err().kind(), ErrorKind::LockLost);
            second.check().unwrap();
            second.release().await.unwrap();
        }
    }

    async fn updates_without_fills_lose_no_change(redis: Redis) {
        let key = Keys::text(1);
        change(&key).await;
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let redis = redis.clone();
            tasks.spawn(async move {
                for _ in 0..25 {
                    let add = |text: &mut String| *text = (text.parse::<u32>().unwrap() + 1).to_string();
                    Keys::text(1).on(&redis).update_or_insert(|| "0".to_owned(), add).await.unwrap();
                }
            });
        }
        // Updates of one handle take turns, so only another writer makes them conflict.
        for _ in 0..50 {
            raw::<()>(&redis, &["INCR", &wire(&key)]).await;
        }
        tasks.join_all().await;
        assert_eq!(key.get().await.unwrap().as_deref(), Some("150"));
    }

    /// Another writer changes the key between the read and the write of an update.
    async fn updates_without_fills_see_what_others_wrote(redis: Redis) {
        let key = Keys::text(1);
        change(&key).await;
        for (before, meanwhile, after) in [
            (Some("1"), Some("5"), Some("5+")),
            (Some("1"), None, None),
            (None, Some("5"), Some("5+")),
            (Some(""), Some("5"), Some("5+")),
            (Some("1"), Some(""), Some("+")),
        ] {
            let name = wire(&key);
            let write = async |value: Option<&str>| match value {
                Some(value) => raw::<()>(&redis, &["SET", &name, value]).await,
                None => raw::<()>(&redis, &["DEL", &name]).await,
            };
            for deletes in [false, true] {
                write(before).await;
                let mut seen = Vec::new();
                let outcome = key.update_with(|text| {
                    if seen.is_empty() {
                        tokio::task::block_in_place(|| {
                            tokio::runtime::Handle::current().block_on(write(meanwhile));
                        });
                    }
                    seen.push(text.clone());
                    match text {
                        _ if deletes => Change::Delete,
                        None if before.is_some() => Change::Keep,
                        text => Change::Set(text.unwrap_or_default() + "+"),
                    }
                });
                let outcome = outcome.await.unwrap();
                // A deletion of a key that was absent when it was read has nothing to do.
                let is_done = deletes && before.is_none();
                let expected = [before, meanwhile].map(|value| value.map(str::to_owned));
                assert_eq!(seen, expected[..if is_done { 1 } else { 2 }], "{before:?} {meanwhile:?} {deletes}");
                let expected = if deletes { None } else { after };
                assert_eq!(outcome.as_deref(), expected);
                let stored = key.get().await.unwrap();
                assert_eq!(stored.as_deref(), if is_done { meanwhile } else { expected });
            }
        }
        // The remaining lifetime is kept, or replaced.
        key.set("1").ttl(Duration::from_secs(1000)).await.unwrap();
        key.update(|text| text.push('+')).await.unwrap();
        assert!((990..=1000).contains(&key.ttl().await.unwrap().remaining().unwrap().as_secs()));
        key.update(|text| text.push('+')).ttl(Duration::from_secs(500)).await.unwrap();
        assert!((490..=500).contains(&key.ttl().await.unwrap().remaining().unwrap().as_secs()));
    }

    async fn a_wrong_type_is_reported_as_such(redis: Redis) {
        let key = Keys::text(1);
        change(&key).await;
        let name = wire(&key);
        for deletes in [false, true] {
            key.set("1").await.unwrap();
            let outcome = key.update_with(|_| {
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(async {
                        raw::<()>(&redis, &["DEL", &name]).await;
                        raw::<()>(&redis, &["RPUSH", &name, "x"]).await;
                    });
                });
                if deletes { Change::Delete } else { Change::Set("2".to_owned()) }
            });
            let error = outcome.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
            assert_eq!((error.template(), error.key()), (Some("newer:text:{id}"), Some(TEXT)));
            raw::<()>(&redis, &["DEL", &name]).await;
        }
        let guard = job().lock().await.unwrap();
        raw::<()>(&redis, &["DEL", &wire(&job())]).await;
        raw::<()>(&redis, &["RPUSH", &wire(&job()), "x"]).await;
        assert_eq!(guard.release().await.unwrap_err().kind(), ErrorKind::WrongType);
        raw::<()>(&redis, &["DEL", &wire(&job())]).await;
    }
}

/// The server is asked once for each command, and then the script runs.
#[test]
fn a_server_that_lacks_the_commands_is_asked_once() {
    within(PATIENCE, async {
        let (server, redis, mut log) = embedded();
        without(&server, "DELEX");
        without(&server, "DELIFEQ");
        let key = job().on(&redis);
        for _ in 0..3 {
            take_and_release(&key).await;
        }
        let commands = log.take();
        assert_eq!((sent(&commands, "DELEX"), sent(&commands, "DELIFEQ")), (1, 1), "{commands:#?}");
        // The option of a command that it has.
        let text = Keys::text(1).on(&redis);
        text.set("1").await.unwrap();
        let _syntax = server.inject(Fault::error("ERR syntax error").on("SET").times(1));
        for _ in 0..3 {
            text.update(|text| text.push('+')).await.unwrap();
        }
        assert_eq!(text.get().await.unwrap().as_deref(), Some("1+++"));
        let commands = log.take();
        assert_eq!(commands.iter().filter(|command| command.contains("IFEQ")).count(), 1, "{commands:#?}");
        text.update_with(|_| Change::Delete).await.unwrap();
        assert_eq!(sent(&log.take(), "DELEX"), 0);
        assert!(!text.exists().await.unwrap());
    });
}

/// Keys with fills keep the script, which also ends the fills.
#[test]
fn updates_with_fills_are_scripts() {
    within(PATIENCE, async {
        let (_server, redis, mut log) = embedded();
        change(&FilledKeys::text(1).on(&redis)).await;
        let commands = log.take();
        assert_eq!((sent(&commands, "SET"), sent(&commands, "DELEX")), (0, 0), "{commands:#?}");
        change(&Keys::text(1).on(&redis)).await;
        let commands = log.take();
        assert_eq!((sent(&commands, "EVALSHA"), sent(&commands, "EVAL")), (0, 0), "{commands:#?}");
    });
}

/// A proxy may close the connection when it receives a command that it does not know.
#[test]
fn a_command_that_ends_the_connection_is_not_sent_again() {
    within(PATIENCE, async {
        let (server, redis, mut log) = embedded();
        for command in ["DELEX", "DELIFEQ"] {
            server.inject(Fault::close_before().on(command)).keep();
        }
        let key = job().on(&redis);
        for _ in 0..6 {
            // The outcome is unknown after a lost connection, and a background task releases.
            let guard = key.lock().await.unwrap();
            match guard.release().await {
                Ok(()) => {}
                Err(error) => assert!(error.is_connection_lost(), "{error}"),
            }
        }
        let commands = log.take();
        assert_eq!((sent(&commands, "DELEX"), sent(&commands, "DELIFEQ")), (1, 1), "{commands:#?}");
        take_and_release(&key).await;
    });
}

/// The server behind an address is replaced by one with other commands, and back.
#[test]
fn another_server_is_asked_again() {
    within(PATIENCE, async {
        let (newer, _, mut log) = embedded();
        let (older, ..) = embedded();
        without(&older, "DELEX");
        without(&older, "DELIFEQ");
        let (newer, older) = (newer.listen().await.unwrap(), older.listen().await.unwrap());
        let proxy = Proxy::start(newer.addr().unwrap());
        let url = format!("redis://127.0.0.1:{}", proxy.port());
        let redis = Redis::builder().url(&url).unwrap().shared_connections(1).build().unwrap();
        let key = job().on(&redis);
        take_and_release(&key).await;
        take_and_release(&key).await;
        assert_eq!(sent(&log.take(), "DELEX"), 2);
        for upstream in [older.addr().unwrap(), newer.addr().unwrap()] {
            proxy.redirect(upstream);
            proxy.cut_all();
            eventually("the connection works again", async || redis.ping().await.is_ok()).await;
            take_and_release(&key).await;
            take_and_release(&key).await;
        }
        assert_eq!(sent(&log.take(), "DELEX"), 2);
    });
}

/// A server may lose a command without a new connection, for example behind a proxy.
#[test]
fn a_command_that_is_rejected_later_is_forgotten() {
    within(PATIENCE, async {
        let (server, redis, mut log) = embedded();
        let (key, text) = (job().on(&redis), Keys::text(1).on(&redis));
        take_and_release(&key).await;
        change(&text).await;
        log.take();
        without(&server, "DELEX");
        without(&server, "DELIFEQ");
        text.set("1").await.unwrap();
        let _syntax = server.inject(Fault::error("ERR syntax error").on("SET").times(1));
        assert_eq!(text.update(|text| text.push('+')).await.unwrap().as_deref(), Some("1+"));
        for _ in 0..2 {
            take_and_release(&key).await;
            text.update_with(|_| Change::Delete).await.unwrap();
        }
        let commands = log.take();
        assert_eq!(sent(&commands, "DELEX"), 1, "{commands:#?}");
        assert!(sent(&commands, "EVALSHA") + sent(&commands, "EVAL") > 2 + 2, "{commands:#?}");
    });
}

/// The rules of the catalog leave out commands that older servers do not know.
#[test]
fn users_without_the_commands_run_the_scripts() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let abilities = ServerAbilities::of_real(&server).await;
        let plain = CATALOG.acl_rules();
        let rules = match abilities.delete_if_equal {
            Some("DELEX") => plain.clone().redis_version(8, 4),
            Some(_) => plain.clone().valkey_version(9, 0),
            None => plain.clone(),
        };
        let mut log = CommandLog::of_real(&server);
        for (rules, command) in [(plain, None), (rules, abilities.delete_if_equal)] {
            let rules = rules.to_string();
            let mut user = vec!["ACL", "SETUSER", "app", "reset", "on", ">pass"];
            user.extend(rules.split(' '));
            assert_eq!(server.redis_cli(&user), "OK");
            let builder = Redis::builder().host("127.0.0.1").port(server.port());
            let redis = builder.username("app").password("pass").shared_connections(1).build().unwrap();
            log.take();
            for _ in 0..3 {
                take_and_release(&job().on(&redis)).await;
                change(&Keys::text(1).on(&redis)).await;
            }
            let commands = log.take();
            for name in ["DELEX", "DELIFEQ"] {
                let expected = if command == Some(name) { 6 } else { 0 };
                assert_eq!(sent(&commands, name), expected, "{commands:#?}");
            }
        }
    });
}

fn assert_missing(error: &Error, command: &str, servers: &str) {
    assert_eq!(error.kind(), ErrorKind::MissingCommand, "{error}");
    assert_eq!(error.code(), Some("ERR"));
    assert_eq!((error.template(), error.key()), (Some("newer:text:{id}"), Some(TEXT)));
    let (text, part) = (
        error.to_string(),
        format!("{command} needs {servers}; this server (redis 7.0.15) has no {command}"),
    );
    assert!(text.contains(&part), "{part} in {text}");
}

/// An operation without a fallback fails with the versions of the servers that have its command.
#[test]
fn a_missing_command_is_named_with_the_servers_that_have_it() {
    within(PATIENCE, async {
        let (server, redis, _log) = embedded();
        let key = Keys::text(1).on(&redis);
        let unknown = |name: &str| {
            let said = format!("ERR unknown command '{name}', with args beginning with: 'newer:text:1' ");
            server.inject(Fault::error(said).on(name))
        };
        let _get_del = unknown("GETDEL");
        assert_missing(&key.get_del().await.unwrap_err(), "GETDEL", "Redis 6.2 or Valkey 7.2");
        let _get_ex = unknown("GETEX");
        assert_missing(&key.get_ex().await.unwrap_err(), "GETEX", "Redis 6.2 or Valkey 7.2");
        let (deleted, set) =
            redis.batch((Keys::text(1).get_del(), Keys::text(1).set("1"))).each().await.unwrap();
        assert_missing(&deleted.unwrap_err(), "GETDEL", "Redis 6.2 or Valkey 7.2");
        set.unwrap();
        let syntax = |command| server.inject(Fault::error("ERR syntax error").on(command).times(1));
        let _first = syntax("SET");
        assert_missing(&key.get_set("1").await.unwrap_err(), "SET .. GET", "Redis 6.2 or Valkey 7.2");
        let _second = syntax("SET");
        // A command that every server has.
        assert_eq!(key.set("1").await.unwrap_err().kind(), ErrorKind::Server);
        // A command in a script that the library adds.
        let _third = syntax("EVAL");
        let filled = FilledKeys::text(1).on(&redis);
        let error = filled.set("1").only_if_present().returning_old().await.unwrap_err();
        assert!(error.to_string().contains("SET .. GET needs Redis 6.2"), "{error}");
    });
}

/// A full server rejects `SET`, even if the value has the same size. The script needs no memory.
#[test]
fn a_lock_is_renewed_on_a_full_server() {
    #[derive(Keyspace)]
    #[keyspace(prefix = "newer-brief", ttl = "3s")]
    struct BriefKeys {
        lock: Lock,
    }
    within(PATIENCE, async {
        let (server, redis, _) = embedded();
        redis
            .scope(async {
                let guard = BriefKeys::lock().lock().await.unwrap();
                let said = "OOM command not allowed when used memory > 'maxmemory'.";
                let full = server.inject(Fault::error(said).on("SET"));
                let left = async || match BriefKeys::lock().ttl().await.unwrap() {
                    Ttl::Remaining(left) => i64::try_from(left.as_millis()).unwrap(),
                    _ => -1,
                };
                eventually_rises("the lock is renewed", left).await;
                assert!(full.hits() > 0 && !guard.is_lost());
                drop(full);
                guard.release().await.unwrap();
            })
            .await;
    });
}
