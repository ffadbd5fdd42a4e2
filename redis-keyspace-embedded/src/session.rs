//! One connection: reads requests, executes them in order, writes the replies.
//!
//! Reading never waits for writing. Otherwise a client that sends a large pipeline before it reads
//! any reply would wait for the server while the server waits for the client.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::client::Client;
use crate::command::{self, Context, Effect, Transaction};
use crate::fault::FaultKind;
use crate::mailbox::{Mailbox, mailbox};
use crate::reply::Reply;
use crate::resp::{Parser, write};
use crate::shared::Shared;
use crate::state::Endpoints;

/// The least and the most buffer space reserved for a read.
const READ_SIZE: usize = 16 * 1024;
const MOST_READ: usize = 1024 * 1024;
/// A connection that sends more than this while a command blocks is closed, as on a real server.
/// Reading continues until then, because only a read shows that the client has disconnected.
const QUERY_BUFFER_LIMIT: usize = 1024 * 1024 * 1024;

/// The state of a connection. The connection counts as open until this is dropped.
#[derive(Debug)]
struct Connection {
    shared: Arc<Shared>,
    client: Client,
    /// The commands since MULTI.
    transaction: Option<Transaction>,
    parser: Parser,
    input: BytesMut,
    output: BytesMut,
    pending: Pending,
    mailbox: Mailbox,
    cut: Arc<Notify>,
    /// Closes after the output is written; executes no more commands.
    closing: bool,
    /// Closes at once: executes no more commands, and drops what is not written.
    dropped: bool,
    /// Until when the client may leave so many replies unread.
    grace: Option<Instant>,
    /// The client sends no more. The commands that it has sent are still executed, as on a real
    /// server.
    ended: bool,
}

/// What the next command has to wait for.
#[derive(Debug)]
enum Pending {
    Nothing,
    /// A list element, or the deadline.
    Element {
        receiver: oneshot::Receiver<Reply>,
        deadline: Option<Instant>,
    },
    /// A reply that is ready, but delayed.
    Late {
        reply: Reply,
        at: Instant,
    },
    /// A command that is delayed.
    Delayed {
        arguments: Vec<Bytes>,
        at: Instant,
    },
    /// The connection never continues.
    Stalled,
}

/// How a wait ended.
enum Waited {
    Served(Reply),
    TimedOut,
    Answer(Reply),
    Execute(Vec<Bytes>),
}

enum Event {
    Cut,
    /// The client has left much unread for too long.
    Overdue,
    Written(io::Result<()>),
    Read(io::Result<usize>),
    Message(Reply),
    Waited(Waited),
}

/// Opens a connection, and returns the future that serves it until either side closes it.
///
/// The connection counts as open from this call on. While connections are refused, the future only
/// closes the stream.
pub(crate) fn open<S>(
    shared: &Arc<Shared>,
    stream: S,
    endpoints: Endpoints,
) -> impl Future<Output = ()> + Send + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = (!shared.is_refusing()).then(|| Connection::new(shared.clone(), endpoints));
    async move {
        if let Some(connection) = connection {
            run(connection, stream).await;
        }
    }
}

async fn run<S>(mut connection: Connection, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let cut = connection.cut.clone();
    let mut unflushed = false;
    loop {
        connection.check_output();
        if connection.dropped {
            return;
        }
        let writing = unflushed || !connection.output.is_empty();
        if (connection.closing || connection.has_nothing_left()) && !writing {
            // Closes streams that support it properly. Fails if the client has disconnected.
            drop(writer.shutdown().await);
            return;
        }
        let blocked = !matches!(connection.pending, Pending::Nothing);
        let reading = !connection.closing && !connection.ended;
        if reading {
            let wanted = connection.parser.wanted(connection.input.len());
            connection.input.reserve(wanted.clamp(READ_SIZE, MOST_READ));
        }
        let event = tokio::select! {
            biased;
            () = cut.notified() => Event::Cut,
            () = until(connection.grace) => Event::Overdue,
            result = write_some(&mut writer, &mut connection.output, &mut unflushed), if writing => {
                Event::Written(result)
            }
            waited = connection.pending.wait(), if blocked && !connection.closing => Event::Waited(waited),
            Some(message) = connection.mailbox.recv() => Event::Message(message),
            result = reader.read_buf(&mut connection.input), if reading => Event::Read(result),
        };
        match event {
            Event::Cut => return,
            Event::Overdue => {
                connection.check_output(); // the limit may have been changed
                connection.dropped |= connection.grace.is_some();
            }
            Event::Written(Ok(())) => {}
            Event::Written(Err(_)) => {
                connection.ended = true;
                if connection.has_nothing_left() {
                    return;
                }
                connection.output.clear(); // the client has disconnected
                unflushed = false;
            }
            Event::Read(Ok(0) | Err(_)) => connection.ended = true,
            Event::Read(Ok(_)) => {
                if connection.execute_all() {
                    connection.shared.round_trips.fetch_add(1, Ordering::Relaxed);
                }
                connection.closing |= blocked && connection.input.len() > QUERY_BUFFER_LIMIT;
            }
            Event::Message(message) => connection.answer(&message),
            Event::Waited(waited) => connection.resume(waited),
        }
    }
}

/// Writes some of `output` and removes what was written, also when cancelled.
async fn write_some<W: AsyncWrite + Unpin>(
    writer: &mut W,
    output: &mut BytesMut,
    unflushed: &mut bool,
) -> io::Result<()> {
    if !output.is_empty() {
        if writer.write_buf(output).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        *unflushed = true;
    }
    if output.is_empty() {
        writer.flush().await?;
        *unflushed = false;
    }
    Ok(())
}

impl Connection {
    fn new(shared: Arc<Shared>, endpoints: Endpoints) -> Self {
        let (postbox, mailbox) = mailbox();
        let cut = Arc::<Notify>::default();
        let id = shared.state().register(endpoints, shared.clock.now_ms(), postbox, cut.clone());
        Self {
            client: Client::new(id, shared.initial_user()),
            transaction: None,
            shared,
            parser: Parser::default(),
            input: BytesMut::new(),
            output: BytesMut::new(),
            pending: Pending::Nothing,
            mailbox,
            cut,
            closing: false,
            dropped: false,
            grace: None,
            ended: false,
        }
    }

    /// Executes the complete commands in the input until one has to wait. Returns whether there was
    /// one.
    fn execute_all(&mut self) -> bool {
        let mut any = false;
        while matches!(self.pending, Pending::Nothing) && !self.closing && !self.dropped {
            match self.parser.next(&mut self.input, self.client.user.is_some()) {
                Ok(Some(arguments)) => {
                    any = true;
                    self.meet_faults(arguments);
                }
                Ok(None) => break,
                Err(error) => {
                    let text = [&b"ERR Protocol error: "[..], &error.0].concat();
                    self.answer(&Reply::error(text));
                    self.closing = true;
                }
            }
        }
        any
    }

    /// Whether the client has disconnected and none of its commands remains to be executed. A
    /// command that waits for a list element ends with the connection.
    fn has_nothing_left(&self) -> bool {
        self.ended && !matches!(self.pending, Pending::Delayed { .. })
    }

    fn meet_faults(&mut self, arguments: Vec<Bytes>) {
        self.shared.log.record(self.client.id, &arguments);
        if arguments.first().is_some_and(|name| is_http(name)) {
            // A real server does the same: the replies to what came with it are lost, too.
            self.dropped = true;
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
                self.answer(&reply);
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
                self.closing = true;
            }
            Some(FaultKind::CloseAfter) => {
                drop(self.execute(arguments));
                self.closing = true;
            }
        }
    }

    /// Refuses a command. A refused EXEC ends the transaction; any other command makes its EXEC
    /// fail.
    fn refuse(&mut self, arguments: &[Bytes], text: Bytes) -> Reply {
        let exec = arguments.first().is_some_and(|name| name.eq_ignore_ascii_case(b"exec"));
        match &mut self.transaction {
            Some(_) if exec => {
                let mut state = self.shared.state();
                let (client, transaction) = (&mut self.client, &mut self.transaction);
                let mut context =
                    Context::new(&mut state, client, transaction, &self.shared, &command::COMMANDS);
                command::abort(&mut context, text)
            }
            Some(transaction) => {
                transaction.mark_broken();
                Reply::Error(text)
            }
            None => Reply::Error(text),
        }
    }

    /// Counts a command that is not executed: it was sent.
    fn count_only(&self) {
        let mut state = self.shared.state();
        state.commands_processed = state.commands_processed.saturating_add(1);
    }

    fn execute(&mut self, arguments: Vec<Bytes>) -> Option<Reply> {
        let mut state = self.shared.state();
        if !state.clients.contains_key(&self.client.id) {
            self.dropped = true; // another connection has closed this one
            return None;
        }
        let (client, transaction) = (&mut self.client, &mut self.transaction);
        let mut context = Context::new(&mut state, client, transaction, &self.shared, &command::COMMANDS);
        let reply = command::dispatch(&mut context, arguments);
        let effect = context.take_effect();
        // Under the lock, so that a message published later cannot come before this command's
        // reply.
        while let Some(message) = self.mailbox.try_recv() {
            write(&mut self.output, &message, self.client.protocol);
        }
        drop(state);
        match effect {
            None => Some(reply),
            Some(Effect::Close) => {
                self.closing = true;
                Some(reply)
            }
            Some(Effect::Sleep(delay)) => {
                self.pending = Pending::Late { reply, at: after(delay) };
                None
            }
            Some(Effect::Wait { receiver, timeout }) => {
                self.pending = Pending::Element { receiver, deadline: timeout.map(after) };
                None
            }
        }
    }

    fn resume(&mut self, waited: Waited) {
        let pending = std::mem::replace(&mut self.pending, Pending::Nothing);
        match waited {
            Waited::Answer(reply) => self.answer(&reply),
            Waited::Execute(arguments) => {
                let reply = self.execute(arguments);
                self.answer_optional(reply);
            }
            Waited::Served(reply) => {
                self.stop_waiting();
                self.answer(&reply);
            }
            Waited::TimedOut => {
                self.stop_waiting();
                // An element may have arrived between the deadline and the lock.
                let late = match pending {
                    Pending::Element { mut receiver, .. } => receiver.try_recv().ok(),
                    _ => None,
                };
                self.answer(&late.unwrap_or(Reply::NilArray));
            }
        }
        self.execute_all();
    }

    fn stop_waiting(&self) {
        self.shared.state().dbs.iter_mut().for_each(|db| db.stop_waiting(self.client.id));
    }

    fn answer_optional(&mut self, reply: Option<Reply>) {
        if let Some(reply) = reply {
            self.answer(&reply);
        }
    }

    fn answer(&mut self, reply: &Reply) {
        write(&mut self.output, reply, self.client.protocol);
        // At once, because the rest of a pipeline may add much more.
        self.dropped |= self.shared.output_limits.of(self.client.subscribed).is_reached(self.output.len());
    }

    /// Closes the connection if the client leaves too much unread.
    fn check_output(&mut self) {
        let (limit, unread) = (self.shared.output_limits.of(self.client.subscribed), self.output.len());
        self.mailbox.set_unread(unread);
        self.dropped |= limit.is_reached(unread);
        self.grace = limit.grace(unread, self.grace);
    }
}

impl Pending {
    /// Completes when the wait ends. Loses nothing if cancelled before.
    async fn wait(&mut self) -> Waited {
        match self {
            Self::Element { receiver, deadline } => {
                let Some(deadline) = *deadline else {
                    return receiver.await.map_or(Waited::TimedOut, Waited::Served);
                };
                match tokio::time::timeout_at(deadline, receiver).await {
                    Ok(Ok(reply)) => Waited::Served(reply),
                    Ok(Err(_)) | Err(_) => Waited::TimedOut,
                }
            }
            Self::Late { reply, at } => {
                tokio::time::sleep_until(*at).await;
                Waited::Answer(std::mem::replace(reply, Reply::Nil))
            }
            Self::Delayed { arguments, at } => {
                tokio::time::sleep_until(*at).await;
                Waited::Execute(std::mem::take(arguments))
            }
            Self::Stalled | Self::Nothing => std::future::pending().await,
        }
    }
}

/// Whether a request is HTTP. A web page can make a browser send requests to a port of its machine,
/// with commands in the body; a real server closes the connection at these lines, too.
fn is_http(name: &[u8]) -> bool {
    // As C compares: up to a zero byte.
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

/// Waits until this time, or forever.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Returns the time after `delay`. A delay that overflows the clock ends in 30 years.
fn after(delay: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(delay).unwrap_or_else(|| now + Duration::from_secs(60 * 60 * 24 * 365 * 30))
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let now = self.shared.clock.now_ms();
        self.client.unwatch(&mut state, now);
        state.unregister(self.client.id);
    }
}
