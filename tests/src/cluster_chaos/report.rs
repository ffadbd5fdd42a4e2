//! The results of runs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::faults::{ClusterFault, Timeline};
use super::slots::slot_of;
use crate::load::{Broken, Failures, Findings, Kept, Longest, Loss, Progress, Promise};

/// How long before a crash a write can be acknowledged that its replica does not receive.
const UNREPLICATED: Duration = Duration::from_secs(1);
/// How long after the end of a fault a resumed master can go on as a master.
const UNAWARE: Duration = Duration::from_secs(1);
/// The keys of which a load may not be ended while their slot moves, because the write and the
/// command that ends loads are two steps.
const UNENDED: &str = ":row:";

/// The result of one run.
#[derive(Debug)]
pub struct Run {
    fault: ClusterFault,
    nth: usize,
    timeline: Timeline,
    recovery: Duration,
    operations: u64,
    failures: BTreeMap<String, Failures>,
    longest: Option<Longest>,
    findings: Findings,
    /// How many of the losses replication cannot explain.
    unexplained: usize,
    kept: Kept,
    /// Connections that were left open.
    open: usize,
}

impl Run {
    pub(super) fn new(
        fault: ClusterFault,
        nth: usize,
        timeline: Timeline,
        recovery: Duration,
        progress: Progress,
        findings: Findings,
        open: usize,
    ) -> Self {
        let explains = |key: &str, acknowledged| {
            fault.can_lose() && timeline.explains(key, acknowledged)
                || fault.moves_slots() && key.contains(UNENDED)
        };
        let explained = |loss: &&Loss| explains(&loss.key, (loss.acknowledged, loss.acknowledged));
        let kept = Kept::new(&findings.checked, explains);
        let unexplained = findings.lost.len() - findings.lost.iter().filter(explained).count();
        let Progress { operations, failures, longest, .. } = progress;
        Self {
            fault,
            nth,
            timeline,
            recovery,
            operations,
            failures,
            longest,
            findings,
            unexplained,
            kept,
            open,
        }
    }

    /// Returns the number of operations.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Returns what the library must prevent: increments that ran twice, that ran although an error
    /// denied it, transactions of which a part ran, replies for another caller, connections that
    /// stay open, and promises that were broken although no lost write explains it.
    pub fn violations(&self) -> Vec<(String, u64)> {
        let Findings { doubled, denied, torn, wrong, .. } = self.findings;
        let open = self.open as u64;
        let counts = [
            ("doubled", doubled),
            ("ran though denied", denied),
            ("torn", torn),
            ("wrong replies", wrong),
            ("connections left open", open),
        ];
        let counts = counts.map(|(what, count)| (what.to_owned(), count)).into_iter();
        let promises = self.kept.violations().into_iter();
        counts.chain(promises.map(|(promise, count)| (promise.to_string(), count))).collect()
    }

    /// Returns those of the violations that do not depend on when a write was acknowledged. A busy
    /// machine can be late.
    pub fn timeless_violations(&self) -> Vec<(String, u64)> {
        let mut violations = self.violations();
        if self.fault.can_lose() {
            let timed = Promise::ALL.into_iter().filter(|promise| !promise.survives_losses());
            let timed: Vec<_> = timed.map(|promise| promise.to_string()).collect();
            violations.retain(|(what, _)| !timed.contains(what));
        }
        violations
    }

    /// Returns how often each promise was checked.
    pub fn checks(&self) -> [(Promise, u64); Promise::ALL.len()] {
        Promise::ALL.map(|promise| (promise, self.kept.checked(promise)))
    }
}

impl Timeline {
    /// Whether the disturbed master can have acknowledged a write in that time without its replica.
    fn explains(&self, key: &str, (from, to): (Instant, Instant)) -> bool {
        let slot = slot_of(key);
        let disturbed = self.slots.iter().any(|(first, last)| (*first..=*last).contains(&slot));
        let before = to + UNREPLICATED > self.began && from < self.reference;
        let after = to > self.ended && from < self.ended + UNAWARE;
        disturbed && (before || after)
    }
}

/// Formats a time relative to another one, in milliseconds.
fn relative(at: Instant, to: Instant) -> String {
    let (sign, duration) = if at < to { ('-', to - at) } else { ('+', at - to) };
    format!("{sign}{:.0}", milliseconds(duration))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, nth, timeline, recovery, operations, failures, longest, findings, .. } = self;
        let Self { unexplained, kept, open, .. } = self;
        let Findings { acknowledged, lost, doubled, denied, torn, wrong, stale_reads, checked } = findings;
        let began = timeline.began;
        writeln!(
            f,
            "{fault} {nth}: {operations} operations, {acknowledged} acknowledged, {} lost ({unexplained} unexplained), \
             {doubled} doubled, {denied} denied, {torn} torn, {wrong} wrong, {stale_reads} stale; \
             reference {}, end {}, recovered after {:.0} ms",
            lost.len(),
            relative(timeline.reference, began),
            relative(timeline.ended, began),
            milliseconds(*recovery),
        )?;
        writeln!(f, "  promises: {kept}; {open} connections left open")?;
        if let Some((acknowledged, refused)) = timeline.witness {
            writeln!(f, "  witness: {acknowledged} acknowledged, {refused} refused")?;
        }
        if let Some(Longest { operation, started, duration, outcome }) = longest {
            let (start, duration) = (relative(*started, began), milliseconds(*duration));
            writeln!(f, "  longest: {operation:?} at {start}, {duration:.0} ms: {outcome}")?;
        }
        for (label, Failures { count, span, first }) in failures {
            let (from, to) = (relative(span.0, began), relative(span.1, began));
            writeln!(f, "  {label}: {count} at {from} to {to}: {first}")?;
        }
        for Loss { key, acknowledged } in lost.iter().take(5) {
            writeln!(f, "  lost: {key}, acknowledged at {}", relative(*acknowledged, began))?;
        }
        for Broken { promise, key, acknowledged, found } in checked.broken.iter().take(10) {
            let at = acknowledged.map_or("-".to_owned(), |(_, at)| relative(at, began));
            writeln!(f, "  {promise}: {key}, acknowledged at {at}: {found}")?;
        }
        Ok(())
    }
}

/// The results of all runs with one fault.
#[derive(Debug)]
pub struct Report {
    fault: ClusterFault,
    runs: Vec<Run>,
}

impl Report {
    /// The header of a table of reports.
    pub const HEAD: &'static str = "| fault | runs | operations | errors | acknowledged writes | lost / unexplained | doubled | ran though denied | torn | wrong replies | \
        stale reads | promises | longest operation, ms | promotion until all write, ms (median / most) | old master acknowledged / refused |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

    /// Creates a report without runs.
    pub fn new(fault: ClusterFault) -> Self {
        Self { fault, runs: Vec::new() }
    }

    /// Adds a run.
    pub fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// Returns whether nothing happened that the library must prevent, and replication explains all
    /// losses.
    pub fn is_clean(&self) -> bool {
        let is_clean =
            |run: &Run| run.unexplained == 0 && run.violations().iter().all(|(_, count)| *count == 0);
        self.runs.iter().all(is_clean)
    }

    fn sum(&self, of: impl Fn(&Run) -> u64) -> u64 {
        self.runs.iter().map(of).sum()
    }

    /// The errors of all runs by kind.
    fn errors(&self) -> String {
        let mut all: BTreeMap<&str, u64> = BTreeMap::new();
        for (label, failures) in self.runs.iter().flat_map(|run| &run.failures) {
            *all.entry(label).or_default() += failures.count;
        }
        let parts: Vec<_> = all.iter().map(|(label, count)| format!("{count} {label}")).collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut recoveries: Vec<Duration> = self.runs.iter().map(|run| run.recovery).collect();
        recoveries.sort_unstable();
        let longest = self.runs.iter().filter_map(|run| run.longest.as_ref()).map(|longest| longest.duration);
        let witnesses: Vec<_> = self.runs.iter().filter_map(|run| run.timeline.witness).collect();
        let witness = match witnesses.as_slice() {
            [] => "-".to_owned(),
            all => {
                let acknowledged: usize = all.iter().map(|(acknowledged, _)| acknowledged).sum();
                format!("{acknowledged} / {}", all.iter().map(|(_, refused)| refused).sum::<usize>())
            }
        };
        let mut kept = Kept::default();
        self.runs.iter().for_each(|run| kept.add(&run.kept));
        write!(
            f,
            "| {} | {} | {} | {} | {} | {} / {} | {} | {} | {} | {} | {} | {kept} | {:.0} | {:.0} / {:.0} | {witness} |",
            self.fault,
            self.runs.len(),
            self.sum(|run| run.operations),
            self.errors(),
            self.sum(|run| run.findings.acknowledged),
            self.sum(|run| run.findings.lost.len() as u64),
            self.sum(|run| run.unexplained as u64),
            self.sum(|run| run.findings.doubled),
            self.sum(|run| run.findings.denied),
            self.sum(|run| run.findings.torn),
            self.sum(|run| run.findings.wrong),
            self.sum(|run| run.findings.stale_reads),
            milliseconds(longest.max().unwrap_or_default()),
            milliseconds(recoveries.get(recoveries.len() / 2).copied().unwrap_or_default()),
            milliseconds(recoveries.last().copied().unwrap_or_default()),
        )
    }
}
