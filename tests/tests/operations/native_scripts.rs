//! The embedded server runs native versions of the library's scripts. They do the same as the Lua
//! versions, whatever other programs have written to the keys.
//!
//! The test records the scripts and their calls from the library. Then it runs each on both
//! servers, in sequence and on keys that were changed in one place.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis_keyspace::command::ListEnd;
use redis_keyspace::config::LoginMode;
use redis_keyspace::rate_limit::{FixedWindow, Rate};
use redis_keyspace::stream::{ReadFrom, StreamId};
use redis_keyspace::update::Change;
use redis_keyspace::worker::WorkerEvent;
use redis_keyspace::{
    Bitmap, Counter, Group, Hash, Key, Keyspace, List, Lock, Once, RateLimit, Record, Redis, Set, SortedSet,
    Stream, Text,
};
use redis_keyspace_embedded::{Fault, Listener, Server};
use redis_keyspace_tests::RealServer;
use redis_keyspace_tests::resp::{Client, Reply};
use tokio::runtime::Runtime;

use crate::alike::Comparison;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR_MS: i64 = 3_600_000;

#[derive(Default, Record)]
struct Profile {
    name: Option<String>,
    #[record(alias = "n", default)]
    visits: u8,
}

#[derive(Keyspace)]
#[keyspace(prefix = "natives", ttl = "1h")]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    #[key("text:{id}", stale_for = "1h", negative_ttl = "1h")]
    text: fn(id: u32) -> Text,
    #[key("plain:{id}")]
    plain: fn(id: u32) -> Text,
    #[key("lock:{id}", ttl = "1m")]
    lock: fn(id: u32) -> Lock,
    #[key("limit:{id}")]
    limit: fn(id: u32) -> RateLimit,
    #[key("window:{id}")]
    window: fn(id: u32) -> RateLimit<FixedWindow>,
    #[key("group:{id}")]
    group: fn(id: u32) -> Group,
    #[key("once:{id}")]
    once: fn(id: u32) -> Once<Text>,
    #[key("count:{id}")]
    count: fn(id: u32) -> Counter,
    #[key("list:{id}")]
    list: fn(id: u32) -> List<Text>,
    #[key("set:{id}", renew = "write")]
    set: fn(id: u32) -> Set<Text>,
    #[key("ranks:{id}")]
    ranks: fn(id: u32) -> SortedSet<Text>,
    #[key("forever:{id}", ttl = none)]
    forever: fn(id: u32) -> SortedSet<Text>,
    #[key("hash:{id}")]
    hash: fn(id: u32) -> Hash<Text, i64>,
    #[key("bits:{id}")]
    bits: fn(id: u32) -> Bitmap,
    #[key("record:{id}")]
    record: fn(id: u32) -> Record<Profile>,
    #[key("jobs:{id}")]
    jobs: fn(id: u32) -> Stream<Text>,
    #[key("filled_set:{id}", fills = true, stale_for = "1h", negative_ttl = "1h")]
    filled_set: fn(id: u32) -> Set<Text>,
    #[key("filled_list:{id}", fills = true)]
    filled_list: fn(id: u32) -> List<Text>,
    #[key("filled_ranks:{id}", fills = true)]
    filled_ranks: fn(id: u32) -> SortedSet<Text>,
    #[key("filled_hash:{id}", fills = true)]
    filled_hash: fn(id: u32) -> Hash<Text, Text>,
    #[key("filled_record:{id}", fills = true)]
    filled_record: fn(id: u32) -> Record<Profile>,
    #[key("dead:{id}", trim = "~10")]
    dead: fn(id: u32) -> Stream<Text>,
}

/// A command in words.
pub(crate) type Words = Vec<Vec<u8>>;

/// One call of a script, as the library sends it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) script: Vec<u8>,
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) arguments: Vec<Vec<u8>>,
}

impl Run {
    pub(crate) fn command(&self) -> Words {
        let head = [b"EVAL".to_vec(), self.script.clone(), self.keys.len().to_string().into_bytes()];
        head.into_iter().chain(self.keys.iter().chain(&self.arguments).cloned()).collect()
    }

    /// The kind of the call. Two calls of the same kind differ only in keys, tokens and times.
    fn kind(&self) -> (Vec<u8>, Vec<Vec<u8>>, usize) {
        let is_kind = |word: &&Vec<u8>| word.len() < 2 || word.iter().all(u8::is_ascii_alphabetic);
        (self.script.clone(), self.arguments.iter().filter(is_kind).cloned().collect(), self.keys.len())
    }
}

/// Uses all operations that run scripts.
async fn use_scripts(redis: &Redis) {
    let load = || async { "value".to_owned() };
    let expire = async |key: &Key<Keys, Text>| key.del().await.unwrap();
    for key in [Keys::text(1), Keys::plain(1)] {
        let key = key.on(redis);
        key.get_or_set(load).await.unwrap();
        key.get_or_set(load).refresh().await.unwrap();
        expire(&key).await;
        key.get_or_set(load).across_processes().await.unwrap();
        expire(&key).await;
        // The clock is paused, so the lease is renewed many times.
        let slow = || async {
            tokio::time::sleep(MINUTE).await;
            "value".to_owned()
        };
        key.get_or_set(slow).across_processes().timeout(10 * MINUTE).await.unwrap();
        expire(&key).await;
        key.try_get_or_set(|| async { Err("no database") }).await.unwrap_err();
        key.get_or_set_optional(|| async { None }).await.unwrap();
        expire(&key).await;
        key.update_with(|_| Change::Set("new".to_owned())).await.unwrap();
        key.update_with(|_| Change::Delete).await.unwrap();
        assert!(key.set("value").only_if_absent().await.unwrap());
        assert!(key.set("value").only_if_present().await.unwrap());
        key.set("value").only_if_absent().returning_old().await.unwrap();
        expire(&key).await;
    }
    let lock = Keys::lock(1).on(redis);
    let guard = lock.try_lock().await.unwrap().expect("it is free");
    assert!(lock.try_lock().await.unwrap().is_none());
    tokio::time::sleep(10 * MINUTE).await;
    guard.release().await.unwrap();
    let limit = Keys::limit(1).on(redis);
    let _ = limit.check(Rate::per_hour(7).burst(3)).await.unwrap();
    let _ = limit.peek(Rate::per_hour(7).burst(3)).await.unwrap();
    let windows = Keys::window(1).on(redis);
    let _ = windows.check(Rate::per_hour(7)).await.unwrap();
    let _ = windows.peek(Rate::per_hour(7)).await.unwrap();
    let _ = Keys::group(1).on(redis).member(&Keys::text(1)).await.unwrap();
    Keys::once(1).on(redis).run(|| async { "value".to_owned() }).await.unwrap();
    Keys::list(1).on(redis).rpush("value").await.unwrap();
    Keys::set(1).on(redis).sadd("value").await.unwrap();
    Keys::hash(1).on(redis).hincr_by("value", 7).await.unwrap();
    let writes = (
        Keys::list(1).rpush("value"),
        Keys::set(1).sadd("value"),
        Keys::list(1).lpush("other").ttl(MINUTE),
        Keys::ranks(1).zadd("value", 1.5),
    );
    redis.batch(writes).await.unwrap();
    let (bits, others) = (Keys::bits(1).on(redis), [2, 3].map(|id| Keys::bits(id).on(redis)));
    bits.set_bit(7, true).await.unwrap();
    Key::bit_or(others).store(&bits).await.unwrap();
    for ids in [[3, 4], [4, 5]] {
        let _ =
            Key::set_many(ids.map(|id| (Keys::text(id).on(redis), "v"))).only_if_all_absent().await.unwrap();
    }
    let ranks = [1, 2, 3].map(|id| Keys::ranks(id).on(redis));
    ranks[0].zadd_many([("a", 1.0), ("b", 2.0), ("c", 3.0)]).await.unwrap();
    ranks[0].zaround("b", 1).await.unwrap().expect("it is there");
    ranks[0].zaround("c", 5).rev().await.unwrap().expect("it is there");
    Key::zunion([ranks[0].clone(), ranks[1].clone()]).store(&ranks[2]).await.unwrap();
    ranks[0].zrange(..2).store(&ranks[2]).await.unwrap();
    let [one, two] = [1, 2].map(|id| Keys::list(id).on(redis));
    one.lmove(ListEnd::Left, &two, ListEnd::Right).await.unwrap();
    Keys::set(1).on(redis).smove(&Keys::set(2).on(redis), "value").await.unwrap();
    let record = Keys::record(1).on(redis);
    assert_eq!(record.incr(Profile::VISITS, 7).only_if_present().await.unwrap(), None);
    assert_eq!(record.incr(Profile::VISITS, 7).await.unwrap(), 7);
    record.incr(Profile::VISITS, -8).await.unwrap_err();
    record.save(&Profile { name: None, visits: 1 }).await.unwrap();
    record.update(|record| record.name = Some("value".to_owned())).await.unwrap();
    record.update(|record| record.name = None).await.unwrap();
    record.update_with(|_| Change::Delete).await.unwrap();
    fill_collections(redis).await;
    let jobs = Keys::jobs(1).on(redis);
    jobs.group("workers").create(ReadFrom::Start).await.unwrap();
    // Not an ID of the server, which would be another one at each run.
    jobs.xadd("value").id(StreamId::new(1, 1)).await.unwrap();
    Keys::dead(2).on(redis).xadd("value").await.unwrap();
    use_a_worker(&jobs).await;
}

/// Loads whole collections, which do not exist at first, and replaces them.
async fn fill_collections(redis: &Redis) {
    let set = Keys::filled_set(1).on(redis);
    let members = || async { HashSet::from(["value".to_owned()]) };
    set.get_or_set(members).await.unwrap();
    set.get_or_set(members).refresh().await.unwrap();
    set.get_or_set(|| async { HashSet::new() }).refresh().await.unwrap();
    let list = Keys::filled_list(1).on(redis);
    let ranks = Keys::filled_ranks(1).on(redis);
    let record = Keys::filled_record(1).on(redis);
    for _ in 0..2 {
        list.get_or_set(|| async { vec!["value".to_owned()] }).refresh().await.unwrap();
        ranks.get_or_set(|| async { vec![("value".to_owned(), 7.0)] }).refresh().await.unwrap();
        let loaded = || async { Profile { name: Some("value".to_owned()), visits: 7 } };
        record.get_or_set(loaded).refresh().await.unwrap();
    }
    record.update(|record| record.visits = 8).await.unwrap();
    let hash = Keys::filled_hash(1).on(redis);
    let load = |names: Vec<String>| async { names.into_iter().map(|name| (name, "value".to_owned())) };
    for names in [["one", "two"], ["two", "three"]] {
        hash.hget_or_set_many(names.map(str::to_owned), load).await.unwrap();
    }
    // A value that can't be decoded is replaced.
    hash.raw("HSET").arg("one").arg(b"\xff").writes().query::<i64>().await.unwrap();
    hash.hget_or_set_many(["one".to_owned()], load).await.unwrap();
}

/// Runs a job until it is a dead letter. It takes long, so that it is renewed.
async fn use_a_worker(jobs: &Key<Keys, Stream<Text>>) {
    let (stop, mut stopped) = tokio::sync::watch::channel(());
    let stop = std::sync::Mutex::new(Some(stop));
    let worker = jobs.group("workers").worker("worker").retries(1).dead_letter(&Keys::dead(1)).trim_done();
    let worker = worker.on_event(move |event| {
        if let WorkerEvent::Dead { .. } = event {
            drop(stop.lock().unwrap().take());
        }
    });
    let worker = worker.until(async move { drop(stopped.changed().await) });
    let fails = |_| async {
        tokio::time::sleep(10 * MINUTE).await;
        Err("no")
    };
    assert_eq!(worker.run(fails).await.unwrap().dead, 1);
}

/// Uses transactions on a server that rejects MULTI.
async fn use_transactions(redis: &Redis) {
    let commands = (
        Keys::count(1).incr(),
        Keys::text(1).set("value").only_if_absent(),
        Keys::text(1).set("other").only_if_absent().returning_old(),
        Keys::text(1).set("last").only_if_present(),
        Keys::plain(1).get(),
        Keys::list(1).rpush("value"),
        Keys::set(1).sadd("value"),
        Keys::list(1).lmove(ListEnd::Left, &Keys::list(2), ListEnd::Right),
        Keys::set(1).smove(&Keys::set(2), "value"),
        Keys::ranks(1).zrange(..2).store(&Keys::ranks(2)),
        Key::zunion([1, 2].map(Keys::ranks)).store(&Keys::ranks(3)),
        Key::zunion([1, 2].map(Keys::ranks)).store(&Keys::forever(3)),
        (Keys::bits(1).set_bit(7, true), Keys::bits(1).bit_not().store(&Keys::bits(2))),
    );
    redis.transaction(commands).await.unwrap();
}

/// Records the calls that the library sends: one of each kind, and some that differ in an option.
fn recorded(real: &mut Client) -> Vec<Run> {
    let server = Server::builder().log_commands(100_000).build();
    record(&server, async |redis| use_scripts(&redis).await);
    let _rejecting = server.inject(Fault::error("NOPERM no permission to run MULTI").on("MULTI"));
    let redis = Redis::builder().embedded(server.clone()).client_name("without-multi").build().unwrap();
    paused().block_on(use_transactions(&redis));
    logged(&server, real)
}

fn paused() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// Runs operations on a server that logs its commands.
pub(crate) fn record(server: &Server, operations: impl AsyncFnOnce(Redis)) {
    // With a plain login, no command replaces a script.
    let redis = Redis::builder().embedded(server.clone()).login(LoginMode::Plain).build().unwrap();
    paused().block_on(redis.scope(operations(redis.clone())));
}

/// Returns the calls of scripts in the log of a server. `real` is a server that knows the digests
/// of scripts.
pub(crate) fn logged(server: &Server, real: &mut Client) -> Vec<Run> {
    let log = server.command_log();
    let mut texts = BTreeMap::new();
    for logged in &log {
        if let [name, text, ..] = logged.arguments.as_slice()
            && name == "EVAL"
        {
            let digest = real.call(&[b"SCRIPT", &b"LOAD"[..], text]).unwrap();
            texts.insert(digest.to_string(), text.to_vec());
        }
    }
    let mut runs = BTreeMap::new();
    for logged in &log {
        let [name, script, count, rest @ ..] = logged.arguments.as_slice() else { continue };
        let script = match &name[..] {
            b"EVAL" => script.to_vec(),
            b"EVALSHA" => texts[std::str::from_utf8(script).unwrap()].clone(),
            _ => continue,
        };
        let count: usize = std::str::from_utf8(count).unwrap().parse().unwrap();
        if count == 0 {
            // A login, which checks whether scripts are permitted.
            continue;
        }
        let (keys, arguments) = rest.split_at(count);
        let owned = |words: &[redis_keyspace::bytes::Bytes]| words.iter().map(|word| word.to_vec()).collect();
        let run = Run { script, keys: owned(keys), arguments: owned(arguments) };
        for variant in variants(&run) {
            runs.entry(variant.kind()).or_insert(variant);
        }
    }
    runs.into_values().collect()
}

/// Returns the call and its variants: with other modes of leases, or for another purpose.
fn variants(run: &Run) -> Vec<Run> {
    const MODES: [&[u8]; 5] = [b"share", b"wait", b"work", b"try", b"force"];
    let mut variants = vec![run.clone()];
    if let [operation, token] = run.arguments.as_slice()
        && operation == b"release"
    {
        variants.push(Run { arguments: vec![b"peek".to_vec(), token.clone()], ..run.clone() });
    }
    let mode = run.arguments.iter().position(|word| MODES.contains(&word.as_slice()));
    if let Some(place) = mode.filter(|_| run.keys.len() == 3) {
        for mode in MODES {
            for looks in [&b"0"[..], b"1"] {
                let mut arguments = run.arguments.clone();
                arguments[place] = mode.to_vec();
                if let Some(last) = arguments.get_mut(place + 1) {
                    *last = looks.to_vec();
                }
                variants.push(Run { arguments, ..run.clone() });
            }
        }
    }
    variants
}

/// One change of a key by another program. `%` stands for the wall time in an hour, `&` for an hour
/// ago.
#[derive(Clone, Debug)]
enum Foreign {
    Nothing,
    Delete,
    Write(&'static [&'static str]),
    Text(&'static str),
    Field(Vec<u8>, &'static str),
    NoField(Vec<u8>),
}

const TYPES: [&[&str]; 4] =
    [&["RPUSH", "a", "b"], &["SADD", "a"], &["HSET", "foreign", "1"], &["ZADD", "1", "a"]];
/// Valid and invalid numbers, for fields and for whole values.
const NUMBERS: &[&str] = &[
    "",
    "abc",
    "0",
    "-1",
    "1.5",
    " 5 ",
    "0x10",
    "1e3",
    "nan",
    "nan(1)",
    "inf",
    "0x1p99999999999",
    "0x1p-99999999999",
    MANY_DIGITS,
    "99999999999999999999",
    "007",
    "-0",
    "+1",
    "5\0x",
    "%",
    "&",
];
/// One fifteenth.
const MANY_DIGITS: &str = "0x.\
    1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111\
    1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111\
    1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111";
/// States of rate limits, and similar strings.
const MOMENTS: &[&str] = &[
    "1+2/3",
    "%000+0/7",
    "&000+3/7",
    "99999999999999999999+1/7",
    "18446744073709551615+6/9",
    "%000+99/7",
    "9007199254740993",
    "v2:x",
    "v10:",
    "v:x",
];

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn spell(text: &str) -> Vec<u8> {
    let (later, before) = (now_ms() + HOUR_MS, now_ms() - HOUR_MS);
    text.replace('%', &later.to_string()).replace('&', &before.to_string()).into_bytes()
}

impl Foreign {
    fn commands(&self, key: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let command = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect::<Vec<_>>();
        match self {
            Self::Nothing => Vec::new(),
            Self::Delete => vec![command(&[b"DEL", key])],
            Self::Write(words) => {
                let mut write: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
                write.insert(1, key);
                vec![command(&[b"DEL", key]), command(&write)]
            }
            Self::Text(text) => vec![command(&[b"SET", key, &spell(text)])],
            Self::Field(field, text) => vec![command(&[b"HSET", key, field, &spell(text)])],
            Self::NoField(field) => vec![command(&[b"HDEL", key, field])],
        }
    }
}

pub(crate) fn call_all(client: &mut Client, commands: &[Words]) -> Vec<Reply> {
    for command in commands {
        client.send(command).unwrap();
    }
    commands.iter().map(|_| client.receive().unwrap()).collect()
}

pub(crate) fn words(command: &[&[u8]]) -> Words {
    command.iter().map(|word| word.to_vec()).collect()
}

/// Returns the type and content of each key.
fn content(client: &mut Client, keys: &[Vec<u8>]) -> Vec<Reply> {
    let commands: Vec<_> = keys
        .iter()
        .flat_map(|key| {
            [
                words(&[b"TYPE", key]),
                words(&[b"GET", key]),
                words(&[b"HGETALL", key]),
                words(&[b"LRANGE", key, b"0", b"-1"]),
                words(&[b"SCARD", key]),
                words(&[b"ZRANGE", key, b"0", b"-1"]),
                words(&[b"XRANGE", key, b"-", b"+"]),
            ]
        })
        .collect();
    let replies = call_all(client, &commands);
    replies
        .into_iter()
        .map(|reply| match reply {
            // The key has another type.
            Reply::Error(_) => Reply::Nil,
            Reply::Array(items) => {
                let mut pairs: Vec<_> = items.chunks(2).map(<[Reply]>::to_vec).collect();
                pairs.sort_by_key(|pair| format!("{pair:?}"));
                Reply::Array(pairs.concat())
            }
            other => other,
        })
        .collect()
}

/// Sets every expiry to one hour from now, so that nothing expires during the test.
fn freshen(client: &mut Client, keys: &[Vec<u8>]) {
    let later = spell("%");
    for key in keys {
        let Reply::Integer(left) = client.call(&[b"PTTL".to_vec(), key.clone()]).unwrap() else {
            panic!("PTTL")
        };
        if left > 0 {
            client.call(&words(&[b"PEXPIRE", key, HOUR_MS.to_string().as_bytes()])).unwrap();
        }
        let Reply::Array(fields) = client.call(&words(&[b"HGETALL", key])).unwrap() else { continue };
        for pair in fields.chunks(2) {
            if let [Reply::Bytes(field), Reply::Bytes(value)] = pair
                && value.len() == later.len()
                && value.iter().all(u8::is_ascii_digit)
            {
                client.call(&words(&[b"HSET", key, field, &later])).unwrap();
            }
        }
    }
}

/// The content of a server after a script, and its time then.
struct Seen {
    replies: Reply,
    now: Duration,
}

/// Splits the reply to EXEC into the replies of the script and the reply to TIME at its end.
fn with_time(reply: Reply) -> Seen {
    let Reply::Array(mut replies) = reply else { panic!("EXEC replied {reply}") };
    let Some(Reply::Array(parts)) = replies.pop() else { panic!("TIME is the last command") };
    let number = |part: &Reply| part.to_string().parse::<u64>().unwrap();
    let [seconds, micros] = parts.as_slice() else { panic!("TIME replies two numbers") };
    let now = Duration::from_secs(number(seconds)) + Duration::from_micros(number(micros));
    Seen { replies: Reply::Array(replies), now }
}

pub(crate) fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Bytes(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Reply::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// The two servers, and the differences between them.
pub(crate) struct Servers {
    pub(crate) clients: [Client; 2],
    pub(crate) cases: usize,
    pub(crate) differences: Vec<String>,
    /// Changes the replies before they are compared.
    pub(crate) normalized: fn(Reply) -> Reply,
    _running: (Listener, RealServer),
}

impl Servers {
    /// Runs one script after another one, with a change between them.
    fn compare(&mut self, first: Option<&Run>, key: usize, foreign: &Foreign, run: &Run) {
        let change = foreign.commands(&run.keys[key]); // once: it may contain the time
        let prepare = |client: &mut Client| {
            if let Some(first) = first {
                client.call(&first.command()).unwrap();
                freshen(client, &run.keys);
            }
            call_all(client, &change);
        };
        let after = || {
            let first = first.map(spelled);
            format!("{first:?} and {foreign:?} at key {key}")
        };
        self.compare_after(prepare, after, run, |client| content(client, &run.keys));
    }

    /// Runs a script on a prepared server. Compares its reply, the lifetimes of its keys, and what
    /// `content` reads.
    pub(crate) fn compare_after(
        &mut self,
        prepare: impl Fn(&mut Client),
        after: impl Fn() -> String,
        run: &Run,
        content: impl Fn(&mut Client) -> Vec<Reply>,
    ) {
        let mut seen = Vec::new();
        let started = Instant::now();
        for client in &mut self.clients {
            client.call(&["FLUSHALL"]).unwrap();
            prepare(client);
            // In one transaction, so no time passes between the script and the check of lifetimes.
            let mut commands = vec![words(&[b"MULTI"]), run.command()];
            commands.extend(run.keys.iter().map(|key| words(&[b"PTTL", key])));
            commands.extend([words(&[b"TIME"]), words(&[b"EXEC"])]);
            let Seen { replies, now } =
                with_time(call_all(client, &commands).pop().expect("the reply to EXEC"));
            let mut all = vec![(self.normalized)(replies)];
            all.extend(content(client));
            seen.push(Seen { replies: Reply::Array(all), now });
        }
        self.cases += 1;
        let [ours, theirs] = <[Seen; 2]>::try_from(seen).ok().expect("two servers");
        let tolerance = Duration::from_secs(2) + started.elapsed();
        let comparison = Comparison { now: [ours.now, theirs.now], tolerance };
        if !comparison.alike(&ours.replies, &theirs.replies) {
            self.differences.push(format!(
                "{} after {} of {:?}\n  native {}\n  Lua    {}",
                spelled(run),
                after(),
                run.keys.iter().map(|key| key.escape_ascii().to_string()).collect::<Vec<_>>(),
                shown(&ours.replies),
                shown(&theirs.replies),
            ));
        }
    }

    /// Panics if there are differences.
    pub(crate) fn finish(self) {
        let Self { cases, differences, .. } = self;
        let shown = differences.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
        assert!(differences.is_empty(), "{} of {cases} differ:\n{shown}", differences.len());
    }

    /// Returns the names of the fields that a call leaves in hashes, with the index of the key.
    fn fields_after(&mut self, run: &Run) -> Vec<(usize, Vec<u8>)> {
        let client = &mut self.clients[1];
        client.call(&["FLUSHALL"]).unwrap();
        client.call(&run.command()).unwrap();
        let mut found = Vec::new();
        for (place, key) in run.keys.iter().enumerate() {
            if let Reply::Array(fields) = client.call(&words(&[b"HGETALL", key])).unwrap() {
                found.extend(fields.chunks(2).filter_map(|pair| match pair {
                    [Reply::Bytes(field), _] => Some((place, field.clone())),
                    _ => None,
                }));
            }
        }
        found
    }
}

fn spelled(run: &Run) -> String {
    let words = run.arguments.iter().map(|word| word.escape_ascii().to_string());
    words.collect::<Vec<_>>().join(" ")
}

/// Starts a server of each kind that runs the scripts.
pub(crate) fn start_servers(real: RealServer) -> (Server, Servers) {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    });
    let theirs = Client::unix(&real.socket()).unwrap();
    // Not the server of the recording, because its clock is paused.
    let embedded = Server::new();
    drop(Redis::with_embedded_server(embedded.clone()));
    let listener = RUNTIME.block_on(embedded.listen()).unwrap();
    let ours = Client::tcp(listener.addr().expect("a TCP address")).unwrap();
    let servers = Servers {
        clients: [ours, theirs],
        cases: 0,
        differences: Vec::new(),
        normalized: |reply| reply,
        _running: (listener, real),
    };
    (embedded, servers)
}

/// Starts the servers, and returns the calls that the library sent, too.
pub(crate) fn start() -> (Vec<Run>, Servers) {
    let (embedded, mut servers) = start_servers(RealServer::start());
    let theirs = &mut servers.clients[1];
    let runs = recorded(theirs);
    let scripts: BTreeSet<_> = runs.iter().map(|run| &run.script).collect();
    let digest = |script: &&Vec<u8>| theirs.call(&[b"SCRIPT", &b"LOAD"[..], script]).unwrap().to_string();
    let mut digests: Vec<_> = scripts.iter().map(digest).collect();
    digests.sort();
    assert_eq!(digests, embedded.registered_scripts(), "exactly the native scripts are called");
    (runs, servers)
}

#[test]
fn a_script_deletes_only_its_own_keys() {
    let (runs, mut servers) = start();
    let deletions = runs.iter().filter(|run| run.arguments.get(2).is_some_and(|action| action == b"del"));
    let deletions: Vec<_> = deletions.collect();
    assert!(!deletions.is_empty());
    for run in deletions {
        let mut run = run.clone();
        run.arguments[0] = b"0".to_vec();
        run.arguments.push(b"bystander".to_vec());
        for client in &mut servers.clients {
            client.call(&["FLUSHALL"]).unwrap();
            client.call(&["SET", "bystander", "value"]).unwrap();
            let reply = client.call(&run.command()).unwrap();
            assert_eq!(shown(&reply), "[1]");
            assert_eq!(client.call(&["EXISTS", "bystander"]).unwrap(), Reply::Integer(1));
        }
    }
}

#[test]
fn a_renewal_does_not_shorten_a_lease() {
    let (runs, mut servers) = start();
    let is_begin = |run: &&Run| matches!(run.arguments.as_slice(), [what, .., mode, _] if what == b"begin" && mode == b"share");
    let begin = runs.iter().find(is_begin).expect("fills begin").clone();
    let token = begin.arguments[1].clone();
    let renew =
        |ms: &str| Run { arguments: vec![b"renew".to_vec(), token.clone(), ms.into()], ..begin.clone() };
    for client in &mut servers.clients {
        client.call(&["FLUSHALL"]).unwrap();
        client.call(&begin.command()).unwrap();
        let until = |client: &mut Client| {
            let Reply::Bytes(until) = client.call(&words(&[b"HGET", &begin.keys[1], b"until"])).unwrap()
            else {
                panic!("there is a lease")
            };
            String::from_utf8(until).unwrap().parse::<u64>().unwrap()
        };
        let first = until(client);
        assert_eq!(client.call(&renew("1").command()).unwrap(), Reply::Integer(1));
        assert_eq!(until(client), first);
        assert_eq!(client.call(&renew("100000000").command()).unwrap(), Reply::Integer(1));
        assert!(until(client) > first);
    }
}

/// Without MULTI, the other commands have run and keep their replies.
#[test]
fn a_lifetime_that_can_not_be_set_is_an_error_of_its_command() {
    let (runs, mut servers) = start();
    let is_transaction = |run: &&Run| run.script.windows(11).any(|part| part == b"commands[#c");
    let script = runs.iter().find(is_transaction).expect("transactions run").script.clone();
    let words = ["1", "1", "1", "create 9223372036854775807", "SADD", "m", "1", "1", "0", "", "INCR"];
    let arguments = words.map(|word| word.as_bytes().to_vec()).into();
    let run = Run { script, keys: vec![b"set".to_vec(), b"count".to_vec()], arguments };
    for client in &mut servers.clients {
        client.call(&["FLUSHALL"]).unwrap();
        let Reply::Array(replies) = client.call(&run.command()).unwrap() else { panic!("two replies") };
        let [Reply::Error(error), Reply::Integer(1)] = replies.as_slice() else { panic!("{replies:?}") };
        assert!(error.to_string().contains("invalid expire time"), "{error}");
    }
}

#[test]
fn native_scripts_match_their_lua() {
    let (runs, mut servers) = start();
    // On keys that our scripts have not changed.
    for run in &runs {
        for key in 0..run.keys.len() {
            servers.compare(None, key, &Foreign::Nothing, run);
            for words in TYPES {
                servers.compare(None, key, &Foreign::Write(words), run);
            }
            for text in NUMBERS.iter().chain(MOMENTS) {
                servers.compare(None, key, &Foreign::Text(text), run);
            }
        }
    }
    // On the result of one of our scripts, with one change.
    let mut changed = BTreeSet::new();
    for first in &runs {
        let fields = servers.fields_after(first);
        // If another call leaves the same fields, its result is not changed again.
        let is_new = changed.insert((first.script.clone(), fields.clone()));
        for run in runs.iter().filter(|run| run.keys.first() == first.keys.first()) {
            // As if the same caller sent both calls. Only a token is this long.
            let is_token = |word: &&Vec<u8>| word.len() >= 16;
            let token = first.arguments.iter().find(is_token).filter(|_| first.script == run.script);
            let arguments =
                run.arguments.iter().map(|word| token.filter(|_| is_token(&word)).unwrap_or(word).clone());
            let same = Run { arguments: arguments.collect(), ..run.clone() };
            // A failing command ends the script. Scripts that compute with their arguments are
            // excluded: the library never sends them invalid numbers.
            let computes = same.script.windows(13).any(|part| part == b"tonumber(ARGV");
            for place in (0..same.arguments.len()).filter(|_| is_new && !computes) {
                for wrong in ["x", "", "-1"] {
                    let mut run = same.clone();
                    run.arguments[place] = wrong.into();
                    servers.compare(Some(first), 0, &Foreign::Nothing, &run);
                }
            }
            for run in [run, &same] {
                servers.compare(Some(first), 0, &Foreign::Nothing, run);
                for key in (0..run.keys.len()).filter(|_| is_new) {
                    for foreign in [Foreign::Delete, Foreign::Text("other"), Foreign::Write(TYPES[0])] {
                        servers.compare(Some(first), key, &foreign, run);
                    }
                }
            }
            for (key, field) in
                fields.iter().filter(|(key, _)| is_new && run.keys.get(*key) == first.keys.get(*key))
            {
                servers.compare(Some(first), *key, &Foreign::NoField(field.clone()), &same);
                for text in NUMBERS {
                    servers.compare(Some(first), *key, &Foreign::Field(field.clone(), text), &same);
                }
            }
        }
    }
    println!("{} cases of {} runs", servers.cases, runs.len());
    servers.finish();
}

/// The commands of a script do not reply in the types of RESP3.
#[test]
fn native_scripts_match_their_lua_under_resp3() {
    let (runs, mut servers) = start();
    for client in &mut servers.clients {
        client.call(&["HELLO", "3"]).unwrap();
    }
    for run in &runs {
        servers.compare(None, 0, &Foreign::Nothing, run);
        for first in runs.iter().filter(|first| first.keys.first() == run.keys.first()) {
            servers.compare(Some(first), 0, &Foreign::Nothing, run);
        }
    }
    servers.finish();
}
