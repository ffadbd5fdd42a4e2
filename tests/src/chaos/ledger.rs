//! Compares acknowledged writes with the data on the server.

use std::time::{Duration, Instant};

use crate::RealServer;

/// The counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Commands sent.
    pub tried: u64,
    /// Commands that failed.
    pub failed: u64,
    /// Acknowledged writes and increments.
    pub acknowledged: u64,
    /// Acknowledged writes and increments that the server does not have.
    pub lost: u64,
    /// Increments that ran more than once.
    pub doubled: u64,
    /// Replies that belonged to another command.
    pub foreign: u64,
    /// The longest duration of a command.
    pub longest: Duration,
}

impl Tally {
    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        self.tried += other.tried;
        self.failed += other.failed;
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.foreign += other.foreign;
        self.longest = self.longest.max(other.longest);
    }

    /// Runs a command, and records its duration.
    pub async fn timed<T>(&mut self, command: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let outcome = command.await;
        self.longest = self.longest.max(started.elapsed());
        outcome
    }

    /// Records an outcome.
    pub fn note<T>(&mut self, outcome: &Result<T, String>) {
        self.tried += 1;
        self.failed += u64::from(outcome.is_err());
    }
}

/// A cell that its writer abandoned because its content is unknown.
#[derive(Clone, Copy, Debug)]
struct Left {
    id: u64,
    acknowledged: u64,
    in_doubt: u64,
}

/// The expected state of the cells and the counter of one worker.
#[derive(Debug)]
pub struct Ledger {
    /// The current cell, and the last sequence number acknowledged there. 0 means none.
    pub cell: u64,
    pub sequence: u64,
    step: u64,
    left: Vec<Left>,
    pub counter: u64,
    counted: u64,
    in_doubt: u64,
    pub tally: Tally,
}

impl Ledger {
    /// Creates the ledger of one of `workers` workers.
    pub fn new(worker: u64, workers: u64) -> Self {
        Self {
            cell: worker,
            sequence: 0,
            step: workers,
            left: Vec::new(),
            counter: worker,
            counted: 0,
            in_doubt: 0,
            tally: Tally::default(),
        }
    }

    /// Returns the next value to write. It contains the number of its cell.
    pub fn next_value(&self) -> String {
        format!("{}#{}", self.cell, self.sequence + 1)
    }

    pub fn wrote(&mut self, outcome: &Result<(), String>) {
        self.tally.note(outcome);
        if outcome.is_ok() {
            self.sequence += 1;
            self.tally.acknowledged += 1;
        } else {
            // The write may still arrive later, so further writes go to another cell.
            self.left.push(Left { id: self.cell, acknowledged: self.sequence, in_doubt: self.sequence + 1 });
            self.cell += self.step;
            self.sequence = 0;
        }
    }

    pub fn read(&mut self, outcome: &Result<Option<String>, String>) {
        self.tally.note(outcome);
        let Ok(value) = outcome else { return };
        match value.as_deref().map(|value| value.split_once('#')) {
            None => self.tally.lost += u64::from(self.sequence > 0),
            Some(Some((cell, sequence))) if cell == self.cell.to_string() => {
                self.tally.lost += u64::from(sequence != self.sequence.to_string());
            }
            Some(_) => self.tally.foreign += 1,
        }
    }

    pub fn counted(&mut self, outcome: &Result<i64, String>) {
        self.tally.note(outcome);
        let Ok(count) = outcome else {
            self.in_doubt += 1;
            return;
        };
        self.tally.acknowledged += 1;
        self.counted += 1;
        self.judge_count(u64::try_from(*count).unwrap_or(0));
    }

    fn judge_count(&mut self, count: u64) {
        self.tally.lost += u64::from(count < self.counted);
        self.tally.doubled += u64::from(count > self.counted + self.in_doubt);
    }

    /// Compares the ledger with the final data on the server.
    pub fn audit(&mut self, server: &RealServer) {
        let read = |key: String| server.redis_cli(&["GET", &key]);
        let last = Left { id: self.cell, acknowledged: self.sequence, in_doubt: self.sequence };
        for Left { id, acknowledged, in_doubt } in self.left.iter().copied().chain([last]) {
            let value = read(format!("chaos:cell:{id}"));
            let fits = [acknowledged, in_doubt].iter().any(|&sequence| match sequence {
                0 => value == "(nil)" || value.is_empty(),
                sequence => value == format!("{id}#{sequence}"),
            });
            self.tally.lost += u64::from(!fits);
        }
        let count = read(format!("chaos:count:{}", self.counter));
        self.judge_count(count.parse().unwrap_or(0));
    }
}
