//! The native scripts of records do the same as the Lua versions with fields that have lifetimes.
//! Not every server has them.

use std::collections::BTreeSet;

use redis_keyspace::{Key, Keyspace, Record, Redis};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::resp::{Client, Reply};
use redis_keyspace_tests::{RealServer, require_command};

use crate::native_scripts::{Run, Words, call_all, logged, record, start_servers, words};

#[derive(Default, Record)]
struct Session {
    name: Option<String>,
    #[record(ttl = "1h", alias = "c", default)]
    code: u8,
    #[record(ttl = "1h")]
    token: Option<String>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "native-lifetimes", ttl = "1h")]
struct Keys {
    #[key("session:{id}")]
    session: fn(id: u32) -> Record<Session>,
    #[key("renewed:{id}", renew = "write")]
    renewed: fn(id: u32) -> Record<Session>,
    #[key("forever:{id}", ttl = none)]
    forever: fn(id: u32) -> Record<Session>,
    #[key("filled:{id}", fills = true, stale_for = "1h")]
    filled: fn(id: u32) -> Record<Session>,
}

async fn use_record(session: &Key<Keys, Record<Session>>) {
    let token = || Some("secret".to_owned());
    assert_eq!(session.incr(Session::CODE, 7).only_if_present().await.unwrap(), None);
    assert_eq!(session.incr(Session::CODE, 7).await.unwrap(), 7);
    session.save(&Session { name: None, code: 1, token: token() }).await.unwrap();
    session.update(|session| session.token = None).await.unwrap();
    session.update(|session| session.token = Some("other".to_owned())).await.unwrap();
    session.update(|session| session.code += 1).await.unwrap();
}

async fn use_records(redis: Redis) {
    for session in [Keys::session(1), Keys::renewed(1), Keys::forever(1), Keys::filled(1)] {
        use_record(&session.on(&redis)).await;
    }
    let filled = Keys::filled(1).on(&redis);
    for _ in 0..2 {
        let load = || async { Session { name: None, code: 7, token: Some("loaded".to_owned()) } };
        filled.get_or_set(load).refresh().await.unwrap();
    }
}

/// What happened before a script. `K` is its key.
const STATES: &[&[&str]] = &[
    &[],
    &["HSET K code 5 token t"],
    &["HSET K code 5 token t", "HPEXPIRE K 1800000 FIELDS 2 code token"],
    &["HSET K c 5"],
    &["HSET K c 5 name n", "HPEXPIRE K 1800000 FIELDS 1 c"],
    &["HSET K c 250", "HPEXPIRE K 1800000 FIELDS 1 c", "PEXPIRE K 1800000"],
    &["HSET K code 250 c 3", "HPEXPIRE K 1800000 FIELDS 2 c code"],
    &["HSET K code 250"],
    &["HSET K code x", "HPEXPIRE K 1800000 FIELDS 1 code"],
    &["HSET K c x", "HPEXPIRE K 1800000 FIELDS 1 c"],
    &["SET K v"],
];

/// Returns the fields of the keys, and their lifetimes.
fn fields(client: &mut Client, keys: &[Vec<u8>]) -> Vec<Reply> {
    let mut all = Vec::new();
    for key in keys {
        all.push(client.call(&words(&[b"TYPE", key])).unwrap());
        let Reply::Array(fields) = client.call(&words(&[b"HGETALL", key])).unwrap() else { continue };
        let fields: BTreeSet<(String, String)> =
            fields.chunks(2).map(|pair| (pair[0].to_string(), pair[1].to_string())).collect();
        for (name, value) in fields {
            let left =
                client.call(&["HPTTL", &key.escape_ascii().to_string(), "FIELDS", "1", &name]).unwrap();
            all.extend([Reply::Bytes(name.into()), Reply::Bytes(value.into()), left]);
        }
    }
    all
}

/// Sorts the fields that a script returns. Redis 7.4 orders those of a small hash by their
/// lifetimes.
fn in_order(mut replies: Reply) -> Reply {
    if let Reply::Array(replies) = &mut replies
        && let Some(Reply::Array(parts)) = replies.first_mut()
        && let [Reply::Integer(0), Reply::Array(fields)] = parts.as_mut_slice()
    {
        let mut pairs: Vec<Vec<Reply>> = fields.chunks(2).map(<[Reply]>::to_vec).collect();
        pairs.sort_by_key(|pair| pair.first().map(ToString::to_string));
        *fields = pairs.concat();
    }
    replies
}

#[test]
fn scripts_of_records_match_their_lua() {
    let real = RealServer::start();
    if !require_command(&real, "HPEXPIRE") {
        return;
    }
    let recording = Server::builder().log_commands(100_000).build();
    record(&recording, use_records);
    let runs: Vec<Run> = logged(&recording, &mut real.client());
    for part in ["HPTTL", "'HPEXPIRE'"] {
        let has = |run: &Run| run.script.windows(part.len()).any(|text| text == part.as_bytes());
        assert!(runs.iter().any(has), "{part}");
    }
    assert!(runs.iter().any(|run| run.arguments.iter().any(|word| word == b"HPEXPIRE")));
    let (_embedded, mut servers) = start_servers(real);
    servers.normalized = in_order;
    let after_runs = runs.iter().map(|first| vec![first.command()]);
    let mut states: Vec<Vec<Words>> = after_runs.collect();
    for run in &runs {
        let spell = |line: &&str| -> Words {
            line.split(' ')
                .map(|word| if word == "K" { run.keys[0].clone() } else { word.as_bytes().to_vec() })
                .collect()
        };
        let own: Vec<Vec<Words>> = STATES.iter().map(|state| state.iter().map(spell).collect()).collect();
        let kept = states.len();
        states.extend(own);
        for state in &states {
            let after = || {
                let spelled = |command: &Words| command.join(&b' ').escape_ascii().to_string();
                format!("{:?}", state.iter().map(spelled).collect::<Vec<_>>())
            };
            servers.compare_after(
                |client| drop(call_all(client, state)),
                after,
                run,
                |client| fields(client, &run.keys),
            );
        }
        states.truncate(kept);
    }
    assert!(servers.cases > 100, "{}", servers.cases);
    servers.finish();
}
