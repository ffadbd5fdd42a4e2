//! The data that the handles and connections of one server share.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sha1_smol::Sha1;

use crate::builder::ServerBuilder;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::limits::OutputLimits;
use crate::log::CommandLog;
use crate::notices::EventClasses;
use crate::state::{Peer, State};
use crate::sync::lock;

pub(crate) struct Shared {
    pub(crate) clock: Clock,
    /// The users and their passwords. `None` means no password.
    users: Mutex<HashMap<String, Option<String>>>,
    pub(crate) is_cluster: bool,
    /// The id that INFO reports. It is different for each server.
    pub(crate) run_id: String,
    pub(crate) faults: Arc<Faults>,
    pub(crate) round_trips: AtomicU64,
    pub(crate) log: CommandLog,
    pub(crate) output_limits: OutputLimits,
    state: Mutex<State>,
    refusing: AtomicBool,
    notifies_expiry: AtomicBool,
}

impl Shared {
    pub(crate) fn new(options: ServerBuilder) -> Self {
        Self {
            clock: Clock::new(),
            users: Mutex::new(options.users),
            is_cluster: options.cluster,
            // The keys of a hasher are random. An id must be unique, not secret.
            run_id: Sha1::from(RandomState::new().build_hasher().finish().to_be_bytes()).digest().to_string(),
            faults: Arc::default(),
            round_trips: AtomicU64::new(0),
            log: CommandLog::new(options.logged_commands),
            output_limits: OutputLimits::default(),
            state: Mutex::new(State::new(if options.cluster { 1 } else { options.databases })),
            refusing: AtomicBool::new(false),
            notifies_expiry: AtomicBool::new(false),
        }
    }

    pub(crate) fn mode(&self) -> &'static str {
        if self.is_cluster { "cluster" } else { "standalone" }
    }

    /// Returns the user of a new connection: `default` if it has no password.
    pub(crate) fn initial_user(&self) -> Option<String> {
        lock(&self.users).get("default")?.is_none().then(|| "default".to_owned())
    }

    /// Whether this user exists.
    pub(crate) fn has_user(&self, name: &str) -> bool {
        lock(&self.users).contains_key(name)
    }

    /// Whether this user exists and has this password, or none.
    pub(crate) fn accepts(&self, name: &str, password: &[u8]) -> bool {
        let users = lock(&self.users);
        let known = users.get(name);
        known.is_some_and(|known| known.as_ref().is_none_or(|known| known.as_bytes() == password))
    }

    /// Adds a user or changes its password.
    pub(crate) fn set_user(&self, name: String, password: String) {
        lock(&self.users).insert(name, Some(password));
    }

    /// Removes a user, and closes its connections. Returns whether it existed.
    pub(crate) fn remove_user(&self, name: &str) -> bool {
        let existed = lock(&self.users).remove(name).is_some();
        let mut state = self.state();
        let of_user = |peer: &Peer| peer.user == name;
        let ids: Vec<u64> =
            state.clients.iter().filter(|(_, peer)| existed && of_user(peer)).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| state.disconnect(id));
        existed
    }

    /// Locks the state.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Whether subscribers may want the events of expired keys.
    pub(crate) fn notifies_expiry(&self) -> bool {
        self.notifies_expiry.load(Ordering::Relaxed)
    }

    /// Sets which events of keys are sent, and wakes the connections.
    pub(crate) fn set_event_classes(&self, state: &mut State, classes: EventClasses) {
        state.set_event_classes(classes);
        self.notifies_expiry.store(classes.notify_expiry(), Ordering::Relaxed);
        self.output_limits.announce_change();
    }

    /// Whether new connections are refused.
    pub(crate) fn is_refusing(&self) -> bool {
        self.refusing.load(Ordering::Relaxed)
    }

    pub(crate) fn refuse(&self, refuse: bool) {
        self.refusing.store(refuse, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Shows no data and no passwords, and takes no lock.
        f.debug_struct("Shared").field("clock", &self.clock).finish_non_exhaustive()
    }
}
