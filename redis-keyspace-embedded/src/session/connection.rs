//! The state of a connection and the execution of its commands.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::output::Output;
use super::pending::{Pending, Waited, after};
use crate::client::{Client, ReplyMode};
use crate::command::{self, Closing, Context, Effect, Transaction};
use crate::fault::FaultKind;
use crate::mailbox::{Mailbox, mailbox};
use crate::reply::Reply;
use crate::resp::Parser;
use crate::shared::Shared;
use crate::state::Endpoints;

/// The state of a connection. The connection counts as open until this is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    client: Client,
    /// The commands since MULTI.
    transaction: Option<Transaction>,
    /// Whether the current command is not answered.
    is_skipped: bool,
    pub(super) parser: Parser,
    pub(super) input: BytesMut,
    pub(super) output: Output,
    pub(super) pending: Pending,
    pub(super) mailbox: Mailbox,
    /// Wakes the connection when the output limits change.
    pub(super) limits: watch::Receiver<()>,
    /// Wakes the connection when another connection closes it.
    pub(super) cut: Arc<Notify>,
    /// Whether and how the connection closes. A closing connection executes no more commands.
    pub(super) closing: Closing,
    /// Whether the client has stopped sending. The commands that it has sent are still executed, as
    /// on a real server.
    pub(super) ended: bool,
    next_expiry_check: Option<Instant>,
}

/// How often keys are checked for expiry while a subscriber may want the events. A real server
/// checks ten times a second, too.
const EXPIRY_PERIOD: Duration = Duration::from_millis(100);

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, endpoints: Endpoints) -> Self {
        let (sender, mailbox) = mailbox();
        let cut = Arc::<Notify>::default();
        let id = shared.state().register(endpoints, shared.clock.now_ms(), sender, cut.clone());
        Self {
            client: Client::new(id, shared.initial_user()),
            transaction: None,
            is_skipped: false,
            limits: shared.output_limits.changes(),
            shared,
            parser: Parser::default(),
            input: BytesMut::new(),
            output: Output::default(),
            pending: Pending::Nothing,
            mailbox,
            cut,
            closing: Closing::No,
            ended: false,
            next_expiry_check: None,
        }
    }

    /// Executes the commands in the input, and counts a round trip if there were any.
    pub(super) fn execute_read(&mut self) {
        if self.execute_all() {
            self.shared.round_trips.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Executes complete commands from the input until one has to wait. Returns whether it executed
    /// any.
    fn execute_all(&mut self) -> bool {
        let mut any = false;
        while !self.is_blocked() && self.closing == Closing::No {
            match self.parser.next(&mut self.input, self.client.user.is_some()) {
                Ok(Some(arguments)) => {
                    any = true;
                    self.process(arguments);
                }
                Ok(None) => break,
                Err(error) => {
                    let text = Bytes::from([&b"ERR Protocol error: "[..], &error.0].concat());
                    self.shared.state().statistics.count_error(&text);
                    self.answer(&Reply::Error(text));
                    self.close(Closing::AfterOutput);
                }
            }
        }
        any
    }

    /// Whether the next command has to wait.
    pub(super) fn is_blocked(&self) -> bool {
        !matches!(self.pending, Pending::Nothing)
    }

    /// Whether the client has disconnected and no command remains to be executed. A command that
    /// waits for a list element ends with the connection.
    pub(super) fn has_nothing_left(&self) -> bool {
        self.ended && !matches!(self.pending, Pending::Delayed { .. })
    }

    /// Closes the connection in this way, unless it is already closing sooner.
    pub(super) fn close(&mut self, closing: Closing) {
        self.closing = self.closing.max(closing);
    }

    /// Executes a command, unless a fault applies to it.
    fn process(&mut self, arguments: Vec<Bytes>) {
        self.shared.log.record(self.client.id, &arguments);
        self.is_skipped = self.client.replies == ReplyMode::Skip;
        if self.is_skipped {
            self.client.replies = ReplyMode::On;
        }
        if arguments.first().is_some_and(|name| is_http(name)) {
            // As on a real server, the replies to commands before the HTTP request are lost, too.
            self.close(Closing::AtOnce);
            return;
        }
        let fault = arguments.first().and_then(|name| self.shared.faults.meet(name));
        match fault {
            None => {
                let reply = self.execute(arguments);
                self.answer_optional(reply);
            }
            Some(FaultKind::Error(text)) => {
                self.count_only();
                let reply = self.refuse(&arguments, text);
                self.answer_command(&reply);
            }
            Some(FaultKind::Delay(delay)) => {
                self.pending = Pending::Delayed { arguments, at: after(delay) };
            }
            Some(FaultKind::Stall) => {
                self.count_only();
                self.pending = Pending::Stalled;
            }
            Some(FaultKind::CloseBefore) => {
                self.count_only();
                self.close(Closing::AfterOutput);
            }
            Some(FaultKind::CloseAfter) => {
                drop(self.execute(arguments));
                self.close(Closing::AfterOutput);
            }
        }
    }

    /// Refuses a command with this error.
    fn refuse(&mut self, arguments: &[Bytes], text: Bytes) -> Reply {
        let mut state = self.shared.state();
        let (client, transaction) = (&mut self.client, &mut self.transaction);
        let mut context = Context::new(&mut state, client, transaction, &self.shared, &command::COMMANDS);
        command::refuse(&mut context, arguments, text)
    }

    /// Counts a command that was sent but is not executed.
    fn count_only(&self) {
        let mut state = self.shared.state();
        state.commands_processed = state.commands_processed.saturating_add(1);
    }

    fn execute(&mut self, arguments: Vec<Bytes>) -> Option<Reply> {
        let mut state = self.shared.state();
        if !state.clients.contains_key(&self.client.id) {
            self.closing = Closing::AtOnce; // another connection has closed this one
            return None;
        }
        let (client, transaction) = (&mut self.client, &mut self.transaction);
        let mut context = Context::new(&mut state, client, transaction, &self.shared, &command::COMMANDS);
        let reply = command::dispatch(&mut context, arguments);
        let (effect, mut closing) = context.finish();
        // This happens under the lock, so a message published later cannot overtake this command's
        // reply.
        let limit = self.shared.output_limits.of(self.client.subscribed);
        while let Some(message) = self.mailbox.try_recv() {
            if self.output.push(&message, self.client.protocol, limit).is_err() {
                closing = Closing::AtOnce;
            }
        }
        drop(state);
        match effect {
            Some(Effect::Sleep(delay)) => {
                self.pending = Pending::Late { reply, at: after(delay), closing };
                return None;
            }
            Some(Effect::Wait { receiver, timeout }) => {
                let deadline = timeout.map(after);
                self.pending = Pending::Element { receiver, deadline, otherwise: reply };
                self.close(closing);
                return None;
            }
            None => {}
        }
        self.close(closing);
        Some(reply)
    }

    pub(super) fn resume(&mut self, waited: Waited) {
        let pending = std::mem::replace(&mut self.pending, Pending::Nothing);
        match waited {
            Waited::Answer(reply, closing) => {
                self.answer_command(&reply);
                self.close(closing);
            }
            Waited::Execute(arguments) => {
                let reply = self.execute(arguments);
                self.answer_optional(reply);
            }
            Waited::Served(reply) => {
                self.stop_waiting();
                self.answer_command(&reply);
            }
            Waited::TimedOut => {
                self.stop_waiting();
                // An element may have arrived between the deadline and the lock.
                if let Pending::Element { mut receiver, otherwise, .. } = pending {
                    self.answer_command(&receiver.try_recv().unwrap_or(otherwise));
                }
            }
        }
        self.execute_all();
    }

    fn stop_waiting(&self) {
        self.shared.state().dbs.iter_mut().for_each(|db| db.stop_waiting(self.client.id));
    }

    fn answer_optional(&mut self, reply: Option<Reply>) {
        if let Some(reply) = reply {
            self.answer_command(&reply);
        }
    }

    /// Answers the current command, unless the client wants no reply. Confirmations of
    /// subscriptions are messages, which it receives anyway.
    fn answer_command(&mut self, reply: &Reply) {
        let is_message = matches!(reply, Reply::Push(_) | Reply::Several(_));
        if is_message || !self.is_skipped && self.client.replies == ReplyMode::On {
            self.answer(reply);
        }
    }

    /// Adds a reply or a message to the output. Closes the connection at the hard limit.
    pub(super) fn answer(&mut self, reply: &Reply) {
        let limit = self.shared.output_limits.of(self.client.subscribed);
        if self.output.push(reply, self.client.protocol, limit).is_err() {
            self.close(Closing::AtOnce);
        }
    }

    /// Closes the connection if the current limits require it. The limits may have changed.
    pub(super) fn check_output(&mut self) {
        self.mailbox.set_buffered(self.output.len());
        let limit = self.shared.output_limits.of(self.client.subscribed);
        if self.output.is_excessive(limit) {
            self.close(Closing::AtOnce);
        }
    }

    /// Returns when expired keys must be removed: to send their events to this subscriber, or to
    /// end the wait of a group's reader for a stream that expires. Otherwise the next command
    /// removes them.
    pub(super) fn expiry_check(&mut self) -> Option<Instant> {
        let is_wanted = self.client.subscribed && self.shared.notifies_expiry();
        self.next_expiry_check =
            is_wanted.then(|| self.next_expiry_check.unwrap_or_else(|| after(EXPIRY_PERIOD)));
        let awaited = match self.pending {
            Pending::Element { .. } => self.shared.state().next_awaited_expiry(self.client.id),
            _ => None,
        };
        let awaited = awaited.and_then(|time| self.shared.clock.at_ms(time));
        self.next_expiry_check.into_iter().chain(awaited).min()
    }

    /// Removes expired keys, ends the waits for them, and sends their events.
    pub(super) fn check_expiry(&mut self) {
        self.next_expiry_check = None;
        let now = self.shared.clock.now_ms();
        self.shared.state().expire_keys(now, self.shared.output_limits.of(true));
    }

    /// Returns when the output must be checked if nothing happens before.
    pub(super) fn output_deadline(&self) -> Option<Instant> {
        self.output.deadline(self.shared.output_limits.of(self.client.subscribed))
    }
}

/// Whether a request is HTTP. A web page can make a browser send requests to a local port, with
/// commands in the body. A real server closes the connection at these lines, too.
fn is_http(name: &[u8]) -> bool {
    // C compares up to the first zero byte.
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let now = self.shared.clock.now_ms();
        self.client.unwatch(&mut state, now);
        state.unregister(self.client.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::{Connection, Waited};
    use crate::builder::ServerBuilder;
    use crate::command::Closing;
    use crate::reply::{EncodedReply, Reply};
    use crate::shared::Shared;
    use crate::state::Endpoints;

    const LIMIT: u64 = 5_000_000;

    fn connection() -> Connection {
        let shared = Arc::new(Shared::new(ServerBuilder::new()));
        shared.output_limits.of(false).set([LIMIT, 0, 0]);
        let mut connection = Connection::new(shared, Endpoints::named("test"));
        let value = Bytes::from(vec![b'x'; 1_000_000]);
        connection.execute(vec!["SET".into(), "k".into(), value]);
        connection
    }

    fn execute(connection: &mut Connection, words: &[&'static str]) -> Reply {
        connection.execute(words.iter().map(|word| Bytes::from(*word)).collect()).expect("a reply")
    }

    #[test]
    fn the_replies_of_a_transaction_take_no_more_memory_than_the_limit() {
        for (count, fits) in [(4, true), (1_000, false)] {
            let mut connection = connection();
            execute(&mut connection, &["MULTI"]);
            for _ in 0..count {
                execute(&mut connection, &["GET", "k"]);
            }
            execute(&mut connection, &["SET", "after", "x"]);
            let reply = execute(&mut connection, &["EXEC"]);
            let Reply::Encoded(EncodedReply(bytes)) = &reply else { panic!("{reply:?}") };
            assert_eq!(bytes.len() > 4_000_000, fits);
            assert_eq!(connection.closing, if fits { Closing::No } else { Closing::AtOnce });
            assert_eq!(connection.shared.state().dbs[0].len(), 2); // the commands ran in any case
        }
    }

    #[tokio::test]
    async fn an_element_that_arrives_at_the_deadline_is_not_lost() {
        let shared = Arc::new(Shared::new(ServerBuilder::new()));
        let [mut waiting, mut other] =
            ["waiting", "other"].map(|name| Connection::new(shared.clone(), Endpoints::named(name)));
        for expected in ["*2\r\n$1\r\nq\r\n$1\r\na\r\n", "*-1\r\n"] {
            assert!(waiting.execute(["BLPOP", "q", "1"].map(Bytes::from).into()).is_none());
            if expected.contains('a') {
                // The element is on its way when the timeout fires.
                execute(&mut other, &["RPUSH", "q", "a"]);
            }
            waiting.resume(Waited::TimedOut);
            let mut written = Vec::new();
            waiting.output.write_some(&mut written).await.unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), expected);
            assert_eq!(execute(&mut other, &["LLEN", "q"]), Reply::Integer(0));
        }
    }

    #[test]
    fn a_command_is_described_once_for_all_its_names() {
        for subcommand in ["INFO", "DOCS"] {
            let reply =
                execute(&mut connection(), &[&["COMMAND", subcommand][..], &["client"; 1_000]].concat());
            let entries: Vec<Reply> = match reply {
                Reply::Array(entries) => entries,
                Reply::Map(pairs) => pairs.into_iter().map(|(_, entry)| entry).collect(),
                other => panic!("{other:?}"),
            };
            let places = entries.iter().map(|entry| match entry {
                Reply::Encoded(EncodedReply(bytes)) => bytes.as_ptr(),
                other => panic!("{other:?}"),
            });
            let places: std::collections::HashSet<_> = places.collect();
            assert_eq!((entries.len(), places.len()), (1_000, 1));
        }
    }
}
