//! The results of runs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::faults::{ClusterFault, Timeline};
use super::slots::slot_of;
use crate::load::{Broken, Failures, Findings, Kept, Longest, Loss, Progress, Promise, Verdict, spread};

/// How long before a crash a write can be acknowledged that its replica does not receive.
const UNREPLICATED: Duration = Duration::from_secs(1);
/// How long after the end of a fault a resumed master can go on as a master.
const UNAWARE: Duration = Duration::from_secs(1);
/// The keys of which a load may not be ended while their slot moves, because the write and the
/// command that ends loads are two steps.
const UNENDED: &str = ":row:";

/// The names of violations that depend on time.
const LOSSES: &str = "unexplained losses";
const LATE: &str = "operations past their deadlines";

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
    closest: Option<Longest>,
    late: u64,
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
                || fault.moves_slots() && key.contains(UNENDED) && timeline.is_during(acknowledged)
        };
        let explained = |loss: &&Loss| explains(&loss.key, (loss.acknowledged, loss.acknowledged));
        let kept = Kept::new(&findings.checked, explains);
        let unexplained = findings.lost.len() - findings.lost.iter().filter(explained).count();
        let Progress { operations, failures, longest, closest, late, .. } = progress;
        Self {
            fault,
            nth,
            timeline,
            recovery,
            operations,
            failures,
            longest,
            closest,
            late,
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
    /// denied it, transactions of which a part ran, replies for another caller, losses and broken
    /// promises that replication cannot explain, operations that exceed their deadlines, and
    /// connections that stay open.
    pub fn violations(&self) -> Vec<(String, u64)> {
        let Findings { doubled, denied, torn, wrong, .. } = self.findings;
        let open = self.open as u64;
        let counts = [
            ("doubled", doubled),
            ("ran though denied", denied),
            ("torn", torn),
            ("wrong replies", wrong),
            (LOSSES, self.unexplained as u64),
            (LATE, self.late),
            ("connections left open", open),
        ];
        let counts = counts.map(|(what, count)| (what.to_owned(), count)).into_iter();
        let promises = self.kept.violations().into_iter();
        counts.chain(promises.map(|(promise, count)| (promise.to_string(), count))).collect()
    }

    /// Returns those of the violations that do not depend on when something happened. A busy
    /// machine can be late.
    pub fn timeless_violations(&self) -> Vec<(String, u64)> {
        let mut violations = self.violations();
        violations.retain(|(what, _)| what != LATE && !(what == LOSSES && self.fault.can_lose()));
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
    /// Whether a write was acknowledged during the fault, or shortly before or after it.
    fn is_during(&self, (from, to): (Instant, Instant)) -> bool {
        to + UNREPLICATED > self.began && from < self.ended + UNAWARE
    }

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
        if let Some(Longest { operation, started, duration, outcome, .. }) = longest {
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

    /// Returns the verdict on all runs.
    pub fn verdict(&self) -> Verdict {
        let closest = self.runs.iter().map(|run| run.closest.clone()).fold(None, Longest::closer);
        let has_goal = self.fault.promotes();
        Verdict {
            fault: self.fault.to_string(),
            runs: self.runs.len(),
            violations: Verdict::sum(self.runs.iter().map(Run::violations)),
            closest,
            recoveries: self.runs.iter().map(|run| milliseconds(run.recovery)).collect(),
            since: if has_goal { "promotion" } else { "the change" },
            has_goal,
        }
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
        let (median, most) = spread(self.runs.iter().map(|run| milliseconds(run.recovery)));
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
            "| {} | {} | {} | {} | {} | {} / {} | {} | {} | {} | {} | {} | {kept} | {:.0} | {median:.0} / {most:.0} | {witness} |",
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
        )
    }
}
