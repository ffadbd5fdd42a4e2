//! Which operations succeeded and failed, and when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis_keyspace::Error;

/// The kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A transaction that increments a counter and records the id of the increment.
    Transaction,
    /// The increment of a counter with a lifetime.
    Increment,
    Set,
    SetMany,
    Get,
    GetMany,
    Batch,
    GetOrSet,
    /// A write or a deletion of a key that is filled.
    Supersede,
    Invalidate,
    Member,
    Lock,
    Release,
    Once,
    Update,
    Scan,
    Sweep,
}

impl Operation {
    /// The operations that write.
    const WRITES: [Self; 4] = [Self::Transaction, Self::Increment, Self::Set, Self::SetMany];
}

/// The operation that took the longest.
#[derive(Clone, Debug)]
pub struct Longest {
    pub operation: Operation,
    pub started: Instant,
    pub duration: Duration,
    /// The kind of its error, or `ok`.
    pub outcome: String,
}

/// Operations that failed with the same kind of error.
#[derive(Clone, Debug)]
pub struct Failures {
    pub count: u64,
    /// When the first and the last one failed.
    pub span: (Instant, Instant),
    /// The message of the first one.
    pub first: String,
}

/// The operations of a task, or of all of them.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub operations: u64,
    pub failures: BTreeMap<String, Failures>,
    pub longest: Option<Longest>,
    /// When the writes succeeded.
    writes: BTreeMap<Operation, Vec<Instant>>,
}

impl Progress {
    pub fn record<T>(&mut self, operation: Operation, started: Instant, outcome: &Result<T, Error>) {
        let now = Instant::now();
        self.operations += 1;
        let label = match outcome {
            Ok(_) => "ok".to_owned(),
            Err(error) => label(error),
        };
        match outcome {
            Ok(_) if Operation::WRITES.contains(&operation) => {
                self.writes.entry(operation).or_default().push(now);
            }
            Ok(_) => {}
            Err(error) => {
                let failures = self.failures.entry(label.clone()).or_insert_with(|| Failures {
                    count: 0,
                    span: (now, now),
                    first: format!("{operation:?}: {error}"),
                });
                failures.count += 1;
                failures.span.1 = now;
            }
        }
        let duration = now - started;
        if self.longest.as_ref().is_none_or(|longest| longest.duration < duration) {
            self.longest = Some(Longest { operation, started, duration, outcome: label });
        }
    }

    /// Returns when each kind of write had succeeded after a moment.
    pub fn recovered(&self, since: Instant) -> Option<Instant> {
        let mut last = since;
        for operation in Operation::WRITES {
            let successes = self.writes.get(&operation)?;
            last = last.max(*successes.get(successes.partition_point(|success| *success < since))?);
        }
        Some(last)
    }

    /// Adds the operations of another task.
    pub fn add(&mut self, other: Self) {
        self.operations += other.operations;
        for (label, failures) in other.failures {
            let all = self.failures.entry(label).or_insert(Failures { count: 0, ..failures.clone() });
            all.count += failures.count;
            all.span = (all.span.0.min(failures.span.0), all.span.1.max(failures.span.1));
        }
        let duration = |longest: &Option<Longest>| longest.as_ref().map(|longest| longest.duration);
        if duration(&self.longest) < duration(&other.longest) {
            self.longest = other.longest;
        }
    }
}

/// The kind of an error, with the server's error code.
fn label(error: &Error) -> String {
    let code = error.code().map(|code| format!(" {code}")).unwrap_or_default();
    let breaker = if error.is_breaker_open() { " (breaker)" } else { "" };
    format!("{:?}{code}{breaker}", error.kind())
}
