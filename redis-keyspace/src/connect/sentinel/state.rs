//! What the sentinels of a master have reported, one entry for each of them.

use std::collections::HashSet;

use tokio::time::Instant;

use super::report::SentinelReport;
use super::verdict::{Voice, is_majority};
use crate::config::Address;
use crate::error::{Error, ErrorKind};

#[derive(Debug, Default)]
pub(super) struct BoardState {
    pub(super) sentinels: Vec<SentinelEntry>,
    /// The number of the last entry.
    pub(super) last: u64,
    /// Counts how often a sentinel named another address than before.
    pub(super) changes: u64,
    pub(super) switches: u64,
    /// When a sentinel reported the current epoch, or a later one, for the last time.
    pub(super) last_confirmed: Option<Instant>,
    pub(super) lacks_majority: bool,
}

#[derive(Debug)]
pub(super) struct SentinelEntry {
    pub(super) number: u64,
    pub(super) address: Address,
    /// Whether the configuration names it. Others were learned, and may be forgotten.
    pub(super) is_configured: bool,
    pub(super) id: Option<String>,
    pub(super) report: Option<SentinelReport>,
    /// The replicas that it knows.
    pub(super) replicas: Vec<Address>,
    /// The value of `changes` when it named this address instead of another one; 0 if it never
    /// named another one.
    pub(super) since: u64,
    /// The last request that it has answered, or failed to answer.
    pub(super) round: u64,
    /// Why it did not answer the last time; `None` if it did.
    pub(super) failure: Option<Error>,
}

/// What is known about the sentinels of a master.
#[derive(Debug, Clone)]
pub(crate) struct SentinelStatus {
    /// How many are known.
    pub(crate) known: usize,
    /// How many of them answered the last time that they were asked.
    pub(crate) answering: usize,
    /// The address of the master that they name.
    pub(crate) master: Option<Address>,
    /// How often another server became the master.
    pub(crate) switches: u64,
}

impl SentinelStatus {
    /// Whether more than half of the sentinels answer. A failover needs that many.
    pub(crate) fn has_majority(&self) -> bool {
        is_majority(self.answering, self.known)
    }
}

/// How far a round has come.
pub(super) enum RoundState {
    Nobody,
    Some,
    All,
}

impl BoardState {
    pub(super) fn add(&mut self, address: Address, id: Option<String>, is_configured: bool) {
        self.last += 1;
        self.sentinels.push(SentinelEntry {
            number: self.last,
            address,
            is_configured,
            id,
            report: None,
            replicas: Vec::new(),
            since: 0,
            round: 0,
            failure: None,
        });
    }

    pub(super) fn answering(&self) -> impl Iterator<Item = (&SentinelEntry, &SentinelReport)> {
        let answering = self.sentinels.iter().filter(|entry| entry.failure.is_none());
        answering.filter_map(|entry| Some((entry, entry.report.as_ref()?)))
    }

    /// The reports of those that answer, each sentinel once.
    pub(super) fn voices(&self) -> impl Iterator<Item = Voice<'_>> {
        let mut seen = HashSet::new();
        self.answering()
            .filter(move |(entry, _)| entry.id.as_ref().is_none_or(|id| seen.insert(id)))
            .map(|(entry, report)| Voice { report, since: entry.since })
    }

    pub(super) fn status(&self, master: Option<Address>) -> SentinelStatus {
        let mut seen = HashSet::new();
        let distinct =
            self.sentinels.iter().filter(|entry| entry.id.as_ref().is_none_or(|id| seen.insert(id)));
        let (with_id, without_id): (Vec<_>, Vec<_>) = distinct.partition(|entry| entry.id.is_some());
        let identified = with_id.len();
        let reported = self.answering().filter_map(|(_, report)| report.sentinels).max();
        let answering = self.voices().count();
        let known = match reported {
            // A sentinel that is down has no id yet, and may be listed with another address.
            Some(reported) => reported.max(identified).max(answering),
            None => identified + without_id.len(),
        };
        SentinelStatus { known, answering, master, switches: self.switches }
    }

    pub(super) fn round_state(&self, round: u64) -> RoundState {
        let is_done = |entry: &&SentinelEntry| entry.round >= round;
        if self.sentinels.iter().all(|entry| is_done(&entry)) {
            RoundState::All
        } else if self.sentinels.iter().filter(is_done).any(|entry| entry.failure.is_none()) {
            RoundState::Some
        } else {
            RoundState::Nobody
        }
    }

    /// Returns the error if no sentinel names a master.
    pub(super) fn no_answer(&self, name: &str) -> Error {
        let mut failures = self.sentinels.iter().filter_map(|entry| {
            let (host, port) = &entry.address;
            entry.failure.as_ref().map(|failure| (format!("{host}:{port}: {failure}"), failure.kind()))
        });
        let Some((first, mut kind)) = failures.next() else {
            return Error::new(
                ErrorKind::Unavailable,
                format!("no sentinel was asked for the master {name}"),
            );
        };
        let mut message = format!("no sentinel names the master {name}: {first}");
        for (failure, other) in failures {
            message.push_str("; ");
            message.push_str(&failure);
            // If any of them is only down, it is worth to try again.
            kind = if other == kind { kind } else { ErrorKind::Unavailable };
        }
        Error::new(kind, message)
    }
}
