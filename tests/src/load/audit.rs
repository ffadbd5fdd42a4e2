//! Compares the data with what the tasks were told.

use std::time::Instant;

use redis_keyspace::{Key, Redis};

use super::keys::Keys;
use super::ledger::{Found, Ledger, Outcome, Place};
use super::promises::Checked;
use super::work::{GROUP, Told, page_name};

/// How many keys one command reads.
const AT_ONCE: usize = 500;

/// An acknowledged write that the servers do not have.
#[derive(Clone, Debug)]
pub struct Loss {
    pub key: String,
    pub acknowledged: Instant,
}

/// The differences between the data and what the tasks were told.
#[derive(Debug, Default)]
pub struct Findings {
    /// The acknowledged writes and increments.
    pub acknowledged: u64,
    pub lost: Vec<Loss>,
    /// Increments that ran more than once.
    pub doubled: u64,
    /// Increments that ran although their errors promised that they did not.
    pub denied: u64,
    /// Transactions of which only a part ran.
    pub torn: u64,
    /// Replies and values that belong to another key or caller.
    pub wrong: u64,
    pub stale_reads: u64,
    pub checked: Checked,
}

/// `read` returns the values of keys that have the same slot, without the library.
pub fn audit(read: &mut dyn FnMut(&[String]) -> Vec<Option<String>>, redis: &Redis, told: Told) -> Findings {
    let Told { ledgers, mut checked } = told;
    checked.audit(read, redis);
    let mut audit = Audit { read, redis, findings: Findings { checked, ..Findings::default() } };
    for ledger in ledgers {
        audit.findings.wrong += ledger.wrong_replies;
        audit.findings.stale_reads += ledger.stale_reads;
        audit.transactions(&ledger);
        audit.increments(&ledger);
        for cell in &ledger.cells.0 {
            audit.value(cell, &cell.number.to_string(), &Keys::cell(cell.number));
        }
        for group in &ledger.groups.0 {
            for page in 0..GROUP {
                audit.value(group, &page_name(group.number, page), &Keys::page(group.number, page));
            }
        }
    }
    audit.findings
}

struct Audit<'a> {
    read: &'a mut dyn FnMut(&[String]) -> Vec<Option<String>>,
    redis: &'a Redis,
    findings: Findings,
}

impl Audit<'_> {
    fn name<V>(&self, key: &Key<Keys, V>) -> String {
        self.redis.wire_key(key).expect("the key has a name")
    }

    fn count<V>(&mut self, ledger: &Ledger, key: &Key<Keys, V>) -> i64 {
        let name = self.name(key);
        let value = (self.read)(&[name]).remove(0);
        let count = value.and_then(|value| value.parse::<i64>().ok());
        count.map_or(0, |count| count - Ledger::base(ledger.task))
    }

    /// A transaction ran as often as its counter says, and its mark shows whether it ran.
    fn transactions(&mut self, ledger: &Ledger) {
        let names: Vec<String> =
            (0..ledger.transactions.len() as u64).map(|id| self.name(&Keys::mark(ledger.task, id))).collect();
        let mut ran = 0;
        for (names, outcomes) in names.chunks(AT_ONCE).zip(ledger.transactions.chunks(AT_ONCE)) {
            let marks = (self.read)(names);
            for ((name, mark), outcome) in names.iter().zip(marks).zip(outcomes) {
                ran += i64::from(mark.is_some());
                match outcome {
                    Outcome::Acknowledged(at) => {
                        self.findings.acknowledged += 1;
                        if mark.is_none() {
                            self.findings.lost.push(Loss { key: name.clone(), acknowledged: *at });
                        }
                    }
                    Outcome::NotRun => self.findings.denied += u64::from(mark.is_some()),
                    Outcome::InDoubt => {}
                }
            }
        }
        let count = self.count(ledger, &Keys::count(ledger.task));
        self.findings.doubled += u64::try_from(count - ran).unwrap_or(0);
        self.findings.torn += u64::try_from(ran - count).unwrap_or(0);
    }

    /// Without ids, the number of increments has only bounds. A reply that is not larger than an
    /// earlier one shows that the earlier increment was lost.
    fn increments(&mut self, ledger: &Ledger) {
        let key = Keys::plain(ledger.task);
        let count = self.count(ledger, &key);
        let in_doubt = ledger.increments.iter().filter(|outcome| matches!(outcome, Outcome::InDoubt)).count();
        let at_most = i64::try_from(ledger.counted.len() + in_doubt).expect("few increments");
        self.findings.acknowledged += ledger.counted.len() as u64;
        self.findings.doubled += u64::try_from(count - at_most).unwrap_or(0);
        let key = self.name(&key);
        let mut next = count + 1;
        for &(counted, acknowledged) in ledger.counted.iter().rev() {
            // A server that restarted without data counted it.
            let is_elsewhere = counted <= 0;
            if counted >= next || is_elsewhere {
                self.findings.lost.push(Loss { key: key.clone(), acknowledged });
            }
            if !is_elsewhere {
                next = next.min(counted);
            }
        }
    }

    fn value<V>(&mut self, place: &Place, name: &str, key: &Key<Keys, V>) {
        let key = self.name(key);
        let value = (self.read)(std::slice::from_ref(&key)).remove(0);
        self.findings.acknowledged += place.acknowledged.len() as u64;
        match place.judge(name, value.as_deref()) {
            Found::Expected => {}
            Found::Wrong => self.findings.wrong += 1,
            Found::Older(missing) => {
                let lost = place.acknowledged.iter().rev().take(missing);
                self.findings.lost.extend(lost.map(|at| Loss { key: key.clone(), acknowledged: *at }));
            }
        }
    }
}
