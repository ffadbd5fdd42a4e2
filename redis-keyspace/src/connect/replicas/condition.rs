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

/// Whether a server that reports this (`INFO replication`) may be read from instead of a master
/// with this offset.
pub(super) fn is_in_sync(replication: &Reply, master_offset: Option<i64>) -> bool {
    let line = |name| read::info_line(replication, name);
    let number = |name| line(name).and_then(|number| number.parse::<i64>().ok());
    let is_linked = line("role") == Some("slave")
        && line("master_link_status") == Some("up")
        && line("master_sync_in_progress") != Some("1");
    let is_current = line("master_last_io_seconds_ago")
        .and_then(|seconds| seconds.parse::<u64>().ok())
        .is_some_and(|seconds| seconds <= LONGEST_SILENCE);
    let is_near = match (master_offset, number("slave_repl_offset")) {
        (Some(master), Some(replica)) => master.saturating_sub(replica) <= MOST_BEHIND,
        (None, _) => true,
        (_, None) => false,
    };
    is_linked && is_current && is_near
}

/// Returns the offset of a master (`INFO replication`).
pub(super) fn offset_of_master(replication: &Reply) -> Option<i64> {
    let is_master = read::info_line(replication, "role") == Some("master");
    read::info_line(replication, "master_repl_offset").filter(|_| is_master)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(lines: &[(&str, &str)]) -> Reply {
        let text: String = lines.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
        Reply::Bulk(text.into())
    }

    const GOOD: [(&str, &str); 5] = [
        ("role", "slave"),
        ("master_link_status", "up"),
        ("master_last_io_seconds_ago", "1"),
        ("master_sync_in_progress", "0"),
        ("slave_repl_offset", "5000000"),
    ];

    fn with(name: &str, value: &str) -> Reply {
        info(&GOOD.map(|(known, old)| (known, if known == name { value } else { old })))
    }

    #[test]
    fn a_replica_with_a_link_and_most_of_the_data_is_in_sync() {
        assert!(is_in_sync(&info(&GOOD), Some(5_000_100)) && is_in_sync(&info(&GOOD), None));
        // A write that the master got after it was asked.
        assert!(is_in_sync(&info(&GOOD), Some(4_000_000)));
        assert!(!is_in_sync(&info(&GOOD), Some(7_000_000)));
        for (name, value) in [
            ("role", "master"),
            ("master_link_status", "down"),
            ("master_last_io_seconds_ago", "60"),
            ("master_last_io_seconds_ago", "-1"),
            ("master_sync_in_progress", "1"),
            ("slave_repl_offset", "x"),
        ] {
            assert!(!is_in_sync(&with(name, value), Some(5_000_000)), "{name} {value}");
        }
        assert!(!is_in_sync(&Reply::Error("NOPERM".to_owned()), None));
    }

    #[test]
    fn only_a_master_has_the_offset_to_compare_with() {
        let master = info(&[("role", "master"), ("master_repl_offset", "77")]);
        assert_eq!(offset_of_master(&master), Some(77));
        assert_eq!(offset_of_master(&info(&[("role", "slave"), ("master_repl_offset", "77")])), None);
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
