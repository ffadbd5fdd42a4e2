//! One connection: reads requests, executes them in order, writes the replies.
//!
//! Reading never waits for writing: a client that sends a large pipeline before it reads any reply would
//! otherwise wait for the server while the server waits for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::client::Client;
use crate::command::{self, Context, Effect};
use crate::fault::FaultKind;
use crate::reply::Reply;
use crate::resp::parse::Parser;
use crate::resp::write::write;
use crate::server::Shared;

/// How much room a read makes at least and at most.
const READ_SIZE: usize = 16 * 1024;
const MOST_READ: usize = 1024 * 1024;
/// A connection that sends more than this while a command blocks is closed, as by a real server. Reading goes on until
/// then, for only reading tells that the client has gone.
const QUERY_BUFFER_LIMIT: usize = 1024 * 1024 * 1024;

/// A connection's state; it counts as open until this is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    client: Client,
    parser: Parser,
    input: BytesMut,
    output: BytesMut,
    pending: Pending,
    mailbox: mpsc::UnboundedReceiver<Reply>,
    cut: Arc<Notify>,
    /// Close once the output is written; nothing more is executed.
    closing: bool,
    /// The client sends no more. What it has sent is executed all the same, as it is where it has arrived in time.
    ended: bool,
}

/// What the next command has to wait for.
#[derive(Debug)]
enum Pending {
    Nothing,
    /// A list element, or the end of the time.
    Element {
        receiver: oneshot::Receiver<Reply>,
        deadline: Option<Instant>,
    },
    /// A reply that is ready, but late.
    Late {
        reply: Reply,
        at: Instant,
    },
    /// A command that is delayed.
    Delayed {
        arguments: Vec<Bytes>,
        at: Instant,
    },
    /// Nothing will ever happen again.
    Stalled,
}

/// What a wait came to.
enum Waited {
    Served(Reply),
    TimedOut,
    Answer(Reply),
    Execute(Vec<Bytes>),
}

enum Event {
    Cut,
    Written(io::Result<()>),
    Read(io::Result<usize>),
    Message(Reply),
    Waited(Waited),
}

/// Serves the connection until either side closes it.
pub(crate) async fn run<S>(mut connection: Connection, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let cut = connection.cut.clone();
    let mut unflushed = false;
    loop {
        let writing = unflushed || !connection.output.is_empty();
        if (connection.closing || connection.has_nothing_left()) && !writing {
            // Says goodbye properly where the stream knows how; the client may be gone already.
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
            result = write_some(&mut writer, &mut connection.output, &mut unflushed), if writing => {
                Event::Written(result)
            }
            waited = connection.pending.wait(), if blocked && !connection.closing => Event::Waited(waited),
            Some(message) = connection.mailbox.recv() => Event::Message(message),
            result = reader.read_buf(&mut connection.input), if reading => Event::Read(result),
        };
        match event {
            Event::Cut => return,
            Event::Written(Ok(())) => {}
            Event::Written(Err(_)) => {
                connection.ended = true;
                if connection.has_nothing_left() {
                    return;
                }
                connection.output.clear(); // nobody is there to read it
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

/// Writes some of the output; whatever it wrote is gone from `output`, also when it is cancelled.
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
    pub(crate) fn new(shared: Arc<Shared>, address: String) -> Self {
        let (sender, mailbox) = mpsc::unbounded_channel();
        let cut = Arc::<Notify>::default();
        let id = shared.state().register(address, shared.clock.now_ms(), sender, cut.clone());
        let open = shared.users.get("default").is_some_and(Option::is_none);
        Self {
            client: Client::new(id, open.then(|| "default".to_owned())),
            shared,
            parser: Parser::default(),
            input: BytesMut::new(),
            output: BytesMut::new(),
            pending: Pending::Nothing,
            mailbox,
            cut,
            closing: false,
            ended: false,
        }
    }

    /// Executes every complete command that was read, as far as none has to wait; says if there was any.
    fn execute_all(&mut self) -> bool {
        let mut any = false;
        while matches!(self.pending, Pending::Nothing) && !self.closing {
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

    /// Whether the client has gone and nothing that it sent will still be executed. Nobody waits for an element in its
    /// place.
    fn has_nothing_left(&self) -> bool {
        self.ended && !matches!(self.pending, Pending::Delayed { .. })
    }

    fn meet_faults(&mut self, arguments: Vec<Bytes>) {
        self.shared.record(self.client.id, &arguments);
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

    /// A transaction that a refused command was meant for can't be executed; a refused EXEC ends it.
    fn refuse(&mut self, arguments: &[Bytes], text: Bytes) -> Reply {
        let exec = arguments.first().is_some_and(|name| name.eq_ignore_ascii_case(b"exec"));
        if exec && self.client.transaction.is_some() {
            let mut state = self.shared.state();
            let mut context = Context::new(&mut state, &mut self.client, &self.shared);
            return command::abort(&mut context, text);
        }
        self.client.break_transaction();
        Reply::Error(text)
    }

    /// A command that is not executed counts as sent all the same.
    fn count_only(&self) {
        let mut state = self.shared.state();
        state.commands_processed = state.commands_processed.saturating_add(1);
    }

    fn execute(&mut self, arguments: Vec<Bytes>) -> Option<Reply> {
        let mut state = self.shared.state();
        let mut context = Context::new(&mut state, &mut self.client, &self.shared);
        let reply = command::dispatch(&mut context, arguments);
        let effect = context.take_effect();
        // Under the lock, so that no message published later overtakes this command's reply.
        while let Ok(message) = self.mailbox.try_recv() {
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
                // An element may have come between the end of the time and the lock just taken.
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
    }
}

impl Pending {
    /// Completes when the wait is over; nothing is lost when it is cancelled before.
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

/// A moment from now on; a wait that is too long to be computed with ends in 30 years.
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
