//! The results of runs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::faults::{SentinelFault, Timeline};
use crate::load::{Broken, Failures, Findings, Kept, Longest, Loss, Progress, Promise, Verdict, spread};

/// How long before a fault a write can be acknowledged that no replica receives.
const UNREPLICATED: Duration = Duration::from_secs(1);

/// The name of a violation that depends on time.
const LATE: &str = "operations past their deadlines";

/// The result of one run.
#[derive(Debug)]
pub struct SentinelRun {
    fault: SentinelFault,
    nth: usize,
    timeline: Timeline,
    /// When each task had had a success of each kind of write on the new master.
    recovered: Instant,
    operations: u64,
    failures: BTreeMap<String, Failures>,
    longest: Option<Longest>,
    closest: Option<Longest>,
    late: u64,
    findings: Findings,
    /// How many of the losses replication cannot explain.
    unexplained: usize,
    kept: Kept,
}

impl SentinelRun {
    pub(super) fn new(
        fault: SentinelFault,
        nth: usize,
        timeline: Timeline,
        recovered: Instant,
        progress: Progress,
        findings: Findings,
    ) -> Self {
        let explains = |acknowledged| timeline.explains_loss(acknowledged, UNREPLICATED);
        let explained = |loss: &&Loss| explains((loss.acknowledged, loss.acknowledged));
        let kept = Kept::new(&findings.checked, |_, acknowledged| explains(acknowledged));
        let unexplained = findings.lost.len() - findings.lost.iter().filter(explained).count();
        let Progress { operations, failures, longest, closest, late, .. } = progress;
        Self {
            fault,
            nth,
            timeline,
            recovered,
            operations,
            failures,
            longest,
            closest,
            late,
            findings,
            unexplained,
            kept,
        }
    }

    /// Returns the number of operations.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Returns what the library must prevent: increments that ran twice, that ran although an error
    /// denied it, transactions of which a part ran, replies for another caller, writes to the old
    /// master later than a second after a sentinel named the new one, losses and broken promises
    /// that replication cannot explain, and operations that exceed their deadlines.
    pub fn violations(&self) -> Vec<(String, u64)> {
        let Findings { doubled, denied, torn, wrong, .. } = self.findings;
        let counts = [
            ("doubled", doubled),
            ("ran though denied", denied),
            ("torn", torn),
            ("wrong replies", wrong),
            ("late writes", self.timeline.late_writes() as u64),
            ("unexplained losses", self.unexplained as u64),
            (LATE, self.late),
        ];
        let counts = counts.map(|(what, count)| (what.to_owned(), count)).into_iter();
        let promises = self.kept.violations().into_iter();
        counts.chain(promises.map(|(promise, count)| (promise.to_string(), count))).collect()
    }

    /// Returns those of the violations that do not depend on when something happened. A busy
    /// machine can be late.
    pub fn timeless_violations(&self) -> Vec<(String, u64)> {
        let timed = Promise::ALL.into_iter().filter(|promise| !promise.survives_losses());
        let timed = timed.map(|promise| promise.to_string());
        let timed: Vec<_> =
            timed.chain(["late writes", "unexplained losses", LATE].map(str::to_owned)).collect();
        let mut violations = self.violations();
        violations.retain(|(what, _)| !timed.contains(what));
        violations
    }

    /// Returns how often each promise was checked.
    pub fn checks(&self) -> [(Promise, u64); Promise::ALL.len()] {
        Promise::ALL.map(|promise| (promise, self.kept.checked(promise)))
    }

    /// The time from the promotion until every write succeeded on the new master, in milliseconds.
    fn since_promotion(&self) -> f64 {
        between(self.timeline.promoted, self.recovered)
    }

    /// The time from the first announcement of the new master.
    fn since_switch(&self) -> f64 {
        between(self.timeline.first.at, self.recovered)
    }

    /// When the old master executed the last write, relative to that announcement.
    fn last_write(&self) -> Option<f64> {
        Some(between(self.timeline.first.at, self.timeline.last_write()?))
    }

    fn longest(&self) -> f64 {
        self.longest.as_ref().map_or(0.0, |longest| milliseconds(longest.duration))
    }
}

/// The time between two moments in milliseconds, negative if the second one was earlier.
fn between(from: Instant, to: Instant) -> f64 {
    if to < from { -milliseconds(from - to) } else { milliseconds(to - from) }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn signed(milliseconds: Option<f64>) -> String {
    milliseconds.map_or("never".to_owned(), |milliseconds| format!("{milliseconds:+.0}"))
}

impl fmt::Display for SentinelRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, nth, timeline, operations, failures, longest, findings, unexplained, .. } = self;
        let Findings { acknowledged, lost, doubled, denied, torn, wrong, stale_reads, checked } = findings;
        let began = timeline.began;
        writeln!(
            f,
            "{fault} {nth}: {operations} operations, {acknowledged} acknowledged, {} lost ({unexplained} unexplained), \
             {doubled} doubled, {denied} denied, {torn} torn, {wrong} wrong, {stale_reads} stale",
            lost.len(),
        )?;
        writeln!(f, "  promises: {}", self.kept)?;
        writeln!(
            f,
            "  promotion {:+.0}, switch {:+.0} to {:+.0} ({} masters), all write {:.0} ms after promotion, {:+.0} ms \
             after the switch",
            between(began, timeline.promoted),
            between(began, timeline.first.at),
            between(began, timeline.last.at),
            timeline.masters,
            self.since_promotion(),
            self.since_switch(),
        )?;
        writeln!(
            f,
            "  old master: last write {} ms from the switch, {} late, {} queued while paused; it accepted the witness \
             until {} ms",
            signed(self.last_write()),
            timeline.late_writes(),
            timeline.queued_writes(),
            signed(timeline.accepted.map(|accepted| between(timeline.first.at, accepted))),
        )?;
        if let Some(Longest { operation, started, duration, outcome, .. }) = longest {
            let (start, duration) = (between(began, *started), milliseconds(*duration));
            writeln!(f, "  longest: {operation:?} at {start:+.0}, {duration:.0} ms: {outcome}")?;
        }
        for (label, Failures { count, span, first }) in failures {
            let (from, to) = (between(began, span.0), between(began, span.1));
            writeln!(f, "  {label}: {count} at {from:+.0} to {to:+.0}: {first}")?;
        }
        for Loss { key, acknowledged } in lost.iter().take(5) {
            writeln!(f, "  lost: {key}, acknowledged at {:+.0}", between(began, *acknowledged))?;
        }
        for Broken { promise, key, acknowledged, found } in checked.broken.iter().take(10) {
            let at = signed(acknowledged.map(|(_, at)| between(began, at)));
            writeln!(f, "  {promise}: {key}, acknowledged at {at}: {found}")?;
        }
        Ok(())
    }
}

/// The results of all runs with one fault.
#[derive(Debug)]
pub struct SentinelReport {
    fault: SentinelFault,
    runs: Vec<SentinelRun>,
}

impl SentinelReport {
    /// The header of a table of reports.
    pub const HEAD: &'static str = "| fault | runs | operations | errors | acknowledged writes | lost / unexplained | doubled | ran though denied | torn | wrong replies | \
        stale reads | promises | longest operation, ms | promotion until all write, ms (median / most) | first switch until all write, ms (median / most) | \
        last write to the old master, ms from the first switch | late writes | old master accepted the witness until, ms |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

    /// Creates a report without runs.
    pub fn new(fault: SentinelFault) -> Self {
        Self { fault, runs: Vec::new() }
    }

    /// Adds a run.
    pub fn add(&mut self, run: SentinelRun) {
        self.runs.push(run);
    }

    /// Returns the verdict on all runs.
    pub fn verdict(&self) -> Verdict {
        Verdict {
            fault: self.fault.to_string(),
            runs: self.runs.len(),
            violations: Verdict::sum(self.runs.iter().map(SentinelRun::violations)),
            closest: self.runs.iter().map(|run| run.closest.clone()).fold(None, Longest::closer),
            recoveries: self.runs.iter().map(SentinelRun::since_switch).collect(),
            since: "the first switch",
            has_goal: true,
        }
    }

    fn sum(&self, of: impl Fn(&SentinelRun) -> u64) -> u64 {
        self.runs.iter().map(of).sum()
    }

    /// The median and the largest value of all runs.
    fn spread(&self, of: impl Fn(&SentinelRun) -> f64) -> String {
        let (median, most) = spread(self.runs.iter().map(of));
        format!("{median:.0} / {most:.0}")
    }

    fn most(&self, of: impl Fn(&SentinelRun) -> Option<f64>) -> Option<f64> {
        self.runs.iter().filter_map(of).max_by(f64::total_cmp)
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

impl fmt::Display for SentinelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accepted = |run: &SentinelRun| {
            run.timeline.accepted.map(|accepted| between(run.timeline.first.at, accepted))
        };
        let mut kept = Kept::default();
        self.runs.iter().for_each(|run| kept.add(&run.kept));
        write!(
            f,
            "| {} | {} | {} | {} | {} | {} / {} | {} | {} | {} | {} | {} | {kept} | {:.0} | {} | {} | {} | {} | {} |",
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
            self.most(|run| Some(run.longest())).unwrap_or_default(),
            self.spread(SentinelRun::since_promotion),
            self.spread(SentinelRun::since_switch),
            signed(self.most(SentinelRun::last_write)),
            self.sum(|run| run.timeline.late_writes() as u64),
            signed(self.most(accepted)),
        )
    }
}
