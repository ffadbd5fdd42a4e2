//! The state that the callers and the driver of a lane share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::limits::{Patience, Room};
use super::submitted::{Sender, Submitted};
use super::wire::Writer;
use crate::error::{Budget, Error};
use crate::protocol::{Keys, Packet, Replies, Reply, Request, WireBuffer};
use crate::sync::lock;
use crate::time::Deadline;

/// The most replies for which room is made before they arrive.
const MOST_RESERVED: usize = 1024;

/// If one read answered at most this many callers, the first of them to send again writes at once.
/// The server then works while the others decode their replies. With more callers, one write for
/// all of them saves more.
const CROWD: usize = 12;

/// If the driver is answering more callers than this, the first of them to send again wait until it
/// has answered all.
const FEW: usize = 4;
/// How often such a caller gives up its turn on the processor at most.
const MOST_TURNS: usize = 2;

/// The driver hands out replies until this is dropped.
pub(crate) struct Answering<'q>(&'q AtomicBool);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

pub(crate) struct Queue {
    writer: Writer,
    room: Room,
    patience: Patience,
    state: Mutex<QueueState>,
    /// Mirrors `QueueState::closed`, so that choosing a lane takes no lock.
    closed: AtomicBool,
    /// Mirrors the number of `pending` requests, for the same reason.
    in_flight: AtomicUsize,
    /// Whether the driver is handing out many replies.
    answering: AtomicBool,
    ended: Notify,
}

#[derive(Default)]
pub(crate) struct QueueState {
    /// Encoded commands that the driver has not taken yet.
    pub(crate) out: WireBuffer,
    /// What must not be written yet, in order.
    held: VecDeque<Held>,
    /// Requests whose replies are outstanding, in the order of their commands.
    pub(crate) pending: VecDeque<Pending>,
    /// The number of outstanding replies.
    owed: usize,
    /// How many callers the last read answered.
    answered: usize,
    /// When the timer of the driver fires, if it is set.
    pub(crate) armed: Option<Instant>,
    /// An earlier deadline, to which the driver must reset its timer.
    pub(crate) earlier: Option<Instant>,
    /// Until when a long request may be in transit to the server.
    arriving: Option<Instant>,
    /// How many bytes the driver has taken and not written yet. No caller may write before them.
    pub(crate) writing: usize,
    /// Set while the driver sleeps.
    pub(crate) waker: Option<Waker>,
    /// Whether the queue rejects further requests.
    pub(crate) closed: bool,
    /// When another server has replaced this one.
    pub(crate) retired: Option<Instant>,
    /// Whether the driver has ended.
    pub(crate) ended: bool,
}

/// How long a server that was replaced may take to answer what it has received.
pub(crate) const RETIRED: Duration = Duration::from_millis(300);

/// Encoded commands that must not be written before earlier requests are answered.
struct Held {
    out: WireBuffer,
    /// How many requests must be answered before.
    earlier: usize,
}

pub(crate) struct Pending {
    /// `None` once the caller has its answer, for example that its deadline passed.
    sender: Option<Sender>,
    missing: usize,
    answer: PartialAnswer,
    deadline: Deadline,
}

/// The replies to a request that have arrived.
enum PartialAnswer {
    /// One reply completes it.
    One,
    /// Two replies complete it. The first has arrived, or not.
    Two(Option<Reply>),
    Many(Vec<Reply>),
}

impl Queue {
    pub(crate) fn new(writer: Writer, room: Room, patience: Patience) -> Self {
        let (state, closed, ended) = (Mutex::default(), AtomicBool::new(false), Notify::new());
        Self {
            writer,
            room,
            patience,
            state,
            closed,
            in_flight: AtomicUsize::new(0),
            answering: AtomicBool::new(false),
            ended,
        }
    }

    pub(crate) fn patience(&self) -> Patience {
        self.patience
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, QueueState> {
        lock(&self.state)
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }

    /// The number of requests that wait for replies.
    #[inline]
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Must be called after each change of `pending`, before the lock is released.
    #[inline]
    pub(crate) fn count(&self, state: &QueueState) {
        self.in_flight.store(state.pending.len(), Ordering::Relaxed);
    }

    /// Must be called before this many callers get their replies. The guard is dropped when they
    /// have them.
    #[inline]
    pub(crate) fn answering(&self, callers: usize) -> Option<Answering<'_>> {
        (callers > FEW).then(|| {
            self.answering.store(true, Ordering::Relaxed);
            Answering(&self.answering)
        })
    }

    /// Lets the driver finish handing out replies. Otherwise, on a processor that is shared by
    /// several threads, the thread of the first caller takes over from the driver after each reply,
    /// and each caller costs two switches between threads. The number of turns is limited, so that
    /// nothing depends on the driver.
    #[inline]
    fn wait_while_answering(&self) {
        for _ in 0..MOST_TURNS {
            if !self.answering.load(Ordering::Relaxed) {
                break;
            }
            std::thread::yield_now();
        }
    }

    pub(crate) fn submit(&self, request: &Request, namespace: &str, deadline: Deadline) -> Submitted {
        self.enqueue(request, namespace, deadline, false)
    }

    /// Like [`submit`](Self::submit), but the request is written when all earlier ones are
    /// answered, and later ones after it.
    pub(crate) fn submit_after_replies(&self, request: &Request, deadline: Deadline) -> Submitted {
        self.enqueue(request, "", deadline, true)
    }

    fn enqueue(&self, request: &Request, namespace: &str, deadline: Deadline, waits: bool) -> Submitted {
        let missing = request.replies();
        let (sender, receiver) = oneshot::channel();
        self.wait_while_answering();
        let mut state = self.lock();
        if state.closed {
            return Submitted::NoLane;
        }
        let unwritten = state.unwritten();
        // The last accepted request may exceed the limits. Otherwise a large batch would only fit
        // on an idle lane.
        if state.owed >= self.room.replies || unwritten > self.room.bytes {
            return Submitted::Refused(Error::overloaded(state.owed, unwritten));
        }
        state.owed += missing;
        let alone = !state.is_shared() && unwritten == 0;
        if waits && !state.pending.is_empty() {
            let held = Held { out: WireBuffer::default(), earlier: state.pending.len() };
            state.held.push_back(held);
        }
        let QueueState { out, held, .. } = &mut *state;
        let out = held.back_mut().map_or(out, |held| &mut held.out);
        let before = out.len();
        request.encode(namespace, out);
        let length = out.len() - before;
        state.note_length(length);
        state.pending.push_back(Pending {
            sender: Some(sender),
            missing,
            answer: match (request, missing) {
                (Request::One(_), _) => PartialAnswer::One,
                (_, 2) => PartialAnswer::Two(None),
                _ => PartialAnswer::Many(Vec::new()),
            },
            deadline,
        });
        let mut wake = true;
        // Long values are left to the driver.
        if alone && let Some(bytes) = state.out.plain() {
            // No other request is expected to share the write. Writing here saves waking the
            // driver, which then only reads. The driver handles errors and the bytes that do not
            // fit.
            let written = self.writer.try_write(bytes).unwrap_or(0);
            wake = written < bytes.len();
            if wake {
                state.out.wrote(written);
            } else {
                state.out.clear();
            }
        }
        let at = self.patience.first_look(deadline);
        if state.armed.is_none_or(|armed| at < armed) {
            state.earlier = Some(state.earlier.map_or(at, |earlier| earlier.min(at)));
            wake = true;
        }
        let waker = if wake { state.waker.take() } else { None };
        self.count(&state);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Submitted::Waiting(receiver)
    }

    /// Queues a PING that no caller waits for, unless replies are outstanding.
    pub(crate) fn probe(&self, deadline: Deadline) -> bool {
        let mut state = self.lock();
        if state.closed || !state.pending.is_empty() {
            return false;
        }
        Packet::new("PING", Keys::None).encode("", &mut state.out);
        state.pending.push_back(Pending { sender: None, missing: 1, answer: PartialAnswer::One, deadline });
        state.owed += 1;
        self.count(&state);
        let at = self.patience.first_look(deadline);
        state.earlier = Some(state.earlier.map_or(at, |earlier| earlier.min(at)));
        true
    }

    /// Stops accepting requests. The driver ends when no caller waits for a reply.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.closed.store(true, Ordering::Release);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Stops accepting requests, because another server has replaced this one. What was not written
    /// is not sent any more, and the driver ends soon.
    pub(crate) fn retire(&self) {
        {
            let mut state = self.lock();
            let now = Instant::now();
            state.retired = Some(now);
            // The driver looks at once: the server may have been silent for a while.
            state.earlier = Some(now);
        }
        self.close();
    }

    /// Fails all waiting callers, because the connection is lost. Returns whether there were any.
    pub(crate) fn fail(&self, error: &Error) -> bool {
        let mut state = self.lock();
        state.closed = true;
        self.closed.store(true, Ordering::Release);
        state.ended = true;
        let pending = std::mem::take(&mut state.pending);
        self.count(&state);
        state.out = WireBuffer::default();
        state.held.clear();
        drop(state);
        let any = !pending.is_empty();
        for pending in pending {
            pending.fail(error);
        }
        self.ended.notify_waiters();
        any
    }

    pub(crate) async fn ended(&self) {
        loop {
            let notified = self.ended.notified();
            if self.lock().ended {
                return;
            }
            notified.await;
        }
    }
}

impl Pending {
    fn fail(self, error: &Error) {
        if let Some(sender) = self.sender {
            let _ = sender.send(Err(error.clone()));
        }
    }
}

impl QueueState {
    /// How many bytes wait to be written.
    fn unwritten(&self) -> usize {
        self.out.len() + self.writing + self.held.iter().map(|held| held.out.len()).sum::<usize>()
    }

    /// Whether a new request should wait for others and share their write: callers wait for
    /// replies, or many just got theirs and are about to send the next request.
    fn is_shared(&self) -> bool {
        !self.pending.is_empty() || self.answered > CROWD
    }

    /// The same, if the queue has one request already.
    pub(crate) fn is_crowded(&self) -> bool {
        self.pending.len() > 1 || self.answered > CROWD
    }

    /// Records that a long request takes time to arrive. Silence is expected meanwhile.
    fn note_length(&mut self, length: usize) {
        let transit_time = Patience::transit_time(length);
        if !transit_time.is_zero() {
            let now = Instant::now();
            self.arriving = Some(self.arriving.map_or(now, |earlier| earlier.max(now)) + transit_time);
        }
    }

    /// Assigns replies to their requests, in order. Adds the callers and their replies to
    /// `answers`, so that they are sent outside of the lock. Returns `false` if more replies
    /// arrived than were requested.
    pub(crate) fn assign(
        &mut self,
        replies: &mut Vec<Reply>,
        answers: &mut Vec<(Sender, Result<Replies, Error>)>,
    ) -> bool {
        let before = answers.len();
        for reply in replies.drain(..) {
            let Some(pending) = self.pending.front_mut() else { return false };
            pending.missing -= 1;
            self.owed = self.owed.saturating_sub(1);
            let whole = match &mut pending.answer {
                PartialAnswer::One => Some(Replies::One(reply)),
                PartialAnswer::Two(first) => match first.take() {
                    Some(first) => Some(Replies::Two([first, reply])),
                    None => {
                        *first = Some(reply);
                        None
                    }
                },
                PartialAnswer::Many(replies) => {
                    if replies.capacity() == 0 {
                        // All replies to a batch usually arrive together.
                        replies.reserve(pending.missing.min(MOST_RESERVED) + 1);
                    }
                    replies.push(reply);
                    (pending.missing == 0).then(|| Replies::Many(std::mem::take(replies)))
                }
            };
            if let Some(whole) = whole {
                let sender = self.pending.pop_front().and_then(|pending| pending.sender);
                for held in &mut self.held {
                    held.earlier = held.earlier.saturating_sub(1);
                }
                answers.extend(sender.map(|sender| (sender, Ok(whole))));
            }
        }
        self.answered = answers.len() - before;
        self.release();
        true
    }

    /// Lets the driver write what was held until earlier requests are answered.
    fn release(&mut self) {
        if self.out.is_empty()
            && self.held.front().is_some_and(|held| held.earlier == 0)
            && let Some(held) = self.held.pop_front()
        {
            self.out = held.out;
        }
    }

    /// Fails callers whose deadline has passed, and returns which replies are outstanding.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        answers: &mut Vec<(Sender, Result<Replies, Error>)>,
    ) -> Owed {
        self.arriving = self.arriving.filter(|arriving| *arriving > now);
        let mut owed =
            Owed { any: !self.pending.is_empty(), arriving: self.arriving.is_some(), ..Owed::default() };
        for pending in &mut self.pending {
            let at = pending.deadline.at();
            owed.longest = owed.longest.max(pending.deadline.limit());
            if at <= now
                && let Some(sender) = pending.sender.take()
            {
                answers.push((sender, Err(pending.deadline.passed(Budget::Reply))));
            }
            if pending.sender.is_none() {
                owed.overdue = true;
            } else {
                owed.next = Some(owed.next.map_or(at, |next| next.min(at)));
            }
        }
        owed
    }

    /// Whether the queue is closed and no caller waits for a reply.
    pub(crate) fn is_done(&self) -> bool {
        let waits = |pending: &Pending| pending.sender.as_ref().is_some_and(|sender| !sender.is_closed());
        self.closed && !self.pending.iter().any(waits)
    }
}

/// The outstanding replies.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    /// The earliest deadline of a waiting caller.
    pub(crate) next: Option<Instant>,
    /// The longest limit of any of them.
    pub(crate) longest: Duration,
    /// Whether the caller of any reply no longer waits.
    pub(crate) overdue: bool,
    /// Whether any reply is outstanding.
    pub(crate) any: bool,
    /// Whether a long request may still be in transit.
    pub(crate) arriving: bool,
}

#[cfg(all(test, feature = "embedded"))]
mod tests;
