//! The facts that a pool has learned about its server.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::watch;
use tokio::time::Instant;

use super::abilities::Abilities;
use super::atomicity::Atomicity;
use super::breaker::Breaker;
use super::credentials::CredentialCache;
use super::demotion::Demotions;
use super::login_history::LoginHistory;
use super::search::Search;
use super::sentinel::board::SentinelBoard;
pub(crate) use super::server_run::ServerRun;
#[cfg(feature = "tls")]
use super::tls::TlsContext;
use crate::config::{LoginMode, Settings};
use crate::error::{Budget, Error};
use crate::protocol::ReplacedCommand;
use crate::sync::lock;

/// How many server runs are remembered. A forgotten run counts as a new one when it returns.
const RUNS: usize = 16;

/// What a server reports about itself at the login.
#[derive(Default)]
pub(crate) struct ServerInfo {
    /// Whether the server reports that it is a node of a cluster. Servers before version 6 do not
    /// report it.
    pub(crate) is_cluster: bool,
    /// Whether the server reports another mode: it is no node of a cluster.
    pub(super) has_other_mode: bool,
    /// The role that HELLO reports.
    pub(super) role: Option<String>,
    /// The id of the server's run, if the user is permitted to read it.
    pub(crate) run_id: Option<String>,
    /// The name and the version that HELLO reports, such as `redis 7.0.15`.
    pub(super) software: Option<String>,
    /// What the server accepts for atomic operations.
    pub(crate) atomicity: Atomicity,
    /// The host that was reached, if several are configured.
    pub(super) reached: Option<String>,
    /// Whether it was a plain login, at which the server reports nothing.
    pub(crate) is_plain: bool,
}

impl ServerInfo {
    /// Records the mode that the server reports, if it does.
    pub(super) fn note_mode(&mut self, mode: Option<&str>) {
        self.is_cluster |= mode == Some("cluster");
        self.has_other_mode |= mode.is_some_and(|mode| mode != "cluster");
    }
}

/// The facts that a pool has learned about its server.
#[derive(Debug)]
pub(crate) struct ServerFacts {
    /// The address of the server, for metrics.
    server: Arc<str>,
    pub(crate) breaker: Breaker,
    pub(super) search: Arc<Search>,
    last_error: Mutex<Option<String>>,
    failing: AtomicBool,
    /// Whether the server was a node of a cluster at the last login that asked.
    cluster: AtomicBool,
    /// Whether the nodes of its cluster report their mode.
    reports_mode: AtomicBool,
    pub(super) logins: LoginHistory,
    /// Set if a provider returns the credentials.
    pub(super) credentials: Option<Arc<CredentialCache>>,
    #[cfg(feature = "tls")]
    pub(super) tls: Arc<TlsContext>,
    /// Whether the server closes the connection after INFO.
    closes_on_info: AtomicBool,
    /// The latest runs, with their ids.
    runs: Mutex<Vec<(String, ServerRun)>>,
    /// The run that the first connection found, and whether later ones have found another run.
    first_run: OnceLock<ServerRun>,
    /// The hosts at which the latest runs were reached, if several are configured.
    hosts: Mutex<Vec<(ServerRun, String)>>,
    has_other_run: AtomicBool,
    pub(crate) abilities: Abilities,
    /// Whether the server refused a script that writes several keys.
    refuses_scripts: AtomicBool,
    /// Whether the configuration permits only commands that every proxy accepts.
    is_login_plain: bool,
    pub(crate) connects: AtomicU64,
    pub(crate) failed_connects: AtomicU64,
    pub(crate) lost_connections: AtomicU64,
    /// Exclusive connections that were closed because of the state in which their users left them.
    pub(crate) modified_connections: AtomicU64,
    /// Incremented when older connections must no longer be used.
    generation: AtomicU64,
    /// Changes with it.
    generations: watch::Sender<()>,
    /// When the server was found to be a replica.
    demotions: Mutex<Demotions>,
    /// When another node of the cluster was found to have replaced this one as a master.
    replaced: Mutex<Option<Instant>>,
    /// Names the master, if sentinels do.
    pub(super) sentinels: OnceLock<Arc<SentinelBoard>>,
    /// Counts how often the master was replaced. Connections to the old one must not be used.
    replacements: watch::Sender<u64>,
    /// Counts the attempts to connect, if several nodes of a cluster are configured.
    seeds: AtomicUsize,
}

impl ServerFacts {
    pub(crate) fn new(settings: &Settings) -> Self {
        let server: Arc<str> = settings.endpoint.to_string().into();
        Self {
            breaker: Breaker::new(settings.breaker, Arc::clone(&server)),
            server,
            search: Arc::default(),
            last_error: Mutex::default(),
            failing: AtomicBool::new(false),
            cluster: AtomicBool::new(false),
            reports_mode: AtomicBool::new(false),
            logins: LoginHistory::default(),
            credentials: CredentialCache::of(settings),
            #[cfg(feature = "tls")]
            tls: Arc::default(),
            closes_on_info: AtomicBool::new(false),
            runs: Mutex::default(),
            first_run: OnceLock::new(),
            hosts: Mutex::default(),
            has_other_run: AtomicBool::new(false),
            abilities: Abilities::default(),
            refuses_scripts: AtomicBool::new(false),
            is_login_plain: settings.login == LoginMode::Plain,
            connects: AtomicU64::new(0),
            failed_connects: AtomicU64::new(0),
            lost_connections: AtomicU64::new(0),
            modified_connections: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            generations: watch::Sender::new(()),
            demotions: Mutex::default(),
            replaced: Mutex::default(),
            sentinels: OnceLock::new(),
            replacements: watch::Sender::new(0),
            seeds: AtomicUsize::new(0),
        }
    }

    /// Records the outcome of an attempt to connect. Returns whether the server must be probed from
    /// now on.
    pub(crate) fn note(&self, error: Option<&Error>) -> bool {
        self.failing.store(error.is_some(), Ordering::Relaxed);
        match error {
            None => {
                self.connects.fetch_add(1, Ordering::Relaxed);
                count!("redis_keyspace_connects_total", "outcome" => "ok", "server" => Arc::clone(&self.server));
                self.breaker.succeeded();
                false
            }
            Some(error) => {
                self.failed_connects.fetch_add(1, Ordering::Relaxed);
                count!("redis_keyspace_connects_total", "outcome" => "error", "server" => Arc::clone(&self.server));
                self.set_last_error(error);
                event!(warn, "can't connect to Redis", error = %error);
                self.breaker.failed(error)
            }
        }
    }

    /// Records that a connection broke, idle or with commands in flight. Returns whether the server
    /// must be probed from now on.
    pub(crate) fn note_loss(&self, error: &Error, was_idle: bool) -> bool {
        self.lost_connections.fetch_add(1, Ordering::Relaxed);
        count!("redis_keyspace_lost_connections_total", "server" => Arc::clone(&self.server));
        self.set_last_error(error);
        event!(warn, "connection to Redis lost", error = %error);
        // A lost idle connection is no failure: servers and network devices may close it at any
        // time.
        !was_idle && self.breaker.lost(error)
    }

    /// Adds the likely cause to the error of an attempt to connect that took too long.
    pub(super) fn explain_timeout(&self, error: Error) -> Error {
        if error.budget() != Some(Budget::Connect) {
            return error;
        }
        if self.credentials.as_ref().is_some_and(|cache| cache.is_awaited()) {
            return error.of_late_credentials();
        }
        #[cfg(feature = "tls")]
        let error = self.tls.explain_timeout(error);
        error
    }

    /// The address of the server, for metrics.
    pub(super) fn server_name(&self) -> Arc<str> {
        Arc::clone(&self.server)
    }

    fn set_last_error(&self, error: &Error) {
        *lock(&self.last_error) = Some(error.to_string());
    }

    /// Records what a new connection found, and returns the run of the server. A server that
    /// reports no id counts as a new run each time.
    pub(crate) fn note_server(&self, server: &ServerInfo) -> ServerRun {
        // A plain login does not find out, and servers before version 6 may not tell.
        if server.is_cluster {
            self.learn_cluster();
        }
        if !server.is_plain {
            self.abilities.note_login(server.run_id.as_deref(), server.software.as_deref());
            if server.is_cluster {
                self.learn_that_nodes_report_mode();
            }
        }
        let run = self.run_of(server);
        // Without an id, each connection counts as another run.
        let known = server.run_id.is_some().then_some(run);
        if lock(&self.demotions).is_over(known, server.role.as_deref() == Some("master")) {
            self.new_generation();
        }
        if *self.first_run.get_or_init(|| run) != run {
            self.has_other_run.store(true, Ordering::Relaxed);
        }
        if let Some(host) = &server.reached {
            let mut hosts = lock(&self.hosts);
            hosts.retain(|(known, _)| *known != run);
            hosts.push((run, host.clone()));
            if hosts.len() > RUNS {
                hosts.remove(0);
            }
        }
        run
    }

    /// Returns the host at which a run was reached, if several are configured.
    pub(super) fn host_of(&self, run: ServerRun) -> Option<String> {
        lock(&self.hosts).iter().find(|(known, _)| *known == run).map(|(_, host)| host.clone())
    }

    fn run_of(&self, server: &ServerInfo) -> ServerRun {
        let Some(run_id) = &server.run_id else { return ServerRun::new() };
        let mut runs = lock(&self.runs);
        if let Some((_, run)) = runs.iter().find(|(known, _)| known == run_id) {
            return *run;
        }
        let run = ServerRun::new();
        runs.push((run_id.clone(), run));
        if runs.len() > RUNS {
            runs.remove(0);
        }
        run
    }

    /// Whether the server has a newer command, or may have it. A proxy that accepts only a plain
    /// login may close the connection when it receives a command that it does not know.
    pub(crate) fn may_have(&self, command: ReplacedCommand) -> bool {
        !self.is_login_plain && !self.logins.is_plain() && self.abilities.get(command) != Some(false)
    }

    /// Whether the server is known to have a newer command.
    pub(crate) fn has(&self, command: ReplacedCommand) -> bool {
        self.abilities.get(command) == Some(true)
    }

    /// Records whether the server has a newer command.
    pub(crate) fn learn(&self, command: ReplacedCommand, is_present: bool) {
        self.abilities.learn(command, is_present);
    }

    /// Whether INFO must not be sent, because a proxy closes the connection after it.
    pub(crate) fn is_without_info(&self) -> bool {
        self.logins.is_plain() || self.closes_on_info.load(Ordering::Relaxed)
    }

    /// Records that the server closes the connection after INFO.
    pub(crate) fn learn_that_info_closes(&self) {
        self.closes_on_info.store(true, Ordering::Relaxed);
    }

    /// Records that the server is a node of a cluster.
    pub(super) fn learn_cluster(&self) {
        self.cluster.store(true, Ordering::Relaxed);
    }

    /// Whether the server was a node of a cluster at the last login that asked.
    pub(crate) fn is_cluster(&self) -> bool {
        self.cluster.load(Ordering::Relaxed)
    }

    /// Whether a script for several commands of a batch may write only one key: while a slot of a
    /// cluster is being moved, a command on several keys can fail, and a server refuses a script if
    /// the user may not write one of its keys.
    pub(super) fn merges_one_key(&self) -> bool {
        self.is_cluster() || self.refuses_scripts.load(Ordering::Relaxed)
    }

    /// Records that the server refused a script that writes several keys.
    pub(super) fn note_refused_script(&self) {
        self.refuses_scripts.store(true, Ordering::Relaxed);
    }

    /// Records that the nodes of the cluster report their mode.
    pub(super) fn learn_that_nodes_report_mode(&self) {
        self.reports_mode.store(true, Ordering::Relaxed);
    }

    /// Whether the nodes of the cluster report their mode. A server that reports another one is
    /// none of them.
    pub(super) fn do_nodes_report_mode(&self) -> bool {
        self.reports_mode.load(Ordering::Relaxed)
    }

    /// Whether all connections have led to the same run of a server. If not, another server may
    /// have the address now.
    pub(super) fn is_same_run(&self) -> bool {
        !self.has_other_run.load(Ordering::Relaxed)
    }

    /// Returns the number of the configured node to connect to first.
    pub(super) fn next_seed(&self) -> usize {
        self.seeds.fetch_add(1, Ordering::Relaxed)
    }

    /// Records whether another node of the cluster has replaced this one as a master.
    pub(super) fn set_replaced(&self, is_replaced: bool) {
        *lock(&self.replaced) = is_replaced.then(Instant::now);
    }

    /// Whether another node of the cluster has replaced this one as a master, which has been silent
    /// since before that. Then it need not be waited for. A master that was only demoted answers.
    pub(super) fn was_replaced(&self, silent_since: Instant) -> bool {
        lock(&self.replaced).is_some_and(|replaced| silent_since <= replaced)
    }

    /// Whether commands need the server, and it does not answer.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.breaker.wants_probe() || self.search.is_urgent()
    }

    /// Starts a new generation of connections because the server became a replica. Idle connections
    /// are not used any more. But subscriptions do not end with each command that is rejected: the
    /// server may stay a replica.
    pub(super) fn note_demotion(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        if lock(&self.demotions).is_due() {
            self.generations.send_replace(());
        }
    }

    /// Starts a new generation of connections.
    pub(crate) fn new_generation(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.generations.send_replace(());
    }

    /// Ends the connections to a master that was replaced, also those in use.
    pub(super) fn replace_master(&self) {
        self.new_generation();
        self.replacements.send_modify(|count| *count = count.wrapping_add(1));
        // The new master may be reached although the old one was not.
        self.breaker.rest();
    }

    /// Changes when the master is replaced.
    pub(super) fn replacements(&self) -> watch::Receiver<u64> {
        self.replacements.subscribe()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Changes when older connections must no longer be used.
    pub(super) fn generations(&self) -> watch::Receiver<()> {
        self.generations.subscribe()
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_runs_are_remembered() {
        let facts = ServerFacts::new(&Settings::default());
        for nth in 0..1000 {
            facts.note_server(&ServerInfo { run_id: Some(nth.to_string()), ..ServerInfo::default() });
        }
        assert_eq!(lock(&facts.runs).len(), RUNS);
    }
}
