//! Counters that INFO reports and CONFIG RESETSTAT resets.

use std::collections::BTreeMap;

/// How many kinds of errors are counted separately. Injected faults and scripts can create new
/// kinds. The total counts all errors.
const MOST_KINDS: usize = 128;
/// The maximum length of an error kind. A real server counts an error with a longer first word as
/// `ERR`.
const LONGEST_KIND: usize = 30;

#[derive(Debug, Default)]
pub(crate) struct Statistics {
    /// The number of errors by their first word.
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) total_errors: u64,
    /// The totals at the last reset.
    before: Totals,
}

/// Counters that the server also uses elsewhere and never resets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) connections: u64,
    pub(crate) commands: u64,
    pub(crate) reads: u64,
}

impl Statistics {
    /// Counts an error reply.
    pub(crate) fn count_error(&mut self, text: &[u8]) {
        self.total_errors = self.total_errors.saturating_add(1);
        // As when sent, line ends count as spaces, except at the end.
        let ends = text.iter().rev().take_while(|byte| b"\r\n".contains(byte)).count();
        let text = text.get(..text.len().saturating_sub(ends)).unwrap_or_default();
        let kind = match text.iter().position(|byte| b" \r\n".contains(byte)) {
            Some(end) if end <= LONGEST_KIND => text.get(..end).unwrap_or_default(),
            _ => b"ERR",
        };
        let kind = String::from_utf8_lossy(kind).into_owned();
        if self.errors.len() < MOST_KINDS || self.errors.contains_key(&kind) {
            let count = self.errors.entry(kind).or_default();
            *count = count.saturating_add(1);
        }
    }

    pub(crate) fn reset(&mut self, totals: Totals) {
        *self = Self { before: totals, ..Self::default() };
    }

    /// Returns the totals since the last reset.
    pub(crate) fn since_reset(&self, totals: Totals) -> Totals {
        Totals {
            connections: totals.connections.saturating_sub(self.before.connections),
            commands: totals.commands.saturating_sub(self.before.commands),
            reads: totals.reads.saturating_sub(self.before.reads),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_KINDS, Statistics};

    #[test]
    fn more_kinds_than_are_kept_count_in_the_total() {
        let mut statistics = Statistics::default();
        for kind in 0..2 * MOST_KINDS {
            statistics.count_error(format!("KIND{kind} x").as_bytes());
        }
        assert_eq!((statistics.errors.len(), statistics.total_errors), (MOST_KINDS, 256));
    }
}
