//! What the writes of a task were told.

use std::time::Instant;

use redis_keyspace::{Error, ErrorKind};

use super::TASKS;

/// What a caller knows about a write.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    Acknowledged(Instant),
    /// It may have run.
    InDoubt,
    /// The error promises that it did not run.
    NotRun,
}

impl Outcome {
    pub fn of<T>(result: &Result<T, Error>) -> Self {
        let Err(error) = result else { return Self::Acknowledged(Instant::now()) };
        match (error.kind(), error.code()) {
            (ErrorKind::Unavailable | ErrorKind::PoolBusy | ErrorKind::Closed, _)
            | (_, Some("MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "READONLY")) => {
                Self::NotRun
            }
            _ => Self::InDoubt,
        }
    }
}

/// A place for values with increasing numbers, from 1. When the outcome of a write is in doubt, the
/// task continues with another place.
#[derive(Clone, Debug)]
pub struct Place {
    pub number: u64,
    /// When each value was acknowledged.
    pub acknowledged: Vec<Instant>,
    pub in_doubt: bool,
}

/// What a reader found at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The last value that was acknowledged, or one in doubt.
    Expected,
    /// An earlier value, or none: that many acknowledged values are missing.
    Older(usize),
    /// A value that was never written there.
    Wrong,
}

impl Place {
    pub fn new(number: u64) -> Self {
        Self { number, acknowledged: Vec::new(), in_doubt: false }
    }

    /// Returns the next value for a key of this place.
    pub fn next_value(&self, key: &str) -> String {
        format!("{key}#{}", self.acknowledged.len() + 1)
    }

    /// Judges the value of a key of this place.
    pub fn judge(&self, key: &str, value: Option<&str>) -> Found {
        let written = self.acknowledged.len();
        let sequence = match value.map(|value| value.split_once('#')) {
            None => 0,
            Some(Some((name, sequence))) if name == key => match sequence.parse() {
                Ok(sequence) if sequence > 0 => sequence,
                _ => return Found::Wrong,
            },
            Some(_) => return Found::Wrong,
        };
        match sequence {
            sequence if sequence > written + usize::from(self.in_doubt) => Found::Wrong,
            sequence if sequence >= written => Found::Expected,
            sequence => Found::Older(written - sequence),
        }
    }
}

/// The places of a task, the last of which is in use.
#[derive(Debug)]
pub struct Places(pub Vec<Place>);

impl Places {
    pub fn new(task: u64) -> Self {
        Self(vec![Place::new(task)])
    }

    pub fn current(&mut self) -> &mut Place {
        self.0.last_mut().expect("the list starts with a place")
    }

    /// Records the outcome of writing the next value.
    pub fn wrote(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Acknowledged(at) => self.current().acknowledged.push(at),
            // A write that may run twice can have run before the attempt that failed.
            Outcome::InDoubt | Outcome::NotRun => {
                self.current().in_doubt = true;
                self.leave();
            }
        }
    }

    /// Continues with another place.
    pub fn leave(&mut self) {
        let number = self.current().number + TASKS;
        self.0.push(Place::new(number));
    }
}

/// The writes of a task.
#[derive(Debug)]
pub struct Ledger {
    pub task: u64,
    /// The transactions, by their ids.
    pub transactions: Vec<Outcome>,
    /// The increments without ids.
    pub increments: Vec<Outcome>,
    /// The replies to those, without the first value, and when they arrived.
    pub counted: Vec<(i64, Instant)>,
    pub cells: Places,
    pub groups: Places,
    /// Reads that returned an older value than the last one acknowledged, even if the newer value
    /// was found again later.
    pub stale_reads: u64,
    /// Replies that belong to another command.
    pub wrong_replies: u64,
}

impl Ledger {
    pub fn new(task: u64) -> Self {
        Self {
            task,
            transactions: Vec::new(),
            increments: Vec::new(),
            counted: Vec::new(),
            cells: Places::new(task),
            groups: Places::new(task),
            stale_reads: 0,
            wrong_replies: 0,
        }
    }

    /// The first value of the counters of a task, so that the replies of all tasks differ.
    pub fn base(task: u64) -> i64 {
        i64::try_from(task + 1).expect("few tasks") * 1_000_000
    }

    /// Checks that the reply to an increment can be one of this task. A count without the first
    /// value comes from a server that restarted without data.
    pub fn check_count(&mut self, count: i64, attempts: usize) {
        let is_restarted = count < Self::base(0);
        let counted = if is_restarted { count } else { count - Self::base(self.task) };
        let possible = usize::try_from(counted).is_ok_and(|counted| (1..=attempts).contains(&counted));
        self.wrong_replies += u64::from(!possible);
        self.stale_reads += u64::from(possible && is_restarted);
    }

    /// Records what a read found. Returns whether the place must be left.
    pub fn read(&mut self, found: Found) -> bool {
        match found {
            Found::Expected => return false,
            Found::Older(_) => self.stale_reads += 1,
            Found::Wrong => self.wrong_replies += 1,
        }
        true
    }
}
