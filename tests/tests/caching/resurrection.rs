//! Invalidated values do not come back: every interleaving of readers, writers and refreshers, one
//! command at a time.
//!
//! Each participant acts like a process: its handle connects through a gate, where every command
//! stops until the test lets it pass. Between commands, participants use a database, which is a
//! variable here. The tests try all orders of the steps, each on an empty server. In the end, the
//! key must not exist, or hold the value of the database or of a writer.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use redis_keyspace::cache::ValueSource;
use redis_keyspace::scan::SweepProgress;
use redis_keyspace::update::Change;
use redis_keyspace::{Hash, Key, Keyspace, Redis, Set, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{Gate, PATIENCE, RealServer, Stepper};
use tokio::sync::mpsc::UnboundedReceiver;

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Keyspace)]
#[keyspace(prefix = "back", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    /// Keeps stale copies and negative entries.
    #[key("kept:{id}", stale_for = "1h", negative_ttl = "1h")]
    kept: fn(id: u32) -> Text,
    #[key("copied:{id}", stale_for = "1h")]
    copied: fn(id: u32) -> Text,
    #[key("absent:{id}", negative_ttl = "1h")]
    absent: fn(id: u32) -> Text,
    #[key("rows:{id}", fills = true)]
    rows: fn(id: u32) -> Set<Text>,
    #[key("kept_rows:{id}", fills = true, stale_for = "1h", negative_ttl = "1h")]
    kept_rows: fn(id: u32) -> Set<Text>,
    #[key("fields:{id}", fills = true)]
    fields: fn(id: u32) -> Hash<Text, Text>,
}

/// The template under test.
#[derive(Clone, Debug, Default)]
struct Template {
    keeps: Arc<AtomicBool>,
    /// Whether the key is a set, whose member is the value.
    is_set: Arc<AtomicBool>,
}

impl Template {
    fn keeps(&self) -> bool {
        self.keeps.load(Ordering::SeqCst)
    }

    fn key(&self, id: u32, redis: &Redis) -> Key<Keys, Text> {
        if self.keeps() { Keys::kept(id).on(redis) } else { Keys::text(id).on(redis) }
    }

    fn is_set(&self) -> bool {
        self.is_set.load(Ordering::SeqCst)
    }

    fn rows(&self, id: u32, redis: &Redis) -> Key<Keys, Set<Text>> {
        if self.keeps() { Keys::kept_rows(id).on(redis) } else { Keys::rows(id).on(redis) }
    }

    fn name(&self) -> &'static str {
        match (self.is_set(), self.keeps()) {
            (false, false) => "back:text:7",
            (false, true) => "back:kept:7",
            (true, false) => "back:rows:7",
            (true, true) => "back:kept_rows:7",
        }
    }

    fn companion_key(&self) -> &'static str {
        match (self.is_set(), self.keeps()) {
            (false, false) => "back:text:7%fill{back:text:7}",
            (false, true) => "back:kept:7%fill{back:kept:7}",
            (true, false) => "back:rows:7%fill{back:rows:7}",
            (true, true) => "back:kept_rows:7%fill{back:kept_rows:7}",
        }
    }

    fn mark(&self) -> &'static str {
        match (self.is_set(), self.keeps()) {
            (false, false) => "back:text:%swept:{}",
            (false, true) => "back:kept:%swept:{}",
            (true, false) => "back:rows:%swept:{}",
            (true, true) => "back:kept_rows:%swept:{}",
        }
    }
}

/// The database: a row that counts its changes. 0 means no row.
#[derive(Clone, Debug, Default)]
struct Database(Arc<AtomicU32>);

impl Database {
    fn now(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The tools of a participant.
#[derive(Clone)]
struct Hands {
    redis: Redis,
    stepper: Stepper,
    database: Database,
    template: Template,
}

impl Hands {
    /// Reads the database, as one step.
    async fn reads(&self) -> String {
        self.finds().await.unwrap_or_default()
    }

    async fn finds(&self) -> Option<String> {
        self.stepper.stop("reads the database").await;
        let row = self.database.now();
        (row > 0).then(|| row.to_string())
    }

    /// Changes the row, as one step. Returns the value for a writer to set, with a mark that
    /// distinguishes it from loaded values.
    async fn writes(&self) -> String {
        self.stepper.stop("writes the database").await;
        format!("{}!", self.database.0.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn key(&self) -> Key<Keys, Text> {
        self.numbered(7)
    }

    fn numbered(&self, id: u32) -> Key<Keys, Text> {
        self.template.key(id, &self.redis)
    }

    fn rows(&self) -> Key<Keys, Set<Text>> {
        self.template.rows(7, &self.redis)
    }

    async fn read_rows(&self) -> HashSet<String> {
        self.finds().await.into_iter().collect()
    }

    async fn sweep(&self, expires: bool) -> SweepProgress {
        if self.template.is_set() {
            let swept = match (self.template.keeps(), expires) {
                (true, true) => Keys::kept_rows_keys().all().expire(Duration::ZERO).on(&self.redis).await,
                (true, false) => Keys::kept_rows_keys().all().delete().on(&self.redis).await,
                (false, true) => Keys::rows_keys().all().expire(Duration::ZERO).on(&self.redis).await,
                (false, false) => Keys::rows_keys().all().delete().on(&self.redis).await,
            };
            return swept.unwrap();
        }
        let swept = match (self.template.keeps(), expires) {
            (true, true) => Keys::kept_keys().all().expire(Duration::ZERO).on(&self.redis).await,
            (true, false) => Keys::kept_keys().all().delete().on(&self.redis).await,
            (false, true) => Keys::text_keys().all().expire(Duration::ZERO).on(&self.redis).await,
            (false, false) => Keys::text_keys().all().delete().on(&self.redis).await,
        };
        swept.unwrap()
    }

    async fn command(&self, words: &[&str]) -> Option<String> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let key = self.key();
        let sent = self
            .redis
            .raw_for(&key, |mut connection| async move { command.query_async(&mut connection).await });
        sent.await.unwrap()
    }
}

type Doing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A participant, by its operation.
#[derive(Clone, Copy)]
struct Who {
    name: &'static str,
    does: fn(Hands) -> Doing,
}

macro_rules! who {
    ($($(#[$meta:meta])* $name:ident: |$hands:ident| $does:expr;)*) => {$(
        $(#[$meta])*
        #[allow(non_upper_case_globals, reason = "they are named as what they do")]
        static $name: Who = Who {
            name: stringify!($name),
            does: |$hands| Box::pin(async move { $does; }),
        };
    )*};
}

who! {
    reader: |hands| hands.key().get_or_set(|| hands.reads()).await.unwrap();
    reader_across: |hands| hands.key().get_or_set(|| hands.reads()).across_processes().await.unwrap();
    /// Keeps stale copies.
    keeper: |hands| hands.key().get_or_set(|| hands.reads()).stale_for(HOUR).await.unwrap();
    optional_reader: |hands| hands.key().get_or_set_optional(|| hands.finds()).await.unwrap();
    /// Keeps negative entries.
    seeker: |hands| hands.key().get_or_set_optional(|| hands.finds()).negative_ttl(HOUR).await.unwrap();
    refresher: |hands| hands.key().get_or_set(|| hands.reads()).refresh().await.unwrap();
    refresher_that_keeps: |hands| {
        hands.key().get_or_set(|| hands.reads()).refresh().stale_for(HOUR).await.unwrap()
    };
    early_refresher: |hands| hands.key().get_or_set(|| hands.reads()).early_refresh(0.0).ttl(2 * HOUR).await.unwrap();
    deleter: |hands| { hands.writes().await; hands.key().del().await.unwrap() };
    /// If the value is undecodable, the operation fails but still deletes it.
    taker: |hands| { hands.writes().await; drop(hands.key().get_del().await) };
    expirer: |hands| { hands.writes().await; hands.key().expire(Duration::ZERO).await.unwrap() };
    expirer_at: |hands| { hands.writes().await; hands.key().expire_at(SystemTime::UNIX_EPOCH + HOUR).await.unwrap() };
    setter: |hands| { let value = hands.writes().await; hands.key().set(&value).await.unwrap() };
    swapper: |hands| { let value = hands.writes().await; drop(hands.key().get_set(&value).await) };
    setter_if_present: |hands| { let value = hands.writes().await; hands.key().set(&value).only_if_present().await.unwrap() };
    updater: |hands| { let new = hands.writes().await; hands.key().update(|value| *value = new.clone()).await.unwrap() };
    inserter: |hands| {
        let new = hands.writes().await;
        hands.key().update_or_insert(String::new, |value| *value = new.clone()).await.unwrap()
    };
    deleting_updater: |hands| { hands.writes().await; hands.key().update_with(|_| Change::Delete).await.unwrap() };
    many_deleter: |hands| { hands.writes().await; Key::del_many([hands.key(), hands.numbered(8)]).await.unwrap() };
    many_setter: |hands| {
        let value = hands.writes().await;
        Key::set_many([(hands.numbered(8), value.clone()), (hands.key(), value)]).await.unwrap()
    };
    batcher: |hands| { hands.writes().await; hands.redis.batch((hands.numbered(8).get(), hands.key().del())).await.unwrap() };
    transactor: |hands| { hands.writes().await; hands.redis.transaction((hands.numbered(8).get(), hands.key().del())).await.unwrap() };
    setting_transactor: |hands| { let value = hands.writes().await; hands.redis.transaction((hands.key().set(&value),)).await.unwrap() };
    transactor_of_one: |hands| { hands.writes().await; hands.redis.transaction((hands.key().del(),)).await.unwrap() };
    mover: |hands| { hands.writes().await; hands.key().rename(&hands.numbered(9)).await.unwrap() };
    sweeper: |hands| { hands.writes().await; hands.sweep(false).await };
    expiring_sweeper: |hands| { hands.writes().await; hands.sweep(true).await };

    /// These set values that are not in the database. No earlier load may replace them.
    only_sets: |hands| hands.key().set("9!").await.unwrap();
    only_swaps: |hands| drop(hands.key().get_set("9!").await);
    only_sets_if_absent: |hands| hands.key().set("9!").only_if_absent().await.unwrap();
    only_swaps_if_absent: |hands| hands.key().set("9!").only_if_absent().returning_old().await.unwrap();
    only_sets_if_present: |hands| hands.key().set("9!").only_if_present().await.unwrap();
    only_sets_and_keeps_the_ttl: |hands| hands.key().set("9!").keep_ttl().await.unwrap();
    only_sets_many: |hands| Key::set_many([(hands.numbered(8), "9!"), (hands.key(), "9!")]).await.unwrap();
    only_sets_what_has_copies: |hands| Keys::copied(7).on(&hands.redis).set("9!").await.unwrap();
    only_sets_what_may_be_absent: |hands| Keys::absent(7).on(&hands.redis).set("9!").await.unwrap();
    only_sets_many_of_two_templates: |hands| {
        Key::set_many([(Keys::text(8).on(&hands.redis), "9!"), (hands.key(), "9!")]).await.unwrap()
    };
    deleter_of_two_templates: |hands| {
        hands.writes().await;
        Key::del_many([Keys::text(8).on(&hands.redis), hands.key()]).await.unwrap()
    };
    only_sets_in_a_batch: |hands| hands.redis.batch((hands.numbered(8).get(), hands.key().set("9!"))).await.unwrap();
    only_sets_in_a_transaction: |hands| hands.redis.transaction((hands.key().set("9!"),)).await.unwrap();
    only_inserts: |hands| hands.key().update_or_insert(String::new, |value| *value = "9!".to_owned()).await.unwrap();
    only_moves: |hands| {
        hands.command(&["SET", "back:kept:8", "8!"]).await;
        hands.numbered(8).rename(&hands.key()).await.unwrap()
    };
    only_moves_if_absent: |hands| {
        hands.command(&["SET", "back:kept:8", "8!"]).await;
        hands.numbered(8).rename_if_absent(&hands.key()).await.unwrap()
    };

    /// The server evicts keys, or is flushed.
    evicts_the_mark: |hands| hands.command(&["DEL", hands.template.mark()]).await;
    evicts_companion_keys: |hands| hands.command(&["DEL", hands.template.companion_key()]).await;
    evicts_the_key: |hands| hands.command(&["DEL", hands.template.name()]).await;
    flushes: |hands| hands.command(&["FLUSHALL"]).await;

    /// A write with raw commands, as in other programs.
    naive: |hands| {
        if hands.command(&["GET", hands.template.name()]).await.is_none() {
            let value = hands.reads().await;
            hands.command(&["SET", hands.template.name(), &value]).await;
        }
    };
    /// Sets the value only if the key does not exist.
    naive_if_absent: |hands| {
        if hands.command(&["GET", hands.template.name()]).await.is_none() {
            let value = hands.reads().await;
            hands.command(&["SET", hands.template.name(), &value, "NX"]).await;
        }
    };
}

/// Every operation that writes or deletes, except for a conditional `set`: if it stores nothing, it
/// ends no load.
const WRITERS: [Who; 17] = [
    deleter,
    taker,
    expirer,
    expirer_at,
    setter,
    swapper,
    updater,
    inserter,
    deleting_updater,
    many_deleter,
    many_setter,
    batcher,
    transactor,
    setting_transactor,
    mover,
    sweeper,
    expiring_sweeper,
];

/// The state before the operations start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// A row, and no key.
    Cold,
    /// Neither.
    NoRow,
    /// The cached value equals the row.
    Warm,
    /// The cached value is what the row will hold after its next change. Catches comparisons by
    /// value.
    Ahead,
    /// The cached bytes are not text.
    Undecodable,
    /// The value expired, and a stale copy exists.
    Stale,
    /// A negative entry exists.
    Absent,
}

/// A participant behind a gate.
struct Actor {
    hands: Hands,
    stops: UnboundedReceiver<String>,
    _gate: Gate,
}

struct World {
    database: Database,
    direct: redis::aio::MultiplexedConnection,
    /// A handle without a gate.
    redis: Redis,
    actors: Vec<Actor>,
    /// The template. If it keeps stale copies or negative entries, the end of a run checks them.
    template: Template,
}

/// The result of all interleavings.
#[derive(Default)]
struct Outcome {
    runs: u32,
    /// The interleavings that left an outdated value, with the value.
    violations: Vec<(Vec<String>, String)>,
}

impl World {
    async fn new(address: SocketAddr) -> Self {
        let url = format!("redis://{address}");
        // Without the timeouts of the driver, which a busy machine exceeds.
        let config =
            redis::AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let client = redis::Client::open(url.clone()).unwrap();
        let direct = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        let (database, template, mut actors) = (Database::default(), Template::default(), Vec::new());
        for _ in 0..3 {
            let (stepper, stops) = Stepper::new();
            let gate = Gate::start(address, stepper.clone(), |_| false).await;
            let builder = Redis::builder()
                .url(&gate.url())
                .unwrap()
                // The node of a cluster announces its own address.
                .address_map(gate.address_map())
                .shared_connections(1)
                .exclusive_connections(1)
                .connect_timeout(PATIENCE)
                .timeout(HOUR);
            let (database, template) = (database.clone(), template.clone());
            let hands = Hands { redis: builder.build().unwrap(), stepper, database, template };
            hands.redis.connect().await.unwrap();
            assert_eq!(hands.command(&["GET", hands.template.name()]).await, None);
            actors.push(Actor { hands, stops, _gate: gate });
        }
        let builder = Redis::builder().url(&url).unwrap().connect_timeout(PATIENCE).timeout(HOUR);
        let redis = builder.build().unwrap();
        // Runs each script once, so the server caches it.
        let key = template.key(7, &redis);
        key.get_or_set(|| async { String::new() }).await.unwrap();
        key.update(|value| value.push('x')).await.unwrap();
        let rows = template.rows(7, &redis);
        rows.sadd("x").await.unwrap();
        Key::sunion([rows.clone()]).store(&rows).await.unwrap();
        Self { database, direct, redis, actors, template }
    }

    fn keeps(&self, keeps: bool) {
        self.template.keeps.store(keeps, Ordering::SeqCst);
    }

    fn key(&self) -> Key<Keys, Text> {
        self.template.key(7, &self.redis)
    }

    async fn command(&self, words: &[&str]) -> Option<String> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut self.direct.clone()).await.unwrap()
    }

    async fn set_up(&self, before: Before) {
        self.command(&["FLUSHALL"]).await;
        let row = if matches!(before, Before::NoRow | Before::Absent) { 0 } else { 1 };
        self.database.0.store(row, Ordering::SeqCst);
        let (key, name) = (self.key(), self.template.name());
        match before {
            Before::Cold | Before::NoRow => {}
            Before::Warm | Before::Ahead if self.template.is_set() => {
                let row = if before == Before::Warm { "1" } else { "2!" };
                self.count(&["SADD", name, row]).await;
                self.count(&["EXPIRE", name, "1000"]).await;
            }
            Before::Stale if self.template.is_set() => {
                let rows = self.template.rows(7, &self.redis);
                rows.get_or_set(|| async { HashSet::from(["1".to_owned()]) }).await.unwrap();
                self.count(&["DEL", name]).await;
            }
            Before::Absent if self.template.is_set() => {
                let rows = self.template.rows(7, &self.redis);
                assert!(rows.get_or_set(|| async { HashSet::new() }).await.unwrap().is_empty());
            }
            // Shorter than the template's lifetime, so an early refresh is due.
            Before::Warm => drop(self.command(&["SET", name, "1", "EX", "1000"]).await),
            Before::Ahead => drop(self.command(&["SET", name, "2!", "EX", "1000"]).await),
            Before::Undecodable => {
                let mut set = redis::cmd("SET");
                set.arg(name).arg(b"\xff").exec_async(&mut self.direct.clone()).await.unwrap();
            }
            Before::Stale => {
                let filled = key.get_or_set(|| async { "1".to_owned() }).stale_for(HOUR).await;
                assert_eq!(filled.unwrap(), "1");
                self.command(&["DEL", name]).await;
            }
            Before::Absent => {
                let sought = key.get_or_set_optional(|| async { None }).negative_ttl(HOUR);
                assert_eq!(sought.await.unwrap(), None);
            }
        }
    }

    async fn count(&self, words: &[&str]) -> i64 {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut self.direct.clone()).await.unwrap()
    }

    /// Returns an outdated value that is left in the end.
    async fn old(&self) -> Option<String> {
        if self.template.is_set() {
            return self.old_rows().await;
        }
        let (now, name) = (self.database.now().to_string(), self.template.name());
        let is_old = |value: &str| value != now && !value.ends_with('!');
        let bytes: Option<Vec<u8>> =
            redis::cmd("GET").arg(name).query_async(&mut self.direct.clone()).await.unwrap();
        let value = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        if let Some(value) = value.as_ref().filter(|value| is_old(value)) {
            return Some(format!("the key has {value}, and the database {now}"));
        }
        if !self.template.keeps() {
            return None;
        }
        let was_only_set = value.is_some_and(|value| matches!(&value[..], "8!" | "9!"));
        // Expires the value.
        self.command(&["DEL", name]).await;
        let kept = self.key().try_get_or_set_optional(|| async { Err(()) }).stale_for(HOUR);
        let kept = kept.lookup().await.ok()?;
        let absent = kept.source == ValueSource::Absent && (now != "0" || was_only_set);
        let stale =
            kept.value.as_deref().is_some_and(|kept| is_old(kept) || (was_only_set && !kept.ends_with('!')));
        (absent || stale)
            .then(|| format!("{:?} is kept next to the key, and the database has {now}", kept.value))
    }

    /// Runs all interleavings of the operations.
    async fn all(&mut self, before: Before, who: &[Who]) -> Outcome {
        let mut outcome = Outcome::default();
        // The choice at each step, and the number of participants that could continue.
        let mut path: Vec<(usize, usize)> = Vec::new();
        loop {
            self.set_up(before).await;
            let trace = self.run(who, &mut path).await;
            outcome.runs += 1;
            if let Some(old) = self.old().await {
                outcome.violations.push((trace, old));
            }
            while let Some((choice, of)) = path.pop() {
                if choice + 1 < of {
                    path.push((choice + 1, of));
                    break;
                }
            }
            if path.is_empty() {
                return outcome;
            }
        }
    }

    async fn run(&mut self, who: &[Who], path: &mut Vec<(usize, usize)>) -> Vec<String> {
        let (mut trace, mut at) = (Vec::new(), Vec::new());
        for (actor, who) in self.actors.iter_mut().zip(who) {
            actor.hands.stepper.close();
            let (hands, does) = (actor.hands.clone(), who.does);
            tokio::spawn(async move {
                let stepper = hands.stepper.clone();
                does(hands).await;
                stepper.tell("");
            });
            at.push(actor.stops.recv().await.unwrap());
        }
        // A participant polls for a lease that another one holds. One poll between two other steps
        // is enough.
        let mut stalls = vec![false; at.len()];
        for depth in 0.. {
            let able: Vec<usize> =
                (0..at.len()).filter(|&index| !at[index].is_empty() && !stalls[index]).collect();
            if able.is_empty() {
                assert_eq!(path.len(), depth, "the same steps had a different result");
                break;
            }
            if path.len() == depth {
                path.push((0, able.len()));
            }
            assert_eq!(path[depth].1, able.len(), "the same steps had a different result: {trace:?}");
            let index = able[path[depth].0];
            trace.push(format!("{}: {}", who[index].name, at[index]));
            let actor = &mut self.actors[index];
            actor.hands.stepper.go();
            let next = tokio::time::timeout(PATIENCE, actor.stops.recv());
            let next = next.await.unwrap_or_else(|_| panic!("nothing happened after {trace:?}")).unwrap();
            stalls.fill(false);
            stalls[index] = next == at[index] && next == "EVALSHA begin";
            at[index] = next;
        }
        self.actors.iter().for_each(|actor| actor.hands.stepper.open());
        trace
    }

    /// Asserts that no interleaving leaves an outdated value.
    async fn holds(&mut self, before: Before, who: &[Who], at_least: u32) {
        let names: Vec<_> = who.iter().map(|who| who.name).collect();
        let outcome = self.all(before, who).await;
        println!("{before:?} {names:?}: {} interleavings", outcome.runs);
        if let Some((trace, old)) = outcome.violations.first() {
            panic!(
                "{before:?} {names:?}: {} of {} interleavings leave an outdated value; {old}: {trace:#?}",
                outcome.violations.len(),
                outcome.runs
            );
        }
        assert!(outcome.runs >= at_least, "{before:?} {names:?}: only {} interleavings", outcome.runs);
    }
}

fn on_one_thread(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future);
}

/// Turns each function into two tests, on an embedded server that listens and on a private real
/// one. Both are single-threaded.
macro_rules! on_both_ways {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: World) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn body(mut $world: World) $body

            #[test]
            $(#[$meta])*
            fn embedded() {
                on_one_thread(async {
                    // A handle of this process makes the server cache the scripts.
                    let server = Server::new();
                    let handle = Redis::with_embedded_server(server.clone());
                    handle.connect().await.unwrap();
                    let listener = server.listen().await.unwrap();
                    body(World::new(listener.addr().unwrap()).await).await;
                });
            }

            #[test]
            $(#[$meta])*
            fn real() {
                let server = RealServer::start();
                on_one_thread(async { body(World::new(server.address()).await).await });
            }
        }
    )*};
}

on_both_ways! {
    /// Pins the steps of the library, which the other tests interleave.
    async fn the_modelled_steps_match_the_library(world: World) {
        let unlink = format!("UNLINK {}", world.template.companion_key());
        let expected: [(Who, Before, &[&str]); 10] = [
            (reader, Before::Cold, &["GET back:text:7", "EVALSHA begin", "reads the database", "EVALSHA store"]),
            (reader, Before::Warm, &["GET back:text:7"]),
            (optional_reader, Before::NoRow, &["GET back:text:7", "EVALSHA begin", "reads the database", "EVALSHA absent"]),
            (refresher, Before::Warm, &["EVALSHA begin", "reads the database", "EVALSHA store"]),
            (early_refresher, Before::Warm, &["GET back:text:7", "EVALSHA begin", "reads the database", "EVALSHA store"]),
            (deleter, Before::Warm, &["writes the database", &unlink, "UNLINK back:text:7"]),
            (setter, Before::Warm, &["writes the database", &unlink, "SET back:text:7"]),
            (taker, Before::Warm, &["writes the database", &unlink, "GETDEL back:text:7"]),
            (expirer, Before::Warm, &["writes the database", &unlink, "PEXPIRE back:text:7"]),
            (transactor, Before::Warm, &["writes the database", "EXEC"]),
        ];
        // A write deletes stale copies and negative entries in the same step.
        let kept: [(Who, Before, &[&str]); 7] = [
            (only_sets_what_has_copies, Before::Warm, &["EXEC"]),
            (only_sets_what_may_be_absent, Before::Warm, &["EXEC"]),
            (many_deleter, Before::Warm, &["writes the database", "EXEC"]),
            (setter, Before::Warm, &["writes the database", "EXEC"]),
            (deleter, Before::Warm, &["writes the database", "EXEC"]),
            (only_sets_many, Before::Warm, &["EXEC"]),
            (only_moves, Before::Warm, &["SET back:kept:8", "EXEC"]),
        ];
        let cases = expected.into_iter().map(|case| (false, case)).chain(kept.into_iter().map(|case| (true, case)));
        for (keeps, (who, before, steps)) in cases {
            world.keeps(keeps);
            world.set_up(before).await;
            let trace = world.run(&[who], &mut Vec::new()).await;
            let expected: Vec<_> = steps.iter().map(|step| format!("{}: {step}", who.name)).collect();
            assert_eq!(trace, expected);
        }
    }

    async fn a_reader_and_a_writer(world: World) {
        for writer in WRITERS {
            world.holds(Before::Cold, &[reader, writer], 10).await;
            // An update fails for an undecodable value, and changes nothing.
            if !writer.name.contains("updater") && writer.name != "inserter" {
                world.holds(Before::Undecodable, &[reader, writer], 5).await;
            }
            world.holds(Before::Cold, &[reader_across, writer], 10).await;
            world.holds(Before::Warm, &[reader, writer], 3).await;
        }
    }

    async fn a_refresher_and_a_writer(world: World) {
        for writer in WRITERS {
            for before in [Before::Cold, Before::Warm, Before::Ahead] {
                world.holds(before, &[refresher, writer], 10).await;
            }
            for before in [Before::Warm, Before::Ahead] {
                world.holds(before, &[early_refresher, writer], 10).await;
            }
        }
        world.holds(Before::Warm, &[refresher, setter_if_present], 10).await;
    }

    async fn stale_copies_and_negative_entries(world: World) {
        world.keeps(true);
        for writer in WRITERS {
            for before in [Before::Cold, Before::Stale] {
                world.holds(before, &[keeper, writer], 10).await;
            }
            world.holds(Before::Warm, &[refresher_that_keeps, writer], 10).await;
            world.holds(Before::NoRow, &[seeker, writer], 10).await;
            world.holds(Before::Absent, &[seeker, writer], 3).await;
        }
    }

    /// No value, stale copy or negative entry that was loaded before a write is served after it.
    async fn a_set_outlives_stale_copies(world: World) {
        world.keeps(true);
        let setters = [
            only_sets, only_swaps, only_sets_if_absent, only_swaps_if_absent, only_sets_if_present, only_sets_and_keeps_the_ttl,
            only_sets_many, only_sets_in_a_batch, only_sets_in_a_transaction, only_inserts, only_moves, only_moves_if_absent,
        ];
        for sets in setters {
            for before in [Before::Cold, Before::Stale] {
                world.holds(before, &[keeper, sets], 4).await;
            }
            for before in [Before::NoRow, Before::Absent] {
                world.holds(before, &[seeker, sets], 2).await;
            }
        }
    }

    /// One template keeps stale copies. The other one, whose keys come first, does not.
    async fn keys_of_two_templates_in_one_command(world: World) {
        world.keeps(true);
        for before in [Before::Cold, Before::Stale] {
            world.holds(before, &[keeper, only_sets_many_of_two_templates], 4).await;
            world.holds(before, &[keeper, deleter_of_two_templates], 4).await;
        }
        for before in [Before::NoRow, Before::Absent] {
            world.holds(before, &[seeker, only_sets_many_of_two_templates], 2).await;
            world.holds(before, &[seeker, deleter_of_two_templates], 2).await;
        }
    }

    /// Evictions at any moment never bring an invalidated value back.
    async fn evicted_keys(world: World) {
        for keeps in [false, true] {
            world.keeps(keeps);
            let readers = if keeps { [keeper, refresher_that_keeps] } else { [reader, refresher] };
            for evictor in [evicts_the_mark, evicts_companion_keys, evicts_the_key, flushes] {
                for writer in [deleter, setter] {
                    for loads in readers {
                        world.holds(Before::Cold, &[loads, writer, evictor], 50).await;
                    }
                }
            }
            for evictor in [evicts_the_mark, flushes] {
                world.holds(Before::Cold, &[readers[1], sweeper, evictor], 100).await;
            }
            world.holds(Before::Warm, &[refresher, sweeper, evicts_the_mark], 100).await;
        }
        world.holds(Before::Stale, &[keeper, sweeper, evicts_the_mark], 100).await;
        world.holds(Before::Absent, &[seeker, sweeper, evicts_the_mark], 20).await;
    }

    async fn two_readers_and_a_writer(world: World) {
        world.keeps(true);
        for writer in [deleter, setter] {
            world.holds(Before::Cold, &[keeper, refresher, writer], 1000).await;
        }
    }

    async fn two_refreshers_and_a_writer(world: World) {
        world.holds(Before::Warm, &[early_refresher, refresher, transactor], 500).await;
        world.holds(Before::Warm, &[refresher, refresher, inserter], 1000).await;
    }

    async fn two_loaders_across_processes(world: World) {
        for before in [Before::Cold, Before::Undecodable] {
            world.holds(before, &[reader_across, reader_across], 20).await;
        }
        world.holds(Before::Cold, &[reader_across, refresher], 20).await;
        world.holds(Before::Cold, &[reader_across, reader], 20).await;
    }

    async fn a_refresher_and_two_writers(world: World) {
        for writers in [[deleter, setter], [setter, setter]] {
            world.holds(Before::Cold, &[refresher, writers[0], writers[1]], 1000).await;
        }
    }

    async fn raw_writes_lose_the_guarantee(world: World) {
        // Raw writes must violate the guarantee. Otherwise, the other tests would prove nothing.
        for hand_written in [naive, naive_if_absent] {
            for writer in [deleter, taker, expirer, sweeper, many_deleter, transactor] {
                let outcome = world.all(Before::Cold, &[hand_written, writer]).await;
                println!("{} {}: {} of {}", hand_written.name, writer.name, outcome.violations.len(), outcome.runs);
                assert!(!outcome.violations.is_empty(), "{} {}", hand_written.name, writer.name);
                let (trace, _) = &outcome.violations[0];
                assert!(trace.last().unwrap().contains("SET back:text:7"), "{trace:?}");
            }
        }
        let outcome = world.all(Before::Cold, &[naive, setter]).await;
        assert!(!outcome.violations.is_empty());
    }
}

/// These use two keys, which are in different slots of a cluster.
const OF_ONE_SLOT: [&str; 2] = ["mover", "transactor"];

/// In a cluster, sweeps and operations on several keys have different steps.
async fn in_a_cluster(mut world: World) {
    for writer in WRITERS.into_iter().filter(|writer| !OF_ONE_SLOT.contains(&writer.name)) {
        world.holds(Before::Cold, &[reader, writer], 10).await;
        world.holds(Before::Warm, &[refresher, writer], 10).await;
    }
    world.keeps(true);
    let of_one_key = [sweeper, expiring_sweeper, deleter, updater, transactor_of_one];
    for writer in of_one_key.into_iter().chain([many_deleter, many_setter, batcher]) {
        world.holds(Before::Cold, &[keeper, writer], 10).await;
        world.holds(Before::Warm, &[refresher_that_keeps, writer], 10).await;
        world.holds(Before::NoRow, &[seeker, writer], 10).await;
    }
    world.holds(Before::Stale, &[keeper, sweeper], 10).await;
}

#[test]
fn on_an_embedded_cluster() {
    on_one_thread(async {
        let server = Server::builder().cluster().build();
        Redis::with_embedded_server(server.clone()).connect().await.unwrap();
        let listener = server.listen().await.unwrap();
        in_a_cluster(World::new(listener.addr().unwrap()).await).await;
    });
}

#[test]
fn on_a_real_cluster() {
    let server = RealServer::start_node();
    on_one_thread(async { in_a_cluster(World::new(server.address()).await).await });
}

// Declared last, so that it can use the macros.
#[path = "resurrection_of_collections.rs"]
mod of_collections;
