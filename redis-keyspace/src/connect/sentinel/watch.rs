//! The tasks that ask the sentinels and listen to them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::{Handle, Id};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::board::SentinelBoard;
use super::report::{
    id_command, read_replicas, read_report, read_sentinels, replicas_command, report_commands,
    sentinels_command, text,
};
use super::session::SentinelSession;
use crate::config::{Address, AddressMap, Endpoint, SentinelAccess, Settings, WatchedMaster};
use crate::connect::facts::ServerFacts;
use crate::error::{Budget, Error, ErrorKind};
use crate::protocol::Reply;
use crate::sync::lock;
use crate::task::spawn;
use crate::time::Backoff;

/// How often each sentinel is asked. Announcements may get lost with a connection, and a switch
/// must be known within a second.
const EVERY: Duration = Duration::from_millis(500);
/// How long a sentinel may take to answer.
const ANSWER: Duration = Duration::from_secs(1);
/// How often a sentinel is asked for the others.
const LIST_EVERY: Duration = Duration::from_secs(10);
/// The pauses between attempts to connect to a sentinel.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What the connections to the sentinels of a master depend on. Pools that agree in it share them.
#[derive(Clone, PartialEq, Eq, Hash)]
struct WatchKey {
    master: WatchedMaster,
    access: SentinelAccess,
    address_map: Option<AddressMap>,
    connect_timeout: Duration,
    runtime: Id,
}

static WATCHES: LazyLock<Mutex<HashMap<WatchKey, Weak<SentinelWatch>>>> = LazyLock::new(Mutex::default);

/// The tasks that watch a master through its sentinels. They end with this value.
pub(in crate::connect) struct SentinelWatch {
    board: Arc<SentinelBoard>,
    task: AbortHandle,
    key: WatchKey,
}

impl SentinelWatch {
    /// Returns the watch of this master. Starts it if no other pool of the runtime has it.
    pub(in crate::connect) fn obtain(
        settings: &Settings,
        master: &WatchedMaster,
        runtime: &Handle,
    ) -> Arc<Self> {
        let key = WatchKey {
            master: master.clone(),
            access: settings.sentinel.clone(),
            address_map: settings.address_map.clone(),
            connect_timeout: settings.connect_timeout,
            runtime: runtime.id(),
        };
        let mut watches = lock(&WATCHES);
        watches.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let board = Arc::new(SentinelBoard::new(master, settings.connect_timeout));
            let task = spawn(runtime, watch_all(Arc::clone(&board), key.clone()));
            let watch = Arc::new(Self { board, task, key: key.clone() });
            watches.insert(key, Arc::downgrade(&watch));
            watch
        })
    }

    pub(in crate::connect) fn board(&self) -> &Arc<SentinelBoard> {
        &self.board
    }
}

impl Drop for SentinelWatch {
    fn drop(&mut self) {
        self.task.abort();
        // The key contains a password. Another watch may have its place already.
        let mut watches = lock(&WATCHES);
        if watches.get(&self.key).is_some_and(|watch| watch.strong_count() == 0) {
            watches.remove(&self.key);
        }
    }
}

impl WatchKey {
    /// The settings of a connection to a sentinel.
    fn settings(&self, (host, port): Address) -> Settings {
        Settings {
            endpoint: Endpoint::Tcp { host, port },
            username: self.access.username.clone(),
            password: self.access.password.clone(),
            #[cfg(feature = "tls")]
            tls: self.access.tls.clone(),
            address_map: self.address_map.clone(),
            connect_timeout: self.connect_timeout,
            ..Settings::default()
        }
    }
}

/// Runs one task for each known sentinel.
async fn watch_all(board: Arc<SentinelBoard>, key: WatchKey) {
    let mut roster = board.roster();
    let mut tasks = JoinSet::new();
    let mut handles = HashMap::<u64, AbortHandle>::new();
    loop {
        roster.mark_unchanged();
        let sentinels = board.sentinels();
        handles.retain(|number, handle| {
            let is_listed = sentinels.iter().any(|(listed, _)| listed == number);
            if !is_listed {
                handle.abort();
            }
            is_listed
        });
        for (number, address) in sentinels {
            let settings = || key.settings(address);
            // Boxed for the reason of `task::spawn`.
            handles
                .entry(number)
                .or_insert_with(|| tasks.spawn(keep_asking(Arc::clone(&board), number, settings()).boxed()));
        }
        while tasks.try_join_next().is_some() {}
        if roster.changed().await.is_err() {
            return;
        }
    }
}

/// Connects to one sentinel again and again, and reports what it says.
async fn keep_asking(board: Arc<SentinelBoard>, number: u64, settings: Settings) {
    let facts = ServerFacts::new(&settings);
    let mut rounds = board.rounds();
    let pauses = || Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut pause = pauses();
    loop {
        let (mut has_answered, mut round) = (false, *rounds.borrow_and_update());
        let asking = SentinelTask { board: &board, number, settings: &settings, facts: &facts };
        let error = asking.run(&mut rounds, &mut round, &mut has_answered).await;
        board.failed(number, round, error);
        if has_answered {
            pause = pauses();
        }
        tokio::select! {
            () = sleep(pause.pause()) => {}
            // A caller waits for the answer. Pace it all the same: there may be many callers.
            _ = rounds.changed() => sleep(FIRST_PAUSE / 2).await,
        }
    }
}

/// One connection to a sentinel.
struct SentinelTask<'a> {
    board: &'a SentinelBoard,
    number: u64,
    settings: &'a Settings,
    facts: &'a ServerFacts,
}

impl SentinelTask<'_> {
    /// Asks until the connection fails, and returns why it did.
    async fn run(
        &self,
        rounds: &mut watch::Receiver<u64>,
        round: &mut u64,
        has_answered: &mut bool,
    ) -> Error {
        let limit = ANSWER.min(self.settings.connect_timeout);
        let name = self.board.name();
        let late = || Error::new(ErrorKind::Unavailable, format!("no answer within {limit:?}"));
        let opening = SentinelSession::open(self.settings, self.facts, name);
        let opened = timeout(self.settings.connect_timeout, opening).await;
        let mut session = match opened
            .unwrap_or_else(|_| Err(Error::timeout(Budget::Connect, self.settings.connect_timeout)))
        {
            Ok(session) => session,
            Err(error) => return error,
        };
        let mut listed = None::<Instant>;
        loop {
            let lists = listed.is_none_or(|at| at.elapsed() > LIST_EVERY);
            let asked = timeout(limit, self.ask(&mut session, lists, *round)).await;
            if let Err(error) = asked.unwrap_or_else(|_| Err(late())) {
                return error;
            }
            *has_answered = true;
            if lists {
                listed = Some(Instant::now());
            }
            tokio::select! {
                news = session.news() => match news {
                    // The others may know it too, or not yet: this one decides by its epoch.
                    Ok(()) => *round = self.board.request(),
                    Err(error) => return error,
                },
                _ = rounds.changed() => {}
                () = sleep(EVERY) => {}
            }
            *round = *rounds.borrow_and_update();
        }
    }

    async fn ask(&self, session: &mut SentinelSession, lists: bool, round: u64) -> Result<(), Error> {
        let name = self.board.name();
        let mut packets = report_commands(name).to_vec();
        if lists {
            packets.extend([id_command(), sentinels_command(name)]);
        }
        let wants_replicas = self.board.wants_replicas();
        if wants_replicas {
            packets.push(replicas_command(name));
        }
        let mut replies = session.ask(&packets).await?.into_iter();
        let mut next = || replies.next().unwrap_or(Reply::Nil);
        let report = read_report(name, next(), next())?;
        self.board.reported(self.number, round, report);
        if lists {
            // Servers before version 6.2 do not know their id, and a user may not be permitted to
            // ask. Then addresses tell sentinels apart.
            if let Some(id) = text(&next()) {
                self.board.identified(self.number, id.to_owned());
            }
            if let Ok(others) = read_sentinels(next()) {
                self.board.listed(others);
            }
        }
        // A user who may not ask for replicas reads from the master.
        if wants_replicas && let Ok(replicas) = read_replicas(next()) {
            self.board.found_replicas(self.number, replicas);
        }
        Ok(())
    }
}
