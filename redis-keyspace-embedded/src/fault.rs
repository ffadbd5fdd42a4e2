//! Faults that tests inject: errors, delays and lost connections.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use crate::sync::lock;

/// A fault to [inject](crate::Server::inject): its effect, the commands it applies to, and how
/// often.
///
/// Without [`on`](Self::on) it applies to every command, including those that a client sends while
/// it connects. Without [`times`](Self::times) it lasts until its guard is dropped. Between MULTI
/// and EXEC it applies when a command is queued. For a fault when the transaction is executed, use
/// `on("EXEC")`.
///
/// # Scripts
///
/// Only an [error](Self::error) with [`on`](Self::on) also applies to the commands that a
/// [registered script](crate::Server::register_script) calls: the script gets the error. All other
/// faults apply only to commands that a client sends. A client may send a script in place of a
/// command: `redis-keyspace` does so for many writes, for example to set a lifetime in the same
/// step. Such a fault then never applies. Use `on("EVALSHA")`, and assert in the test that
/// [`hits`](FaultGuard::hits) is not 0.
///
/// ```
/// use redis_keyspace_embedded::{Fault, Server};
///
/// let server = Server::new();
/// let loading = server.inject(Fault::error("LOADING Redis is loading the dataset in memory").on("GET").times(2));
/// assert_eq!(loading.hits(), 0);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    kind: FaultKind,
    command: Option<String>,
    times: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) enum FaultKind {
    Error(Bytes),
    Delay(Duration),
    Stall,
    CloseBefore,
    CloseAfter,
}

impl Fault {
    /// Replies with this error and does not execute the command.
    ///
    /// EXEC replies EXECABORT with this error and discards the transaction, as on a real server.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Fault;
    /// let fault = Fault::error("READONLY You can't write against a read only replica.");
    /// ```
    pub fn error(text: impl Into<String>) -> Self {
        Self::new(FaultKind::Error(text.into().into()))
    }

    /// Waits before it executes the command. Other connections are not delayed.
    ///
    /// The command is executed even if the client has disconnected in the meantime.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Fault;
    /// let fault = Fault::delay(std::time::Duration::from_millis(200)).on("GET");
    /// ```
    pub fn delay(delay: Duration) -> Self {
        Self::new(FaultKind::Delay(delay))
    }

    /// Never replies. Neither this command nor any later one on the connection is executed.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Fault;
    /// let fault = Fault::stall().on("GET").times(1);
    /// ```
    pub fn stall() -> Self {
        Self::new(FaultKind::Stall)
    }

    /// Closes the connection instead of executing the command.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Fault;
    /// let fault = Fault::close_before().on("SET");
    /// ```
    pub fn close_before() -> Self {
        Self::new(FaultKind::CloseBefore)
    }

    /// Executes the command, then closes the connection without a reply.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Fault;
    /// let fault = Fault::close_after().on("INCR").times(1);
    /// ```
    pub fn close_after() -> Self {
        Self::new(FaultKind::CloseAfter)
    }

    /// Limits the fault to commands with this name, case-insensitively. For a subcommand, pass its
    /// first word.
    ///
    /// Only [errors](Self::error) also apply to commands that a script calls; see
    /// [scripts](Self#scripts).
    ///
    /// ```
    /// # use redis_keyspace_embedded::Fault;
    /// let fault = Fault::stall().on("get");
    /// ```
    pub fn on(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// Limits the fault to the next `times` matching commands.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Fault;
    /// let fault = Fault::error("OOM command not allowed").times(3);
    /// ```
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    fn new(kind: FaultKind) -> Self {
        Self { kind, command: None, times: None }
    }
}

/// A guard that removes the fault when it is dropped.
///
/// ```
/// use redis_keyspace_embedded::{Fault, Server};
///
/// let server = Server::new();
/// let guard = server.inject(Fault::stall().on("GET"));
/// drop(guard); // GET works again
/// server.inject(Fault::stall().on("SET")).keep(); // lasts as long as the server
/// ```
#[derive(Debug)]
#[must_use = "dropping the guard removes the fault; call `keep` to leave it in place"]
pub struct FaultGuard {
    faults: Arc<Faults>,
    id: u64,
    hits: Arc<AtomicU64>,
    kept: bool,
}

impl FaultGuard {
    /// Returns how many commands the fault has applied to so far.
    ///
    /// ```
    /// # use redis_keyspace_embedded::{Fault, Server};
    /// assert_eq!(Server::new().inject(Fault::stall()).hits(), 0);
    /// ```
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Keeps the fault until its `times` are used up, or as long as the server lives.
    ///
    /// ```
    /// # use redis_keyspace_embedded::{Fault, Server};
    /// Server::new().inject(Fault::close_before().times(1)).keep();
    /// ```
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        if !self.kept {
            self.faults.remove(self.id);
        }
    }
}

/// The faults of one server.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    active: Mutex<Vec<ActiveFault>>,
    /// The length of `active`: without faults, a command takes no second lock.
    count: AtomicUsize,
    next_id: AtomicU64,
}

#[derive(Debug)]
struct ActiveFault {
    id: u64,
    fault: Fault,
    hits: Arc<AtomicU64>,
}

impl Faults {
    pub(crate) fn add(self: &Arc<Self>, fault: Fault) -> FaultGuard {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let hits = Arc::<AtomicU64>::default();
        let mut active = lock(&self.active);
        active.push(ActiveFault { id, fault, hits: hits.clone() });
        self.count.store(active.len(), Ordering::Release);
        drop(active);
        FaultGuard { faults: self.clone(), id, hits, kept: false }
    }

    /// Returns the first fault that applies to this command, and counts the hit.
    pub(crate) fn meet(&self, command: &[u8]) -> Option<FaultKind> {
        self.meet_if(command, |_| true)
    }

    /// Returns the error of the first fault that applies to this command of a script, and counts
    /// the hit.
    pub(crate) fn meet_in_script(&self, command: &[u8]) -> Option<Bytes> {
        let is_error = |fault: &Fault| fault.command.is_some() && matches!(fault.kind, FaultKind::Error(_));
        match self.meet_if(command, is_error)? {
            FaultKind::Error(text) => Some(text),
            _ => None,
        }
    }

    fn meet_if(&self, command: &[u8], is_selected: impl Fn(&Fault) -> bool) -> Option<FaultKind> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut active = lock(&self.active);
        let met = active.iter_mut().find(|active| {
            let named = active.fault.command.as_ref();
            active.fault.times != Some(0)
                && named.is_none_or(|name| name.as_bytes().eq_ignore_ascii_case(command))
                && is_selected(&active.fault)
        })?;
        met.hits.fetch_add(1, Ordering::Relaxed);
        met.fault.times = met.fault.times.map(|times| times.saturating_sub(1));
        let kind = met.fault.kind.clone();
        active.retain(|active| active.fault.times != Some(0));
        self.count.store(active.len(), Ordering::Release);
        Some(kind)
    }

    fn remove(&self, id: u64) {
        let mut active = lock(&self.active);
        active.retain(|active| active.id != id);
        self.count.store(active.len(), Ordering::Release);
    }
}
