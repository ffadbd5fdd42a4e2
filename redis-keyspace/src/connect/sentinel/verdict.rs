//! Decides from the reports of the sentinels which server is the master.

use super::report::SentinelReport;
use crate::config::Address;

/// The server that sentinels name as the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedMaster {
    pub(crate) address: Address,
    /// How often the master was replaced; `None` if the user may not ask.
    pub(crate) epoch: Option<u64>,
}

/// The report of a sentinel that answers.
pub(super) struct Voice<'r> {
    pub(super) report: &'r SentinelReport,
    /// A number that grows each time any sentinel names another address.
    pub(super) since: u64,
}

/// Returns the master. The report with the highest epoch is the newest, so it decides alone: the
/// first sentinel that knows of a switch is enough.
///
/// An epoch goes back only if sentinels are configured again; a few of them that were cut off must
/// not undo a switch. So an older epoch than the current one counts only if a majority of `known`
/// sentinels reports one, none reports the current one, and it `may_go_back`: the sentinel that
/// knew of the switch first may just have lost its connection.
///
/// If any sentinel does not tell its epoch, the reports can't be compared by it. Then the one that
/// changed last counts, and at first what most sentinels say.
pub(super) fn verdict(
    voices: &[Voice<'_>],
    known: usize,
    current: Option<&NamedMaster>,
    may_go_back: bool,
) -> Option<NamedMaster> {
    if voices.iter().any(|voice| voice.report.epoch.is_none()) {
        let votes = |address: &Address| voices.iter().filter(|voice| voice.report.master == *address).count();
        let best = voices.iter().max_by_key(|voice| {
            let votes = votes(&voice.report.master);
            if current.is_some() { (voice.since, votes) } else { (0, votes) }
        })?;
        return Some(NamedMaster { address: best.report.master.clone(), epoch: None });
    }
    let newest = voices.iter().map(|voice| voice.report.epoch).max()?;
    let is_older = current.is_some_and(|current| newest < current.epoch);
    if is_older && !(may_go_back && is_majority(voices.len(), known)) {
        return current.cloned();
    }
    let of_newest = || voices.iter().filter(|voice| voice.report.epoch == newest);
    let votes = |address: &Address| of_newest().filter(|voice| voice.report.master == *address).count();
    let best = of_newest().max_by_key(|voice| (votes(&voice.report.master), voice.since))?;
    Some(NamedMaster { address: best.report.master.clone(), epoch: newest })
}

/// Whether so many sentinels are more than half of those that are known.
pub(super) fn is_majority(sentinels: usize, known: usize) -> bool {
    sentinels > known / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(host: &str, epoch: Option<u64>) -> SentinelReport {
        SentinelReport { master: (host.to_owned(), 1), epoch, sentinels: Some(3) }
    }

    /// The master after these reports; each is an address, an epoch, and since when it names it.
    fn after(reports: &[(&str, Option<u64>, u64)], current: Option<(&str, Option<u64>)>) -> String {
        judged(reports, current, true)
    }

    fn judged(
        reports: &[(&str, Option<u64>, u64)],
        current: Option<(&str, Option<u64>)>,
        may_go_back: bool,
    ) -> String {
        let parsed: Vec<_> =
            reports.iter().map(|&(host, epoch, since)| (report(host, epoch), since)).collect();
        let voices: Vec<_> = parsed.iter().map(|(report, since)| Voice { report, since: *since }).collect();
        let current = current.map(|(host, epoch)| NamedMaster { address: (host.to_owned(), 1), epoch });
        verdict(&voices, 3, current.as_ref(), may_go_back).map_or_else(String::new, |master| master.address.0)
    }

    #[test]
    fn the_newest_epoch_decides() {
        assert_eq!(after(&[], None), "");
        assert_eq!(after(&[("a", Some(0), 1), ("a", Some(0), 2)], None), "a");
        // The first sentinel that knows of the switch.
        let (old, new) = (("a", Some(3), 9), ("b", Some(4), 1));
        assert_eq!(after(&[old, new, old], Some(("a", Some(3)))), "b");
        // The others were asked before it, and are asked again after it: no way back.
        assert_eq!(after(&[old], Some(("b", Some(4)))), "b");
        assert_eq!(after(&[new, old, old], Some(("b", Some(4)))), "b");
    }

    #[test]
    fn a_minority_can_not_undo_a_switch_and_a_majority_can() {
        let (old, current) = (("a", Some(0), 9), Some(("b", Some(4))));
        assert_eq!(after(&[old], current), "b");
        assert_eq!(after(&[old, old], current), "a");
        assert_eq!(judged(&[old, old], current, false), "b");
        assert_eq!(after(&[old, old, ("b", Some(4), 1)], current), "b");
    }

    #[test]
    fn without_epochs_the_last_change_decides() {
        let (a, b) = (|since| ("a", None, since), |since| ("b", None, since));
        // At first, it is not known who changed.
        assert_eq!(after(&[a(1), a(2), b(3)], None), "a");
        assert_eq!(after(&[a(1), a(2), b(3)], Some(("a", None))), "b");
        assert_eq!(after(&[a(1), b(2), b(3)], Some(("a", None))), "b");
        // One that tells its epoch does not outvote the others.
        assert_eq!(after(&[a(1), a(2), ("b", Some(0), 0)], None), "a");
        assert_eq!(after(&[("a", Some(7), 1), b(2)], Some(("a", None))), "b");
    }
}
