//! The task that drives a lane's connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::time::{Instant, Sleep};

use super::limits::Patience;
use super::queue::{Queue, QueueState, RETIRED};
use super::submitted::Sender;
use super::wire::Reader;
use crate::config::Settings;
use crate::connect::attempt::Origin;
use crate::connect::search::Suspicion;
use crate::error::Error;
use crate::protocol::{Decoder, Malformed, READ_SIZE, Replies, Reply, WireBuffer};
use crate::time::Deadline;

/// How often large buffers are freed, if the lane is not probed.
const FREE_AFTER: Duration = Duration::from_secs(10);
/// The longest interval between two checks of a silent lane.
const LOOK: Duration = Duration::from_millis(250);
/// How long the node of a cluster may be silent before other nodes are asked whether it was
/// replaced. If it was, there is no reason to wait for it.
const QUIET: Duration = Duration::from_millis(200);
/// Buffers that grew beyond this size, for example for a large value, are freed when they are no
/// longer needed.
const KEEP_SIZE: usize = 256 * 1024;
/// After so many smaller writes, a large buffer is no longer needed.
const SMALLER_WRITES: u8 = 32;

pub(crate) struct Driver {
    reader: Reader,
    queue: Arc<Queue>,
    origin: Origin,
    patience: Patience,
    decoder: Decoder,
    input: BytesMut,
    output: WireBuffer,
    excess: Excess,
    /// Whether ready callers had a chance to add to the next write.
    gathered: bool,
    replies: Vec<Reply>,
    answers: Vec<(Sender, Result<Replies, Error>)>,
    timer: Pin<Box<Sleep>>,
    /// When the timer fires, if it is set.
    armed: Option<Instant>,
    /// Since when nothing has arrived. Updated when the timer fires.
    silent_since: Instant,
    heard: bool,
    /// Like `silent_since`, for the check on another connection: time in which a request is in
    /// transit does not count.
    quiet_since: Instant,
    /// Set while the server is probed on another connection.
    suspicion: Option<Suspicion>,
    probe: Pin<Box<Sleep>>,
    /// Whether anything arrived since the timer of the probe was set.
    heard_since: bool,
}

/// Decides when a large write buffer is freed. Large writes often follow each other, and a new
/// buffer for each of them would be slow.
#[derive(Default)]
struct Excess {
    smaller_writes: u8,
}

impl Excess {
    /// Returns whether to free a buffer of this capacity, of which this much was just written.
    fn is_due(&mut self, capacity: usize, written: usize) -> bool {
        if written == 0 {
            return false;
        }
        if capacity <= KEEP_SIZE || written > KEEP_SIZE / 2 {
            self.smaller_writes = 0;
            return false;
        }
        self.smaller_writes += 1;
        self.smaller_writes > SMALLER_WRITES
    }
}

/// Why a driver stops.
enum End {
    /// All handles are dropped, and no caller waits.
    Finished,
    Lost(String),
}

impl Driver {
    pub(crate) fn new(reader: Reader, unread: BytesMut, queue: Arc<Queue>, origin: Origin) -> Self {
        let now = Instant::now();
        let Settings { max_value_bytes, ping_interval, .. } = *origin.settings;
        let patience = queue.patience();
        Self {
            reader,
            queue,
            origin,
            patience,
            decoder: Decoder::new(max_value_bytes),
            input: unread,
            output: WireBuffer::default(),
            excess: Excess::default(),
            gathered: false,
            replies: Vec::new(),
            answers: Vec::new(),
            timer: Box::pin(tokio::time::sleep_until(now)),
            armed: None,
            silent_since: now,
            // Silence counts only while replies are outstanding.
            heard: true,
            quiet_since: now,
            suspicion: None,
            probe: Box::pin(tokio::time::sleep_until(now + ping_interval.unwrap_or(FREE_AFTER))),
            heard_since: false,
        }
    }

    /// Reads what has arrived and hands out the replies.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            // The decoder has reserved what it needs.
            if self.input.capacity() - self.input.len() < READ_SIZE {
                self.input.reserve(READ_SIZE);
            }
            let read = ready!(self.reader.poll_read(context, &mut self.input));
            match read {
                Ok(0) => return Poll::Ready(End::Lost("closed by the server".to_owned())),
                Ok(_) => {}
                Err(error) => return Poll::Ready(End::Lost(error.to_string())),
            }
            self.heard = true;
            self.heard_since = true;
            if let Err(Malformed(problem)) = self.decode() {
                return Poll::Ready(End::Lost(format!("the server sent {problem}")));
            }
        }
    }

    fn decode(&mut self) -> Result<(), Malformed> {
        while let Some(reply) = self.decoder.decode(&mut self.input)? {
            // A push answers no request. If it counted as a reply, every later reply would shift by
            // one.
            if !matches!(reply, Reply::Push(_)) {
                self.replies.push(reply);
            }
        }
        if self.replies.is_empty() {
            return Ok(());
        }
        self.origin.facts.breaker.succeeded();
        let mut state = self.queue.lock();
        let asked = state.assign(&mut self.replies, &mut self.answers);
        self.queue.count(&state);
        drop(state);
        self.send_answers();
        if asked { Ok(()) } else { Err(Malformed("a reply without a request")) }
    }

    fn send_answers(&mut self) {
        let answering = self.queue.answering(self.answers.len());
        for (sender, result) in self.answers.drain(..) {
            // The caller may have been dropped.
            let _ = sender.send(result);
        }
        drop(answering);
    }

    /// Writes what the callers have queued.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            if self.output.is_empty() {
                let written = self.output.clear();
                if self.excess.is_due(self.output.capacity(), written) {
                    self.output = WireBuffer::default();
                }
                let mut state = self.queue.lock();
                state.writing = 0;
                if state.out.is_empty() || state.retired.is_some() {
                    self.gathered = false;
                    if state.is_done() {
                        return Poll::Ready(End::Finished);
                    }
                    state.sleep(context, &mut self.armed, self.timer.as_mut());
                    return Poll::Pending;
                }
                // Several callers are active. Let those that are ready add their requests, and
                // write once. A single caller would only wait for itself.
                if !self.gathered && state.is_crowded() {
                    self.gathered = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                std::mem::swap(&mut self.output, &mut state.out);
                state.writing = self.output.len();
                self.gathered = false;
            }
            let chunk = self.output.chunk();
            let Poll::Ready(written) = self.queue.writer().poll_write(context, chunk) else {
                // The server reads no more for now. Deadlines still pass.
                let mut state = self.queue.lock();
                if state.is_done() {
                    return Poll::Ready(End::Finished);
                }
                state.sleep(context, &mut self.armed, self.timer.as_mut());
                return Poll::Pending;
            };
            match written {
                Ok(0) => return Poll::Ready(End::Lost("the connection accepts no more bytes".to_owned())),
                Ok(written) => self.output.wrote(written),
                Err(error) => return Poll::Ready(End::Lost(error.to_string())),
            }
        }
    }

    /// Probes a server that was silent for the ping interval, or up to twice as long. If it does
    /// not answer, the lane is closed as with any outstanding reply.
    fn poll_probe(&mut self, context: &mut Context<'_>) -> Poll<End> {
        while self.probe.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let interval = self.origin.settings.ping_interval;
            if !std::mem::take(&mut self.heard_since)
                && interval.is_some()
                && self.queue.probe(Deadline::after(self.patience.silence))
            {
                // Silence counts from now on.
                (self.heard, self.silent_since, self.quiet_since) = (false, now, now);
            }
            self.free_buffers();
            self.probe.as_mut().reset(now + interval.unwrap_or(FREE_AFTER));
        }
        Poll::Pending
    }

    /// Frees large buffers that are empty, because the connection may stay unused.
    fn free_buffers(&mut self) {
        let mut state = self.queue.lock();
        for buffer in [&mut self.output, &mut state.out] {
            if buffer.is_empty() && buffer.capacity() > KEEP_SIZE {
                *buffer = WireBuffer::default();
            }
        }
    }

    /// Fails callers whose deadline has passed. Closes the lane if the server is silent although
    /// replies are outstanding.
    fn poll_deadlines(&mut self, context: &mut Context<'_>) -> Poll<End> {
        while self.armed.is_some() {
            ready!(self.timer.as_mut().poll(context));
            let now = Instant::now();
            let heard = std::mem::take(&mut self.heard);
            if heard {
                self.silent_since = now;
            }
            let mut state = self.queue.lock();
            let owed = state.expire(now, &mut self.answers);
            let gives_up = owed.overdue.then(|| self.silent_since + self.patience.with(owed.longest));
            if heard || owed.arriving || !owed.any {
                (self.quiet_since, self.suspicion) = (now, None);
            }
            let suspicious = self.patience.suspicious(owed.longest).filter(|_| owed.any);
            let is_suspicious = suspicious.is_some_and(|limit| self.quiet_since + limit <= now);
            if is_suspicious && self.suspicion.is_none() {
                self.suspicion = Some(self.origin.suspect());
            }
            let is_quiet = owed.any && self.quiet_since + QUIET <= now;
            if is_quiet {
                // On a cluster, another node may have replaced the server.
                self.origin.report_silence();
            }
            let ends = state.retired.map(|at| at + RETIRED);
            let has_successor = state.retired.is_some() || self.origin.facts.was_replaced(self.quiet_since);
            let is_replaced = ends.is_some_and(|at| at <= now) || (is_quiet && has_successor);
            let is_confirmed =
                self.suspicion.as_ref().is_some_and(|it| it.is_confirmed(self.quiet_since, now));
            let is_dead = is_replaced || is_confirmed;
            let look = if is_quiet { QUIET / 2 } else { LOOK };
            let next_look = suspicious.map(|limit| now + (limit / 4).min(look));
            let next_look = next_look.into_iter().chain(ends).min();
            self.armed = owed.next.into_iter().chain(gives_up).chain(next_look).min();
            state.armed = self.armed;
            let done = state.is_done();
            drop(state);
            self.send_answers();
            if done {
                return Poll::Ready(End::Finished);
            }
            if is_dead {
                let silence = now.duration_since(self.quiet_since);
                let meanwhile = if is_replaced {
                    "another server has replaced it"
                } else {
                    "the server answers on another connection"
                };
                return Poll::Ready(End::Lost(format!("silent for {silence:.1?}, while {meanwhile}")));
            }
            if gives_up.is_some_and(|at| at <= now) {
                let silence = now.duration_since(self.silent_since);
                return Poll::Ready(End::Lost(format!("the server was silent for {silence:.1?}")));
            }
            match self.armed {
                Some(next) => self.timer.as_mut().reset(next),
                // No reply is outstanding, so silence does not count.
                None => self.heard = true,
            }
        }
        Poll::Pending
    }
}

impl QueueState {
    /// Prepares the driver for sleep: stores its waker, and sets its timer to the earliest
    /// deadline.
    fn sleep(&mut self, context: &Context<'_>, armed: &mut Option<Instant>, timer: Pin<&mut Sleep>) {
        if let Some(earlier) = self.earlier.take() {
            self.armed = Some(earlier);
            *armed = Some(earlier);
            timer.reset(earlier);
        }
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            self.waker = Some(context.waker().clone());
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.input.capacity() > KEEP_SIZE && !this.input.has_remaining() {
            this.input = BytesMut::new();
        }
        // Read first: when the buffers of both sides are full, this lets the server continue.
        for step in [Self::poll_read, Self::poll_probe, Self::poll_write, Self::poll_deadlines] {
            if let Poll::Ready(end) = step(this, context) {
                if let End::Lost(cause) = end {
                    let error = Error::connection_lost(cause);
                    let was_idle = !this.queue.fail(&error);
                    this.origin.lost(&error, was_idle);
                }
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The driver is also dropped when its runtime ends. No caller may wait for a dropped
        // driver.
        self.queue.fail(&Error::connection_lost("its runtime has ended"));
        // Handles in other runtimes may hold the queue for long, and with it the socket.
        self.queue.writer().shut_down();
    }
}
