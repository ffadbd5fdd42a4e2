//! Runs random sequences on both servers.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use redis_keyspace_embedded::Server;
use redis_keyspace_harness::{RealServer, eventually};

use super::commands::Family;
use super::replies::{Comparison, are_members, strings};
use crate::raw::Raw;

/// The connection to each of the two servers.
pub(super) struct Pair {
    embedded: Raw,
    real: Raw,
}

impl Pair {
    pub(super) async fn new(embedded: &Server, real: &RealServer, protocol: &str) -> Self {
        let mut pair = Self { embedded: Raw::embedded(embedded), real: Raw::real(real).await };
        for connection in [&mut pair.embedded, &mut pair.real] {
            let reply = connection.call(&["HELLO", protocol]).await.expect("HELLO is answered");
            assert!(!reply.starts_with(b"-"), "{}", String::from_utf8_lossy(&reply));
        }
        pair.real.line("FLUSHALL").await;
        pair
    }

    /// Runs one command on both and describes the difference, if there is one.
    pub(super) async fn compare(&mut self, command: &[Vec<u8>]) -> Option<String> {
        if command[0] == b"EXPIRED" {
            self.let_expire(&command[1]).await;
            return None;
        }
        if command[0] == b"CARRY" {
            return self.carry(command).await;
        }
        let comparison = Comparison::of(command);
        let before = match comparison {
            Comparison::Random => self.members(command).await,
            _ => Vec::new(),
        };
        let ours = self.embedded.call(command).await.unwrap_or_default();
        let theirs = self.real.call(command).await.unwrap_or_default();
        let mut same = comparison.agree(&ours, &theirs);
        if comparison == Comparison::Random {
            let distinct = !command.get(2).is_some_and(|count| count.starts_with(b"-"));
            same &= self.settle_random(command, &ours, &theirs, &before, distinct).await;
        }
        let show = |reply: &[u8]| reply.escape_ascii().to_string();
        let command = || command.iter().map(|word| show(word)).collect::<Vec<_>>().join(" ");
        (!same).then(|| format!("{}\n  embedded {}\n  real     {}", command(), show(&ours), show(&theirs)))
    }

    /// The members of the set, or the fields and values of the hash, that a random command picks
    /// from.
    async fn members(&mut self, command: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let Some(key) = command.get(1) else { return Vec::new() };
        let all = if command[0].eq_ignore_ascii_case(b"HRANDFIELD") { "HGETALL" } else { "SMEMBERS" };
        let reply = self.embedded.call(&[all.as_bytes(), key]).await.unwrap_or_default();
        strings(&without_map(&reply))
    }

    /// Checks the items that both servers picked. After SPOP, makes the sets equal again.
    async fn settle_random(
        &mut self,
        command: &[Vec<u8>],
        ours: &[u8],
        theirs: &[u8],
        members: &[Vec<u8>],
        distinct: bool,
    ) -> bool {
        let (ours, theirs) = (strings(ours), strings(theirs));
        if command[0].eq_ignore_ascii_case(b"HRANDFIELD") {
            let names =
                |items: &[Vec<u8>], step: usize| items.iter().step_by(step).cloned().collect::<Vec<_>>();
            let (own, step) = (names(members, 2), if command.len() > 3 { 2 } else { 1 });
            let pairs: Vec<_> = members.chunks(2).collect();
            let has_values = step == 1 || ours.chunks(2).all(|pair| pairs.contains(&pair));
            return has_values && are_members(&names(&ours, step), &own, distinct);
        }
        let right = are_members(&ours, members, distinct) && are_members(&theirs, members, distinct);
        if command[0].eq_ignore_ascii_case(b"SPOP") && ours.len() < members.len() && !ours.is_empty() {
            let with =
                |name: &[u8], items: Vec<Vec<u8>>| [vec![name.to_vec(), command[1].clone()], items].concat();
            self.embedded.call(&with(b"SADD", ours)).await;
            self.embedded.call(&with(b"SREM", theirs)).await;
        }
        right
    }

    /// Restores what DUMP returned for one key at another key. Each server has its own payload.
    async fn carry(&mut self, command: &[Vec<u8>]) -> Option<String> {
        let mut replies = Vec::new();
        for connection in [&mut self.embedded, &mut self.real] {
            let reply = connection.call(&[b"DUMP", command[1].as_slice()]).await.unwrap_or_default();
            let payload = strings(&reply).pop().unwrap_or_else(|| b"no payload of any server".to_vec());
            let mut restore = vec![b"RESTORE".to_vec(), command[2].clone(), command[3].clone(), payload];
            restore.extend_from_slice(&command[4..]);
            let reply = connection.call(&restore).await.unwrap_or_default();
            replies.push(String::from_utf8_lossy(&reply).into_owned());
        }
        (replies[0] != replies[1]).then(|| format!("RESTORE of {command:?}: {replies:?}"))
    }

    /// Lets the key expire on both.
    async fn let_expire(&mut self, key: &[u8]) {
        for connection in [&mut self.embedded, &mut self.real] {
            connection.call(&[b"PEXPIRE", key, b"1"]).await;
            let connection = tokio::sync::Mutex::new(connection);
            let is_gone =
                async || connection.lock().await.call(&[b"EXISTS", key]).await.as_deref() == Some(b":0\r\n");
            eventually("the key expires", is_gone).await;
        }
    }
}

/// Reads a map as an array, as under RESP2.
fn without_map(reply: &[u8]) -> Vec<u8> {
    if reply.first() != Some(&b'%') {
        return reply.to_vec();
    }
    let (header, items) = crate::raw::children(reply);
    assert!(!header.is_empty());
    [format!("*{}\r\n", items.len()).into_bytes(), items.concat()].concat()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The seed, and how many sequences are run if no variable says it.
pub(crate) fn configuration(cases: u32) -> (u64, ProptestConfig) {
    // A fixed seed: a failure is the same on every machine.
    let seed = number("REDIS_KEYSPACE_SEED").unwrap_or(15);
    let cases = number("PROPTEST_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(cases);
    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..ProptestConfig::default()
    };
    (seed, config)
}

/// How many sequences and commands a test ran.
#[derive(Default)]
pub(crate) struct Figures {
    sequences: AtomicUsize,
    commands: AtomicUsize,
}

impl Figures {
    pub(crate) fn count_sequence(&self) {
        self.sequences.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_command(&self) {
        self.commands.fetch_add(1, Ordering::Relaxed);
    }

    #[allow(clippy::print_stderr, reason = "shows the figures")]
    pub(crate) fn print(&self, name: &str, seed: impl std::fmt::Display) {
        let [sequences, commands] =
            [&self.sequences, &self.commands].map(|count| count.load(Ordering::Relaxed));
        eprintln!("{name}: {sequences} sequences, {commands} commands, seed {seed}");
    }
}

/// Runs random sequences of the family's commands on both servers. A failure shows the shortest
/// sequence that was found, and the seed.
pub(super) fn sequences_agree(family: Family, real: &RealServer) {
    sequences_of_agree(family, family.command(), real);
}

/// Like [`sequences_agree`], of commands that are correct.
pub(super) fn correct_sequences_agree(family: Family, real: &RealServer) {
    sequences_of_agree(family, family.correct_command(), real);
}

fn sequences_of_agree(family: Family, command: impl Strategy<Value = Vec<Vec<u8>>>, real: &RealServer) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (seed, config) = configuration(150);
    let sequences = (prop::sample::select(vec!["2", "3"]), prop::collection::vec(command, 1..60));
    let figures = Figures::default();
    let result = TestRunner::new(config).run(&sequences, |(protocol, sequence)| {
        let difference = runtime.block_on(async {
            let embedded = Server::new();
            let mut pair = Pair::new(&embedded, real, protocol).await;
            let state = family.state.iter().flat_map(|name| {
                family.keys.iter().map(|key| {
                    let words = name.split(' ').chain(std::iter::once(*key));
                    let (words, last): (Vec<_>, Option<&str>) = match name.split_once(" K ") {
                        Some((name, last)) => (vec![name, key], Some(last)),
                        None => (words.collect(), None),
                    };
                    let words = words.into_iter().chain(last.into_iter().flat_map(str::split_whitespace));
                    words.map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>()
                })
            });
            for command in sequence.iter().cloned().chain(state) {
                figures.count_command();
                if let Some(difference) = pair.compare(&command).await {
                    return Some(difference);
                }
            }
            None
        });
        figures.count_sequence();
        prop_assert!(difference.is_none(), "RESP{protocol} {}", difference.unwrap_or_default());
        Ok(())
    });
    let name = family.name;
    figures.print(name, seed);
    if let Err(failure) = result {
        panic!("{name}, seed {seed}: {}", show(&failure));
    }
}

/// Shows the commands of a failure as text, not as lists of bytes.
fn show(failure: &proptest::test_runner::TestError<(&str, Vec<Vec<Vec<u8>>>)>) -> String {
    match failure {
        proptest::test_runner::TestError::Fail(reason, (_, sequence)) => {
            let line = |command: &Vec<Vec<u8>>| {
                command
                    .iter()
                    .map(|word| format!("{:?}", word.escape_ascii().to_string()))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let lines: Vec<String> = sequence.iter().map(line).collect();
            format!("{reason}\nafter\n{}", lines.join("\n"))
        }
        other => other.to_string(),
    }
}
