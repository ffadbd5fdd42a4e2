//! Whether a replica may be read from, and how near it is.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::protocol::{Reply, read};

/// How many bytes a replica may be behind its master. The offsets of both are not asked at the same
/// moment, and the master writes meanwhile.
const MOST_BEHIND: i64 = 1 << 20;
/// How long a replica may have heard nothing from its master, which sends a PING every ten seconds.
const LONGEST_SILENCE: u64 = 15;

/// What the last checks of a replica found. Reads look at it without a lock.
#[derive(Debug, Default)]
pub(in crate::connect) struct ReplicaCondition {
    is_in_sync: AtomicBool,
    /// The average time of a round trip in microseconds; 0 if it is not known.
    latency: AtomicU32,
}

impl ReplicaCondition {
    pub(in crate::connect) fn is_in_sync(&self) -> bool {
        self.is_in_sync.load(Ordering::Relaxed)
    }

    pub(in crate::connect) fn set_in_sync(&self, is_in_sync: bool) {
        self.is_in_sync.store(is_in_sync, Ordering::Relaxed);
    }

    pub(in crate::connect) fn latency(&self) -> Option<Duration> {
        let micros = self.latency.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros.into()))
    }

    /// Adds a measurement to the average. A single slow one says little.
    pub(super) fn measured(&self, took: Duration) {
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
        let before = self.latency.load(Ordering::Relaxed);
        let average = if before == 0 { took } else { before / 4 * 3 + took / 4 };
        self.latency.store(average.max(1), Ordering::Relaxed);
    }
}

/// Where the writes of a master have got to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MasterPosition {
    /// Identifies the history of writes. Offsets compare only within one history.
    history: String,
    offset: i64,
}

impl MasterPosition {
    /// Reads the position of a master (`INFO replication`).
    pub(super) fn read(replication: &Reply) -> Option<Self> {
        let line = |name| read::info_line(replication, name);
        line("role").filter(|role| *role == "master")?;
        let offset = line("master_repl_offset")?.parse().ok()?;
        Some(Self { history: line("master_replid")?.to_owned(), offset })
    }
}

/// Whether a server that reports this (`INFO replication`) may be read from instead of the master.
pub(super) fn is_in_sync(replication: &Reply, master: Option<&MasterPosition>) -> bool {
    let line = |name| read::info_line(replication, name);
    let is_linked = line("role") == Some("slave")
        && line("master_link_status") == Some("up")
        && line("master_sync_in_progress") != Some("1");
    let is_current = line("master_last_io_seconds_ago")
        .and_then(|seconds| seconds.parse::<u64>().ok())
        .is_some_and(|seconds| seconds <= LONGEST_SILENCE);
    // While the master does not answer, its replicas may be read from all the same.
    let is_near = master.is_none_or(|master| {
        let offset = line("slave_repl_offset").and_then(|offset| offset.parse::<i64>().ok());
        line("master_replid") == Some(&master.history)
            && offset.is_some_and(|offset| master.offset.saturating_sub(offset) <= MOST_BEHIND)
    });
    is_linked && is_current && is_near
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(lines: &[(&str, &str)]) -> Reply {
        let text: String = lines.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
        Reply::Bulk(text.into())
    }

    const GOOD: [(&str, &str); 6] = [
        ("role", "slave"),
        ("master_link_status", "up"),
        ("master_last_io_seconds_ago", "1"),
        ("master_sync_in_progress", "0"),
        ("slave_repl_offset", "5000000"),
        ("master_replid", "abc"),
    ];

    fn with(name: &str, value: &str) -> Reply {
        info(&GOOD.map(|(known, old)| (known, if known == name { value } else { old })))
    }

    fn at(offset: i64) -> MasterPosition {
        MasterPosition { history: "abc".to_owned(), offset }
    }

    #[test]
    fn a_replica_with_a_link_and_most_of_the_data_is_in_sync() {
        assert!(is_in_sync(&info(&GOOD), Some(&at(5_000_100))) && is_in_sync(&info(&GOOD), None));
        // A write that the master got after it was asked.
        assert!(is_in_sync(&info(&GOOD), Some(&at(4_000_000))));
        assert!(!is_in_sync(&info(&GOOD), Some(&at(7_000_000))));
        for (name, value) in [
            ("role", "master"),
            ("master_link_status", "down"),
            ("master_last_io_seconds_ago", "60"),
            ("master_last_io_seconds_ago", "-1"),
            ("master_sync_in_progress", "1"),
            ("slave_repl_offset", "x"),
            // It follows another master.
            ("master_replid", "def"),
        ] {
            assert!(!is_in_sync(&with(name, value), Some(&at(5_000_000))), "{name} {value}");
        }
        assert!(!is_in_sync(&Reply::Error("NOPERM".to_owned()), None));
    }

    #[test]
    fn only_a_master_has_a_position_to_compare_with() {
        let of = |role| info(&[("role", role), ("master_repl_offset", "77"), ("master_replid", "abc")]);
        assert_eq!(MasterPosition::read(&of("master")), Some(at(77)));
        assert_eq!(MasterPosition::read(&of("slave")), None);
    }

    #[test]
    fn the_latency_is_an_average() {
        let condition = ReplicaCondition::default();
        assert_eq!(condition.latency(), None);
        (0..50).for_each(|_| condition.measured(Duration::from_micros(800)));
        condition.measured(Duration::from_millis(8));
        let latency = condition.latency().unwrap();
        assert!(latency > Duration::from_micros(700) && latency < Duration::from_millis(4), "{latency:?}");
    }
}
