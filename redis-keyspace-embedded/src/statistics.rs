//! What INFO counts and CONFIG RESETSTAT sets back.

use std::collections::BTreeMap;

/// How many kinds of errors are counted apart. Injected faults and scripts can invent kinds.
const MOST_KINDS: usize = 128;

#[derive(Debug, Default)]
pub(crate) struct Statistics {
    /// The number of errors by their first word.
    pub(crate) errors: BTreeMap<String, u64>,
    /// The totals at the last reset.
    connections_before: u64,
    commands_before: u64,
}

impl Statistics {
    pub(crate) fn count_error(&mut self, text: &[u8]) {
        let kind = text.split(|&byte| byte == b' ').next().unwrap_or_default();
        let kind = String::from_utf8_lossy(kind).into_owned();
        if self.errors.len() < MOST_KINDS || self.errors.contains_key(&kind) {
            let count = self.errors.entry(kind).or_default();
            *count = count.saturating_add(1);
        }
    }

    pub(crate) fn reset(&mut self, connections: u64, commands: u64) {
        *self = Self { errors: BTreeMap::new(), connections_before: connections, commands_before: commands };
    }

    pub(crate) fn connections(&self, total: u64) -> u64 {
        total.saturating_sub(self.connections_before)
    }

    pub(crate) fn commands(&self, total: u64) -> u64 {
        total.saturating_sub(self.commands_before)
    }
}
