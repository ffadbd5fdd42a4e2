//! The verdict on all runs with one fault.

use std::fmt;

use super::progress::Longest;

/// The goal for the time until every write succeeds again, in milliseconds.
const GOAL: f64 = 1000.0;

/// What all runs with one fault come to.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub fault: String,
    pub runs: usize,
    /// What must not happen, and how often it did.
    pub violations: Vec<(String, u64)>,
    /// The operation that came closest to its deadline.
    pub closest: Option<Longest>,
    /// How long it took until every write succeeded, in milliseconds.
    pub recoveries: Vec<f64>,
    /// From when that time is measured.
    pub since: &'static str,
    /// Whether there is a goal for that time.
    pub has_goal: bool,
}

impl Verdict {
    /// Returns the violations of all runs.
    pub fn sum(runs: impl Iterator<Item = Vec<(String, u64)>>) -> Vec<(String, u64)> {
        let mut sums: Vec<(String, u64)> = Vec::new();
        for (what, count) in runs.flatten() {
            match sums.iter_mut().find(|(other, _)| *other == what) {
                Some((_, sum)) => *sum += count,
                None => sums.push((what, count)),
            }
        }
        sums
    }

    /// Returns whether nothing happened that must not happen. To miss the goal is no violation.
    pub fn is_clean(&self) -> bool {
        self.violations.iter().all(|(_, count)| *count == 0)
    }
}

/// Returns the median and the largest of these numbers.
pub fn spread(numbers: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    (median, sorted.last().copied().unwrap_or_default())
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, runs, violations, closest, recoveries, since, has_goal } = self;
        let violations = violations.iter().filter(|(_, count)| *count > 0);
        let violations: Vec<_> = violations.map(|(what, count)| format!("{count} {what}")).collect();
        let violations =
            if violations.is_empty() { "no violations".to_owned() } else { violations.join(", ") };
        write!(f, "{fault}: {runs} runs, {violations}")?;
        if let Some(Longest { operation, duration, deadline: Some(deadline), .. }) = closest {
            let (duration, deadline) = (duration.as_millis(), deadline.as_millis());
            write!(f, "; closest to its deadline: {operation:?}, {duration} of {deadline} ms")?;
        }
        let (median, most) = spread(recoveries.iter().copied());
        write!(f, "; all write {median:.0} ms (median), {most:.0} ms (most) after {since}")?;
        match recoveries.iter().filter(|recovery| **recovery > GOAL).count() {
            _ if !has_goal => Ok(()),
            0 => write!(f, ", goal of {GOAL} ms met"),
            missed => write!(f, ", GOAL OF {GOAL} ms MISSED in {missed} of {runs} runs"),
        }
    }
}
