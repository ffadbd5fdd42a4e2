//! Which operations succeeded and failed, and when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis_keyspace::Error;

use super::LIMIT;
use super::holders::WAIT;

/// How much later than its deadline an operation may end, because a busy machine is late.
const SLACK: Duration = Duration::from_millis(500);

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
    /// Returns how long an operation may take. Each command has its own deadline, so this is the
    /// sum of those that follow each other. A scan has no limit: it may need any number of them.
    fn deadline(self) -> Option<Duration> {
        match self {
            Self::Scan | Self::Sweep => None,
            // A read, waiting for other callers, and a command before and after the load.
            Self::GetOrSet => Some(4 * LIMIT),
            Self::Lock => Some(WAIT + LIMIT),
            Self::Once => Some(WAIT + 2 * LIMIT),
            _ => Some(LIMIT),
        }
    }

    /// The operations that write.
    const WRITES: [Self; 4] = [Self::Transaction, Self::Increment, Self::Set, Self::SetMany];
}

/// The operation that took the longest.
#[derive(Clone, Debug)]
pub struct Longest {
    pub operation: Operation,
    pub started: Instant,
    pub duration: Duration,
    /// `None` if it has no limit as a whole.
    pub deadline: Option<Duration>,
    /// The kind of its error, or `ok`.
    pub outcome: String,
}

impl Longest {
    /// Returns the part of its time that it took.
    fn share(&self) -> f64 {
        self.deadline.map_or(0.0, |deadline| self.duration.as_secs_f64() / deadline.as_secs_f64())
    }

    /// Returns the one that came closer to its deadline.
    pub fn closer(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        one.into_iter().chain(other).max_by(|one, other| one.share().total_cmp(&other.share()))
    }
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
    /// The operation that came closest to its deadline.
    pub closest: Option<Longest>,
    /// How many operations ended later than their deadlines.
    pub late: u64,
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
        let (duration, deadline) = (now - started, operation.deadline());
        self.late += u64::from(deadline.is_some_and(|deadline| duration > deadline + SLACK));
        let this = Longest { operation, started, duration, deadline, outcome: label };
        if self.closest.as_ref().is_none_or(|closest| closest.share() < this.share()) {
            self.closest = Some(this.clone());
        }
        if self.longest.as_ref().is_none_or(|longest| longest.duration < duration) {
            self.longest = Some(this);
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
        self.late += other.late;
        self.closest = Longest::closer(self.closest.take(), other.closest);
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
