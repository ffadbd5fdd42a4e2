//! The native scripts of workers do the same as the Lua versions with entries that are pending.

use redis_keyspace_tests::resp::{Client, Reply};
use redis_keyspace_tests::{RealServer, require_forgotten_entries};

use crate::native_scripts::{Run, Servers, Words, call_all, start, words};

const HOUR: &str = "3600000";

/// What happened before a script. In the words, `S` is the stream, `D` the stream of dead letters,
/// `G` the group and `C` the consumer.
const PENDING: &[&str] = &[
    "XGROUP CREATE S G $ MKSTREAM",
    "XADD S 1-1 f v g w",
    "XADD S 2-1 f x",
    "XREADGROUP GROUP G C COUNT 2 STREAMS S >",
];
const STATES: &[&[&str]] = &[
    &[],
    &["XCLAIM S G C 0 1-1 RETRYCOUNT 5"],
    &["XCLAIM S G C 0 1-1 RETRYCOUNT 0"],
    &["XCLAIM S G C 0 1-1 IDLE 3600000"],
    &["XCLAIM S G other 0 1-1"],
    &["XACK S G 1-1"],
    &["XACK S G 1-1 2-1"],
    &["XGROUP CREATE S second 0"],
    &["XGROUP CREATE S second 0", "XREADGROUP GROUP second C COUNT 1 STREAMS S >"],
    &["XGROUP SETID S G 1-1"],
    &["XGROUP DESTROY S G"],
    &["XADD D 1-1 f v"],
    &["XADD D 1-1 f v", "PEXPIRE D 1800000"],
    &["PEXPIRE S 1800000"],
    &["SET D v"],
    &["DEL S"],
    &["SET S v"],
];

/// The scripts, as the library calls them for the entry 1-1.
struct Calls {
    hold: Run,
    bury: Run,
    trim: Run,
    servers: Servers,
}

impl Calls {
    fn start() -> Self {
        let (runs, servers) = start();
        let find = |part: &str, keys: usize| {
            let is_it = |run: &&Run| {
                run.script.windows(part.len()).any(|text| text == part.as_bytes()) && run.keys.len() == keys
            };
            runs.iter().find(is_it).unwrap_or_else(|| panic!("{part} is called")).clone()
        };
        let (mut hold, mut bury) = (find("'RETRYCOUNT'", 1), find("'XADD'", 2));
        for run in [&mut hold, &mut bury] {
            run.arguments[2] = b"1-1".to_vec();
        }
        Self { hold, bury, trim: find("'MINID'", 1), servers }
    }

    fn spell(&self, line: &str) -> Words {
        let word = |word: &str| match word {
            "S" => self.bury.keys[0].clone(),
            "D" => self.bury.keys[1].clone(),
            "G" => self.bury.arguments[0].clone(),
            "C" => self.bury.arguments[1].clone(),
            word => word.as_bytes().to_vec(),
        };
        line.split(' ').map(word).collect()
    }

    fn compare(&mut self, state: &[&str], run: &Run) {
        let before: Vec<Words> = PENDING.iter().chain(state).map(|line| self.spell(line)).collect();
        let [stream, dead] = ["S", "D"].map(|key| self.spell(key).remove(0));
        let group = self.spell("G").remove(0);
        let content = |client: &mut Client| {
            let streams = [&stream, &dead].map(|key| words(&[b"XRANGE", key, b"-", b"+"]));
            let others = [
                words(&[b"XPENDING", &stream, &group, b"-", b"+", b"10"]),
                words(&[b"XPENDING", &stream, b"second", b"-", b"+", b"10"]),
                words(&[b"PTTL", &dead]),
            ];
            let commands: Vec<Words> = streams.into_iter().chain(others).collect();
            call_all(client, &commands).into_iter().map(without_short_times).collect()
        };
        self.servers.compare_after(
            |client| drop(call_all(client, &before)),
            || format!("{state:?}"),
            run,
            content,
        );
    }
}

/// Replaces the short idle times of pending entries, which are the time that the test takes. They
/// are the only integers between texts and counts.
fn without_short_times(reply: Reply) -> Reply {
    let Reply::Array(items) = reply else { return reply };
    match items.as_slice() {
        [Reply::Bytes(_), Reply::Bytes(_), Reply::Integer(idle), Reply::Integer(_)] => {
            let is_short = *idle < 1_800_000;
            let mut items = items;
            if is_short {
                items[2] = Reply::Nil;
            }
            Reply::Array(items)
        }
        _ => Reply::Array(items.into_iter().map(without_short_times).collect()),
    }
}

#[test]
fn held_and_buried_entries_are_alike() {
    compare_in(STATES);
}

/// Redis 6.2 keeps a deleted entry as pending when it is claimed.
#[test]
fn held_and_buried_entries_that_are_deleted_are_alike() {
    if require_forgotten_entries(&RealServer::start()) {
        compare_in(&[&["XDEL S 1-1"]]);
    }
}

fn compare_in(states: &[&[&str]]) {
    let mut calls = Calls::start();
    for state in states {
        for idle in ["0", HOUR, "x", "-1"] {
            for undoes in ["0", "1", ""] {
                let mut run = calls.hold.clone();
                (run.arguments[3], run.arguments[4]) = (idle.into(), undoes.into());
                calls.compare(state, &run);
            }
        }
        for (millis, renews) in [("0", "0"), (HOUR, "0"), (HOUR, "1"), ("x", "0")] {
            let mut run = calls.bury.clone();
            (run.arguments[3], run.arguments[4]) = (millis.into(), renews.into());
            calls.compare(state, &run);
        }
        let run = calls.trim.clone();
        calls.compare(state, &run);
    }
    calls.servers.finish();
}

/// A script can't pass more words to a command.
#[test]
fn an_entry_of_too_many_parts_is_not_buried() {
    const MOST: usize = 7000;
    let mut calls = Calls::start();
    let run = calls.bury.clone();
    // The name, the key, the options, the ID, and the fields that are added.
    let others = 2 + 1 + run.arguments.len() - 6;
    let fitting = (MOST - others) / 2 * 2;
    for (parts, outcome) in [(fitting, Some(1)), (fitting + 2, None)] {
        let fields = vec!["x"; parts].join(" ");
        let entry = format!("XADD S 3-1 {fields}");
        let mut run = run.clone();
        run.arguments[2] = b"3-1".to_vec();
        let state = [&*entry, "XREADGROUP GROUP G C COUNT 1 STREAMS S >"];
        calls.compare(&state, &run);
        for client in &mut calls.servers.clients {
            // After the comparison, the script has run. An entry that was not buried is pending.
            let pending = client.call(&words(&[b"XPENDING", &run.keys[0], &run.arguments[0]])).unwrap();
            let Reply::Array(summary) = pending else { panic!("{pending}") };
            assert_eq!(summary[0], Reply::Integer(if outcome == Some(1) { 2 } else { 3 }));
        }
    }
    calls.servers.finish();
}
