//! Where the reports of the sentinels meet, and where connections learn who the master is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::report::{ReportedSentinel, SentinelReport};
use super::state::{BoardState, RoundState, SentinelStatus};
use super::verdict::{NamedMaster, verdict};
use crate::config::{Address, WatchedMaster};
use crate::error::Error;
use crate::sync::lock;

/// How long the others may take once one sentinel has answered. It may have missed a switch.
const GRACE: Duration = Duration::from_millis(100);
/// How many sentinels are asked. More are not known to exist anywhere.
const MOST_SENTINELS: usize = 32;
/// How long all sentinels must report an older epoch than before, until it counts.
const GO_BACK: Duration = Duration::from_secs(2);
/// How long to wait for any answer while a master is known.
const SILENCE: Duration = Duration::from_millis(300);

/// The sentinels of one master, and what they report about it.
#[derive(Debug)]
pub(in crate::connect) struct SentinelBoard {
    name: String,
    /// How long to wait for any answer while a master is known.
    silence: Duration,
    /// Counts the requests to ask all sentinels now.
    rounds: watch::Sender<u64>,
    /// Counts the answers and failures.
    progress: watch::Sender<u64>,
    /// Counts the changes of the list of sentinels.
    roster: watch::Sender<u64>,
    master: watch::Sender<Option<Arc<NamedMaster>>>,
    /// Whether reads use replicas.
    wants_replicas: AtomicBool,
    state: Mutex<BoardState>,
}

impl SentinelBoard {
    pub(super) fn new(watched: &WatchedMaster, connect_timeout: Duration) -> Self {
        let mut state = BoardState::default();
        watched.sentinels.iter().for_each(|address| state.add(address.clone(), None, true));
        Self {
            name: watched.name.clone(),
            silence: SILENCE.min(connect_timeout / 3),
            rounds: watch::Sender::new(1),
            progress: watch::Sender::new(0),
            roster: watch::Sender::new(0),
            master: watch::Sender::new(None),
            wants_replicas: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// The name of the master.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The sentinels, each with a number that identifies it.
    pub(super) fn sentinels(&self) -> Vec<(u64, Address)> {
        lock(&self.state).sentinels.iter().map(|entry| (entry.number, entry.address.clone())).collect()
    }

    /// Changes whenever the list of sentinels changes.
    pub(super) fn roster(&self) -> watch::Receiver<u64> {
        self.roster.subscribe()
    }

    /// Changes whenever all sentinels are to be asked.
    pub(super) fn rounds(&self) -> watch::Receiver<u64> {
        self.rounds.subscribe()
    }

    /// Changes whenever another server is the master.
    pub(in crate::connect) fn master(&self) -> watch::Receiver<Option<Arc<NamedMaster>>> {
        self.master.subscribe()
    }

    /// Requests that all sentinels are asked now. Returns the number of the request.
    pub(super) fn request(&self) -> u64 {
        let mut round = 0;
        self.rounds.send_modify(|rounds| {
            *rounds += 1;
            round = *rounds;
        });
        round
    }

    /// Asks all sentinels, and returns the master. Does not wait long for a sentinel once another
    /// one has answered. If none answers, the last known master counts. The caller limits the time.
    pub(in crate::connect) async fn ask(&self) -> Result<Arc<NamedMaster>, Error> {
        let mut progress = self.progress.subscribe();
        let round = self.request();
        let asked = Instant::now();
        let mut grace = None;
        loop {
            let round_state = lock(&self.state).round_state(round);
            let until = match round_state {
                RoundState::All => return self.answer(),
                RoundState::Some => Some(*grace.get_or_insert_with(|| Instant::now() + GRACE)),
                RoundState::Nobody => self.master.borrow().is_some().then(|| asked + self.silence),
            };
            let news = progress.changed();
            let is_over = match until {
                Some(until) => timeout_at(until, news).await.is_err(),
                None => news.await.is_err(),
            };
            if is_over {
                return self.answer();
            }
        }
    }

    fn answer(&self) -> Result<Arc<NamedMaster>, Error> {
        // Never locked together: `decide` publishes the master while it holds the state.
        let master = self.master.borrow().clone();
        master.ok_or_else(|| lock(&self.state).no_answer(&self.name))
    }

    /// Records what a sentinel reported when it was asked because of this request.
    pub(super) fn reported(&self, number: u64, round: u64, report: SentinelReport) {
        self.update(number, round, Ok(report));
    }

    /// Records that a sentinel did not answer.
    pub(super) fn failed(&self, number: u64, round: u64, error: Error) {
        self.update(number, round, Err(error));
    }

    fn update(&self, number: u64, round: u64, outcome: Result<SentinelReport, Error>) {
        let mut state = lock(&self.state);
        let mut changes = state.changes;
        let Some(entry) = state.sentinels.iter_mut().find(|entry| entry.number == number) else { return };
        entry.round = entry.round.max(round);
        match outcome {
            Ok(report) => {
                // Its first report is no change: it may not know yet what others report already.
                if entry.report.as_ref().is_some_and(|before| before.master != report.master) {
                    changes += 1;
                    entry.since = changes;
                }
                entry.report = Some(report);
                entry.failure = None;
            }
            Err(error) => {
                let (host, port) = &entry.address;
                if entry.failure.is_none() {
                    event!(warn, "a sentinel does not answer", host = %host, port = *port, error = %error);
                }
                entry.failure = Some(error);
            }
        }
        state.changes = changes;
        self.decide(&mut state);
        drop(state);
        self.progress.send_modify(|progress| *progress = progress.wrapping_add(1));
    }

    fn decide(&self, state: &mut BoardState) {
        let status = state.status(None);
        // A sentinel that was learned just now has not been asked.
        let was_tried = state.sentinels.iter().all(|entry| entry.round > 0 || !entry.is_configured);
        let lacks_majority = was_tried && !status.has_majority();
        if std::mem::replace(&mut state.lacks_majority, lacks_majority) != lacks_majority {
            let (name, answering, known) = (&self.name, status.answering, status.known);
            if lacks_majority {
                event!(
                    warn,
                    "fewer than a majority of the sentinels answer: a switch of the master may be missed",
                    master = %name, answering = answering, known = known
                );
            } else {
                event!(
                    info,
                    "a majority of the sentinels answers again",
                    master = %name, answering = answering, known = known
                );
            }
        }
        let voices: Vec<_> = state.voices().collect();
        let current = self.master.borrow().clone();
        let is_confirmed = current
            .as_ref()
            .is_none_or(|current| voices.iter().any(|voice| voice.report.epoch >= current.epoch));
        let now = Instant::now();
        let last_confirmed = state.last_confirmed.filter(|_| !is_confirmed).unwrap_or(now);
        let may_go_back = now.duration_since(last_confirmed) >= GO_BACK;
        let master = verdict(&voices, status.known, current.as_deref(), may_go_back);
        state.last_confirmed = Some(last_confirmed);
        let Some(master) = master else { return };
        if current.as_deref() == Some(&master) {
            return;
        }
        let is_switch = current.is_some_and(|current| current.address != master.address);
        state.switches += u64::from(is_switch);
        if is_switch {
            count!("redis_keyspace_master_switches_total", "master" => self.name.clone());
            let (host, port) = &master.address;
            event!(info, "another server is the master", master = %self.name, host = %host, port = *port);
        }
        self.master.send_replace(Some(Arc::new(master)));
    }

    /// Records the id of a sentinel. Several addresses may lead to the same one.
    pub(super) fn identified(&self, number: u64, id: String) {
        let mut state = lock(&self.state);
        if let Some(entry) = state.sentinels.iter_mut().find(|entry| entry.number == number) {
            entry.id = Some(id);
        }
    }

    /// Adds the sentinels that one of them lists, and forgets learned ones that do not answer and
    /// are not listed.
    pub(super) fn listed(&self, listed: Vec<ReportedSentinel>) {
        let mut state = lock(&self.state);
        let before = (state.last, state.sentinels.len());
        state.sentinels.retain(|entry| {
            let is_listed = listed.iter().any(|sentinel| sentinel.address == entry.address);
            entry.is_configured || entry.failure.is_none() || is_listed
        });
        for ReportedSentinel { id, address } in listed {
            // A configured name may stand for the address, and an entry that fails for a sentinel
            // that has another address now.
            let is_known = state.sentinels.iter().any(|entry| {
                entry.address == address || (entry.id.as_ref() == Some(&id) && entry.failure.is_none())
            });
            if !is_known && state.sentinels.len() < MOST_SENTINELS {
                state.add(address, Some(id).filter(|id| !id.is_empty()), false);
            }
        }
        let is_change = before != (state.last, state.sentinels.len());
        drop(state);
        if is_change {
            self.roster.send_modify(|roster| *roster = roster.wrapping_add(1));
        }
    }

    /// Asks the sentinels for replicas from now on.
    pub(in crate::connect) fn want_replicas(&self) {
        if !self.wants_replicas.swap(true, Ordering::Relaxed) {
            self.request();
        }
    }

    /// Whether the sentinels are to be asked for replicas.
    pub(super) fn wants_replicas(&self) -> bool {
        self.wants_replicas.load(Ordering::Relaxed)
    }

    /// Records the replicas that a sentinel knows.
    pub(super) fn found_replicas(&self, number: u64, replicas: Vec<Address>) {
        let mut state = lock(&self.state);
        if let Some(entry) = state.sentinels.iter_mut().find(|entry| entry.number == number) {
            entry.replicas = replicas;
        }
    }

    /// The replicas of the master that any sentinel knows. Some sentinels may not know all of them.
    pub(in crate::connect) fn replicas(&self) -> Vec<Address> {
        let master = self.master.borrow().clone();
        let state = lock(&self.state);
        let of_master = state
            .answering()
            .filter(|(_, report)| master.as_ref().is_some_and(|master| master.address == report.master));
        let mut replicas: Vec<_> = of_master.flat_map(|(entry, _)| entry.replicas.clone()).collect();
        replicas.sort_unstable();
        replicas.dedup();
        replicas
    }

    pub(in crate::connect) fn status(&self) -> SentinelStatus {
        let master = self.master.borrow().as_ref().map(|master| master.address.clone());
        lock(&self.state).status(master)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn board(sentinels: &[&str]) -> SentinelBoard {
        let sentinels = sentinels.iter().map(|&host| (host.to_owned(), 1)).collect();
        SentinelBoard::new(&WatchedMaster { name: "m".to_owned(), sentinels }, Duration::from_secs(2))
    }

    fn names(host: &str, epoch: u64) -> SentinelReport {
        SentinelReport { master: (host.to_owned(), 1), epoch: Some(epoch), sentinels: Some(3) }
    }

    fn down() -> Error {
        Error::new(ErrorKind::Unavailable, "refused")
    }

    fn listed(id: &str, host: &str) -> ReportedSentinel {
        ReportedSentinel { id: id.to_owned(), address: (host.to_owned(), 1) }
    }

    #[tokio::test]
    async fn one_answer_is_enough_and_the_last_known_master_counts() {
        let board = board(&["s1", "s2"]);
        let ask = board.ask();
        let answers = async {
            let round = *board.rounds().borrow();
            board.reported(1, round, names("a", 0));
            board.failed(2, round, down());
        };
        let (master, ()) = tokio::join!(ask, answers);
        assert_eq!(master.unwrap().address.0, "a");
        let failures = async {
            let round = *board.rounds().borrow();
            [1, 2].into_iter().for_each(|number| board.failed(number, round, down()));
        };
        let (master, ()) = tokio::join!(board.ask(), failures);
        assert_eq!(master.unwrap().address.0, "a");
        assert!(!board.status().has_majority());
    }

    #[tokio::test]
    async fn without_any_answer_all_failures_are_named() {
        let board = board(&["s1", "s2"]);
        let failures = async {
            let round = *board.rounds().borrow();
            [1, 2].into_iter().for_each(|number| board.failed(number, round, down()));
        };
        let (master, ()) = tokio::join!(board.ask(), failures);
        let error = master.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let text = error.to_string();
        assert!(text.contains("s1:1") && text.contains("s2:1"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sentinel_that_does_not_answer_holds_nothing_up() {
        let board = board(&["s1", "s2"]);
        let answer = async { board.reported(1, *board.rounds().borrow(), names("a", 0)) };
        let (master, ()) = tokio::join!(board.ask(), answer);
        assert_eq!(master.unwrap().address.0, "a");
    }

    #[test]
    fn sentinels_are_learned_once_and_forgotten_when_they_are_gone() {
        let board = board(&["name"]);
        board.reported(1, 1, names("a", 0));
        board.identified(1, "x".to_owned());
        assert_eq!((board.status().known, board.status().answering), (3, 1));
        board.listed(vec![listed("y", "s2"), listed("z", "s3"), listed("x", "s1")]);
        board.listed(vec![listed("y", "s2"), listed("z", "s3")]);
        let addresses = || board.sentinels().into_iter().map(|(_, (host, _))| host).collect::<Vec<_>>();
        assert_eq!(addresses(), ["name", "s2", "s3"]);
        // One of them failed and is not listed any more.
        board.failed(3, 1, down());
        board.listed(vec![listed("y", "s2")]);
        assert_eq!(addresses(), ["name", "s2"]);
        // One of them has another address now.
        board.failed(2, 1, down());
        board.listed(vec![listed("y", "s4")]);
        assert_eq!(addresses(), ["name", "s4"]);
    }

    #[test]
    fn a_switch_is_counted_and_published() {
        let board = board(&["s1", "s2", "s3"]);
        let master = board.master();
        (1..=3).for_each(|number| board.reported(number, 1, names("a", 0)));
        assert_eq!(board.status().switches, 0);
        board.reported(2, 1, names("b", 1));
        assert_eq!(board.status().switches, 1);
        assert_eq!(master.borrow().as_ref().map(|master| master.address.0.clone()), Some("b".to_owned()));
        board.reported(1, 1, names("a", 0));
        (1..=3).for_each(|number| board.reported(number, 1, names("b", 1)));
        assert_eq!((board.status().switches, board.status().answering), (1, 3));
    }

    #[test]
    fn a_sentinel_that_was_down_from_the_start_is_counted_once() {
        let board = board(&["s1", "s2", "s3"]);
        for (number, id) in [(1, "x"), (2, "y")] {
            board.reported(number, 1, names("a", 0));
            board.identified(number, id.to_owned());
        }
        board.failed(3, 1, down());
        board.listed(vec![listed("z", "10.0.0.3")]);
        let status = board.status();
        assert_eq!((status.known, status.answering), (3, 2));
        assert!(status.has_majority());
        board.failed(2, 2, down());
        assert!(!board.status().has_majority());
    }

    #[test]
    fn without_epochs_the_first_report_of_a_sentinel_undoes_no_switch() {
        let board = board(&["s1", "s2", "s3"]);
        let names = |host| SentinelReport { epoch: None, ..names(host, 0) };
        let master = || board.status().master.unwrap().0;
        [1, 2].into_iter().for_each(|number| board.reported(number, 1, names("a")));
        [1, 2].into_iter().for_each(|number| board.reported(number, 2, names("b")));
        assert_eq!(master(), "b");
        // It was not reachable before, and does not know of the switch.
        board.reported(3, 2, names("a"));
        assert_eq!(master(), "b");
        board.reported(3, 3, names("b"));
        board.reported(3, 4, names("c"));
        assert_eq!(master(), "c", "a later report is a change");
    }
}
