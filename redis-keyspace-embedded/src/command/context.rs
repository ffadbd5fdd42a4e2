//! The specification of a command, and the context of its handler.
//!
//! A handler receives the context. The context has the queue of MULTI and the table of commands,
//! and both contain commands. These types refer to each other, so they share a file.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::flags::KeyPositions;
use crate::client::Client;
use crate::db::Db;
use crate::reply::{Answer, Failure, Reply};
use crate::resp::Protocol;
use crate::shared::Shared;
use crate::state::State;
use crate::statistics::Totals;

/// A command and its handler.
#[derive(Debug)]
pub(super) struct Spec {
    /// The full name, such as `client|id` for a subcommand.
    pub(super) name: &'static str,
    /// The number of arguments, including the name. If it is negative, at least that many.
    pub(super) arity: i64,
    pub(super) flags: u8,
    pub(super) keys: KeyPositions,
    run: Handler,
}

impl Spec {
    /// Whether the name has two words, such as `client|id`.
    pub(super) fn is_subcommand(&self) -> bool {
        self.name.contains('|')
    }
}

/// Executes a command. The arguments do not include the name of the command.
type Handler = fn(&mut Context<'_>, &[Bytes]) -> Answer;

/// Creates an entry of a table of commands.
pub(super) const fn command(
    name: &'static str,
    arity: i64,
    flags: u8,
    keys: KeyPositions,
    run: Handler,
) -> Spec {
    Spec { name, arity, flags, keys, run }
}

/// All commands of the server.
pub(crate) struct Commands {
    tables: &'static [&'static [Spec]],
    by_name: HashMap<&'static [u8], &'static Spec>,
}

impl Commands {
    pub(super) fn new(tables: &'static [&'static [Spec]]) -> Self {
        let specs = tables.iter().copied().flatten();
        Self { tables, by_name: specs.map(|spec| (spec.name.as_bytes(), spec)).collect() }
    }

    /// Finds a command by its full name, case-insensitively.
    pub(super) fn by_name(&self, name: &[u8]) -> Option<&'static Spec> {
        self.by_name.get(name.to_ascii_lowercase().as_slice()).copied()
    }

    /// Returns commands and subcommands in the order of the tables.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'static Spec> + use<> {
        self.tables.iter().copied().flatten()
    }
}

/// The commands between MULTI and EXEC.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(super) queue: Vec<(&'static Spec, Vec<Bytes>)>,
    /// Whether a command could not be queued. If so, EXEC fails.
    broken: bool,
}

impl Transaction {
    /// Makes the next EXEC fail.
    pub(crate) fn mark_broken(&mut self) {
        self.broken = true;
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }
}

/// The effect of a command on its connection, in addition to its reply.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Delays the reply.
    Sleep(Duration),
    /// Waits for another reply, from the receiver. After the timeout, the reply is that of the
    /// command.
    Wait { receiver: oneshot::Receiver<Reply>, timeout: Option<Duration> },
}

/// Whether and how a connection closes. Later variants close sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closing {
    No,
    /// Closes after the output was written.
    AfterOutput,
    /// Closes without writing the output.
    AtOnce,
}

/// What the command runs in. Commands never block in a transaction or a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nesting {
    Nothing,
    Transaction,
    Script,
}

/// The context of a handler. The time is constant during a command or transaction.
pub(crate) struct Context<'a> {
    pub(super) state: &'a mut State,
    pub(super) client: &'a mut Client,
    /// The open transaction of the client.
    pub(super) transaction: &'a mut Option<Transaction>,
    pub(super) shared: &'a Shared,
    pub(super) commands: &'static Commands,
    pub(super) now: i64,
    pub(super) nesting: Nesting,
    /// The one or two words of the name of the running command, as the client wrote them. Some
    /// error messages quote them.
    pub(super) called: Vec<Bytes>,
    /// Subscribers whose output is full. They still count as subscribers until the command ends, as
    /// on a real server.
    pub(super) overflowing: BTreeSet<u64>,
    /// The errors that commands returned to the running script. They have already been counted.
    pub(super) script_errors: HashSet<Bytes>,
    /// Whether the running script must not write.
    pub(super) refuses_writes: bool,
    effect: Option<Effect>,
    closing: Closing,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        state: &'a mut State,
        client: &'a mut Client,
        transaction: &'a mut Option<Transaction>,
        shared: &'a Shared,
        commands: &'static Commands,
    ) -> Self {
        let now = shared.clock.now_ms();
        Self {
            state,
            client,
            transaction,
            shared,
            commands,
            now,
            nesting: Nesting::Nothing,
            called: Vec::new(),
            overflowing: BTreeSet::new(),
            script_errors: HashSet::new(),
            refuses_writes: false,
            effect: None,
            closing: Closing::No,
        }
    }

    /// Returns the effects of the command on its connection.
    pub(crate) fn finish(self) -> (Option<Effect>, Closing) {
        (self.effect, self.closing)
    }

    pub(super) fn set_effect(&mut self, effect: Effect) {
        self.effect = Some(effect);
    }

    /// Closes the connection in this way, unless it is already closing sooner.
    pub(super) fn close(&mut self, closing: Closing) {
        self.closing = self.closing.max(closing);
    }

    pub(super) fn closing(&self) -> Closing {
        self.closing
    }

    /// Returns the smallest size of a reply that does not fit into the output of the connection.
    pub(super) fn output_limit(&self) -> usize {
        self.shared.output_limits.of(self.client.subscribed).hard()
    }

    /// Returns the protocol version that the shape of a reply depends on. A script sees replies as
    /// under RESP2, as in Lua.
    pub(super) fn protocol(&self) -> Protocol {
        if self.nesting == Nesting::Script { Protocol::Resp2 } else { self.client.protocol }
    }

    /// Returns the counters that are never reset.
    pub(super) fn totals(&self) -> Totals {
        Totals {
            connections: self.state.connections_received,
            commands: self.state.commands_processed,
            reads: self.shared.round_trips.load(Ordering::Relaxed),
        }
    }

    /// Cancels a wait. No command waits in a transaction.
    pub(super) fn cancel_wait(&mut self) {
        self.effect.take_if(|effect| matches!(effect, Effect::Wait { .. }));
    }

    /// Runs the handler. `arguments` do not include the name of the command.
    pub(super) fn execute(&mut self, spec: &'static Spec, arguments: &[Bytes]) -> Reply {
        let words = if spec.is_subcommand() { 2 } else { 1 };
        self.called = arguments.iter().take(words).cloned().collect();
        let answer = (spec.run)(self, arguments.get(words..).unwrap_or_default());
        if let Err(failure) = &answer {
            self.state.statistics.count_error(&failure.0);
        }
        self.publish_notices();
        answer.unwrap_or_else(Reply::from)
    }

    /// Sends the events of keys that were recorded.
    pub(super) fn publish_notices(&mut self) {
        self.state.publish_notices(self.shared.output_limits.of(true), &mut self.overflowing);
    }

    /// Updates the data that CLIENT LIST shows about the connection.
    pub(super) fn refresh_peer(&mut self) {
        let Some(peer) = self.state.clients.get_mut(&self.client.id) else { return };
        peer.db = self.client.db;
        peer.protocol = self.client.protocol;
        if self.nesting == Nesting::Nothing {
            // During EXEC, the transaction still counts as open, as on a real server.
            let queued = self.transaction.as_ref().map(|transaction| transaction.queue.len());
            peer.queued = queued.map_or(-1, |queued| i64::try_from(queued).unwrap_or(i64::MAX));
        }
    }

    /// Returns the selected database after removing expired keys.
    pub(super) fn db(&mut self) -> Result<&mut Db, Failure> {
        self.db_at(self.client.db)
    }

    pub(super) fn db_at(&mut self, index: usize) -> Result<&mut Db, Failure> {
        let now = self.now;
        let db = self.state.dbs.get_mut(index).ok_or(Failure::DB_RANGE)?;
        db.purge(now);
        Ok(db)
    }
}
