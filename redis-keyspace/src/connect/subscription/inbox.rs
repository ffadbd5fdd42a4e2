//! The queue of one subscription. Its size is bounded.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::coop::{consume_budget, has_budget_remaining};
use tokio::time::{Instant, timeout};

use super::patience::{PATIENCE, ReaderPatience};
use crate::error::Error;
use crate::protocol::SHARED;
use crate::sync::lock;

/// The most bytes that a queue takes. A single message may be longer.
const MOST_BYTES: usize = 16 << 20;
/// What a delivery takes besides its text: its place in the queue, of which half may be unused, and
/// two allocations.
const FIXED_BYTES: usize = 2 * size_of::<Delivery>() + 128;

/// What a subscription receives.
#[derive(Debug, Clone)]
pub(crate) enum Delivery {
    Message {
        channel: Bytes,
        payload: Bytes,
    },
    /// A message of so many bytes, longer than `max_value_bytes`. It was dropped.
    TooLong(usize),
    /// The connection was lost, and the server has confirmed the subscription again.
    Resubscribed,
    /// So many messages were dropped, because they were not read in time.
    Lagged(u64),
    Failed(Error),
}

impl Delivery {
    /// How many bytes it takes in a queue.
    fn cost(&self) -> usize {
        let text = match self {
            Self::Message { channel, payload } => kept_by(channel.len()) + kept_by(payload.len()),
            _ => 0,
        };
        FIXED_BYTES + text
    }

    /// Whether it counts towards the number of messages in the queue.
    fn is_message(&self) -> bool {
        matches!(self, Self::Message { .. } | Self::TooLong(_))
    }
}

/// How much memory a string keeps. A long one keeps the buffer that it was read into.
fn kept_by(length: usize) -> usize {
    if length >= SHARED { 2 * length } else { length }
}

/// How far a subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server has not confirmed it yet.
    Pending,
    Established,
    Ended,
}

/// Waking or dropping a waker runs code of the application, which may drop the subscription. So the
/// methods that wake the reader return its waker, and the caller uses it when nothing is locked.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<InboxState>,
    /// Notified when the reader has taken a message.
    room: Notify,
}

#[derive(Debug)]
struct InboxState {
    queue: VecDeque<Delivery>,
    messages: usize,
    bytes: usize,
    capacity: usize,
    /// How many messages were dropped since the last one that was kept.
    dropped: u64,
    /// How long the connection may still wait for the reader. It is renewed when the reader has
    /// read everything.
    patience: Duration,
    stage: Stage,
    /// Why a subscription that was never confirmed has ended.
    failure: Option<Error>,
    /// Whether the reader is gone.
    is_abandoned: bool,
    waker: Option<Waker>,
}

impl InboxState {
    fn is_full(&self, cost: usize) -> bool {
        self.messages >= self.capacity || (self.messages > 0 && self.bytes + cost > MOST_BYTES)
    }

    fn push(&mut self, delivery: Delivery) {
        self.messages += usize::from(delivery.is_message());
        self.bytes += delivery.cost();
        self.queue.push_back(delivery);
    }

    /// Adds what is not a message. Between two messages, there is at most one of each sort, so the
    /// queue of a reader that is gone for long does not grow with each reconnection.
    fn push_report(&mut self, mut report: Delivery) {
        let of_same_sort = self
            .queue
            .iter()
            .enumerate()
            .rev()
            .take_while(|(_, earlier)| !earlier.is_message())
            .find(|(_, earlier)| std::mem::discriminant(*earlier) == std::mem::discriminant(&report))
            .map(|(place, _)| place);
        if let Some(earlier) = of_same_sort.and_then(|place| self.queue.remove(place)) {
            self.bytes -= earlier.cost();
            if let (Delivery::Lagged(count), Delivery::Lagged(before)) = (&mut report, earlier) {
                *count += before;
            }
        }
        self.push(report);
    }

    /// Adds the number of dropped messages, if there are any.
    fn push_dropped(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            self.push_report(Delivery::Lagged(dropped));
        }
    }

    /// Stores the waker of the reader. The caller drops the returned one when the state is not
    /// locked any more.
    fn set_waker(&mut self, waker: &Waker) -> Option<Waker> {
        match &self.waker {
            Some(before) if before.will_wake(waker) => None,
            _ => self.waker.replace(waker.clone()),
        }
    }
}

impl Inbox {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::new(InboxState {
                queue: VecDeque::new(),
                messages: 0,
                bytes: 0,
                capacity,
                dropped: 0,
                patience: PATIENCE,
                stage: Stage::Pending,
                failure: None,
                is_abandoned: false,
                waker: None,
            }),
            room: Notify::new(),
        }
    }

    /// Adds a message. If the queue is full, waits a little for the reader, and then drops the
    /// message and counts it. While a reader lags, nothing waits for it. `patience` is the one of
    /// the connection.
    pub(super) async fn deliver(&self, message: &Delivery, patience: &mut ReaderPatience) {
        if self.accepts(message) {
            return;
        }
        let limit = lock(&self.state).patience.min(patience.left());
        if !limit.is_zero() {
            let start = Instant::now();
            let _ = timeout(limit, self.has_room(message.cost())).await;
            let waited = start.elapsed();
            patience.spend(waited);
            let mut state = lock(&self.state);
            state.patience = state.patience.saturating_sub(waited);
        }
        if !self.accepts(message) {
            lock(&self.state).dropped += 1;
        }
    }

    /// Adds a message if there is room. Drops it if the reader lags or is gone.
    fn accepts(&self, message: &Delivery) -> bool {
        let mut state = lock(&self.state);
        if state.is_abandoned || state.stage == Stage::Ended {
            return true;
        }
        if state.is_full(message.cost()) {
            let lags = state.dropped > 0;
            state.dropped += u64::from(lags);
            return lags;
        }
        state.push_dropped();
        state.push(message.clone());
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    async fn has_room(&self, cost: usize) {
        loop {
            let notified = self.room.notified();
            {
                let state = lock(&self.state);
                if !state.is_full(cost) || state.is_abandoned {
                    return;
                }
            }
            notified.await;
        }
    }

    /// Records that a server has confirmed the subscription. `is_complete` says that all servers
    /// have that must.
    #[must_use]
    pub(super) fn confirmed(&self, is_complete: bool) -> Option<Waker> {
        let mut state = lock(&self.state);
        match state.stage {
            Stage::Established => {
                state.push_dropped();
                // Two reconnections without a message between them are one gap.
                state.push_report(Delivery::Resubscribed);
            }
            Stage::Pending if is_complete => state.stage = Stage::Established,
            Stage::Pending | Stage::Ended => return None,
        }
        state.waker.take()
    }

    /// Whether the subscription still waits for a confirmation.
    pub(super) fn is_pending(&self) -> bool {
        lock(&self.state).stage == Stage::Pending
    }

    /// Reports a failure. It ends a subscription that was never confirmed.
    #[must_use]
    pub(super) fn failed(&self, error: Error) -> Option<Waker> {
        let mut state = lock(&self.state);
        match state.stage {
            Stage::Pending => {
                state.stage = Stage::Ended;
                state.failure = Some(error);
            }
            Stage::Established => {
                state.push_dropped();
                state.push_report(Delivery::Failed(error));
            }
            Stage::Ended => return None,
        }
        state.waker.take()
    }

    /// Ends the subscription. What was received can still be read.
    #[must_use]
    pub(super) fn end(&self, error: Option<Error>) -> Option<Waker> {
        let mut state = lock(&self.state);
        let before = std::mem::replace(&mut state.stage, Stage::Ended);
        match (before, error) {
            (Stage::Ended, _) => return None,
            (Stage::Pending, error) => state.failure = error,
            (Stage::Established, error) => {
                state.push_dropped();
                if let Some(error) = error {
                    state.push_report(Delivery::Failed(error));
                }
            }
        }
        state.waker.take()
    }

    /// Records that nothing will be read any more.
    pub(super) fn abandon(&self) {
        lock(&self.state).is_abandoned = true;
        self.room.notify_waiters();
    }

    /// Waits until the subscription is confirmed, or has failed.
    pub(super) fn poll_established(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut state = lock(&self.state);
        match state.stage {
            Stage::Established => Poll::Ready(Ok(())),
            Stage::Ended => Poll::Ready(Err(state.failure.take().unwrap_or_else(Error::closed))),
            Stage::Pending => {
                let before = state.set_waker(context.waker());
                drop(state);
                drop(before);
                Poll::Pending
            }
        }
    }

    /// Returns the next delivery; `None` at the end.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let mut state = lock(&self.state);
        if state.queue.is_empty() {
            state.push_dropped();
        }
        if !state.queue.is_empty() && !has_budget_remaining() {
            // Other tasks of the thread have their turn first.
            drop(state);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match state.queue.pop_front() {
            Some(delivery) => {
                state.messages -= usize::from(delivery.is_message());
                state.bytes -= delivery.cost();
                drop(state);
                self.room.notify_waiters();
                // Ready at once, because there is a budget.
                let _ = pin!(consume_budget()).poll(context);
                Poll::Ready(Some(delivery))
            }
            None if state.stage == Stage::Ended => Poll::Ready(None),
            None => {
                // The reader keeps up.
                state.patience = PATIENCE;
                let before = state.set_waker(context.waker());
                drop(state);
                drop(before);
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use tokio::time::sleep;

    use super::*;

    fn message(text: &'static str) -> Delivery {
        Delivery::Message { channel: Bytes::new(), payload: Bytes::from_static(text.as_bytes()) }
    }

    /// A confirmed subscription.
    fn inbox(capacity: usize) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::new(capacity));
        let _ = inbox.confirmed(true);
        inbox
    }

    /// Delivers over a connection that has not waited yet.
    async fn deliver(inbox: &Inbox, text: &'static str) {
        inbox.deliver(&message(text), &mut ReaderPatience::new()).await;
    }

    async fn next(inbox: &Inbox) -> String {
        match poll_fn(|context| inbox.poll_next(context)).await {
            Some(Delivery::Message { payload, .. }) => String::from_utf8(payload.into()).unwrap(),
            Some(Delivery::Lagged(count)) => format!("lagged {count}"),
            Some(Delivery::Failed(_)) => "failed".to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_are_not_read_are_counted_where_they_are_missing() {
        let inbox = inbox(2);
        for text in ["a", "b", "c", "d"] {
            deliver(&inbox, text).await;
        }
        assert_eq!((next(&inbox).await, next(&inbox).await), ("a".into(), "b".into()));
        deliver(&inbox, "e").await;
        assert_eq!((next(&inbox).await, next(&inbox).await), ("lagged 2".into(), "e".into()));
        // Nothing more was dropped.
        let _ = inbox.end(None);
        assert_eq!(next(&inbox).await, "None");
    }

    /// Also if it skips all of them, as a pattern does.
    #[tokio::test]
    async fn a_reader_of_many_messages_lets_other_tasks_run() {
        let inbox = inbox(1000);
        for _ in 0..1000 {
            deliver(&inbox, "a").await;
        }
        let read_in_one_poll = || {
            poll_fn(|context| {
                let read = std::iter::from_fn(|| match inbox.poll_next(context) {
                    Poll::Ready(delivery) => delivery,
                    Poll::Pending => None,
                });
                Poll::Ready(read.count())
            })
        };
        let mut read = vec![read_in_one_poll().await];
        assert!(read[0] < 500, "{read:?}");
        while read.iter().sum::<usize>() < 1000 {
            tokio::task::yield_now().await;
            read.push(read_in_one_poll().await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_waits_for_its_reader_first() {
        let inbox = inbox(1);
        deliver(&inbox, "a").await;
        let sending = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move { deliver(&inbox, "b").await }
        });
        tokio::task::yield_now().await;
        assert_eq!((next(&inbox).await, next(&inbox).await), ("a".into(), "b".into()));
        sending.await.unwrap();
    }

    /// The clock of these tests stands still unless everything waits, so the times are exact.
    #[tokio::test(start_paused = true)]
    async fn a_reader_that_makes_room_slowly_is_not_waited_for_each_time() {
        let inbox = inbox(1);
        let reading = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move {
                let mut seen = Vec::new();
                while seen.last().is_none_or(|last| last != "None") {
                    sleep(Duration::from_millis(100)).await;
                    seen.push(next(&inbox).await);
                }
                seen
            }
        });
        let start = Instant::now();
        for _ in 0..50 {
            deliver(&inbox, "a").await;
        }
        assert_eq!(start.elapsed(), PATIENCE);
        sleep(Duration::from_secs(1)).await;
        // The reader has read everything, so it is waited for again.
        let start = Instant::now();
        for _ in 0..50 {
            deliver(&inbox, "b").await;
        }
        assert!(start.elapsed() > Duration::ZERO && start.elapsed() <= PATIENCE, "{:?}", start.elapsed());
        let _ = inbox.end(None);
        let seen = reading.await.unwrap();
        let read = |text: &str| seen.iter().filter(|seen| *seen == text).count();
        let lagged = seen.iter().filter_map(|seen| seen.strip_prefix("lagged ")?.parse::<usize>().ok());
        assert_eq!(read("a") + read("b") + lagged.sum::<usize>(), 100, "{seen:?}");
        assert!(read("a") > 1, "{seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn many_slow_readers_share_the_patience_of_their_connection() {
        let mut patience = ReaderPatience::new();
        let inboxes: Vec<_> = (0..100).map(|_| inbox(1)).collect();
        let start = Instant::now();
        for _ in 0..5 {
            for inbox in &inboxes {
                inbox.deliver(&message("a"), &mut patience).await;
            }
        }
        assert_eq!(start.elapsed(), PATIENCE);
        // It comes back while no reader is waited for.
        sleep(PATIENCE).await;
        assert_eq!(patience.left(), PATIENCE / 4);
    }

    #[tokio::test(start_paused = true)]
    async fn short_messages_take_no_more_memory_than_long_ones() {
        for (text, fits) in [(0, 30_000..80_000), (1000, 10_000..14_000), (1 << 20, 7..9)] {
            let inbox = inbox(usize::MAX);
            let (payload, mut patience) = (Bytes::from(vec![b'x'; text]), ReaderPatience::new());
            let message = Delivery::Message { channel: Bytes::new(), payload };
            for _ in 0..100_000 {
                inbox.deliver(&message, &mut patience).await;
            }
            let kept = lock(&inbox.state).messages;
            assert!(fits.contains(&kept), "{kept} of {text} bytes");
            assert_eq!(lock(&inbox.state).dropped, 100_000 - kept as u64);
        }
        // A single message may be longer than the limit.
        let inbox = inbox(usize::MAX);
        let payload = Bytes::from(vec![b'x'; MOST_BYTES]);
        let message = Delivery::Message { channel: Bytes::new(), payload };
        for _ in 0..2 {
            inbox.deliver(&message, &mut ReaderPatience::new()).await;
        }
        let state = lock(&inbox.state);
        assert_eq!((state.messages, state.dropped), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn gaps_are_told_once_and_in_order() {
        let inbox = Inbox::new(8);
        let _ = inbox.confirmed(false);
        assert!(inbox.is_pending());
        let _ = inbox.confirmed(true);
        deliver(&inbox, "a").await;
        let _ = inbox.confirmed(true);
        let _ = inbox.confirmed(true);
        deliver(&inbox, "b").await;
        assert_eq!(next(&inbox).await, "a");
        assert_eq!(next(&inbox).await, "Some(Resubscribed)");
        assert_eq!(next(&inbox).await, "b");
    }

    /// Whatever happens while nothing is read.
    #[tokio::test(start_paused = true)]
    async fn reports_do_not_pile_up() {
        let inbox = inbox(1);
        deliver(&inbox, "a").await;
        for _ in 0..100 {
            deliver(&inbox, "b").await;
            let _ = inbox.failed(Error::closed());
            let _ = inbox.confirmed(true);
        }
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(next(&inbox).await);
        }
        // The last report says that it is subscribed again.
        assert_eq!(seen, ["a", "lagged 100", "failed", "Some(Resubscribed)"]);
        let _ = inbox.end(None);
        assert_eq!(next(&inbox).await, "None");
        assert_eq!(lock(&inbox.state).bytes, 0);
    }

    /// Several servers must confirm it. One of them has already sent a message.
    #[tokio::test(start_paused = true)]
    async fn a_refused_subscription_fails_with_the_reason_whatever_was_received() {
        for ends in
            [|inbox: &Inbox, error| inbox.failed(error), |inbox: &Inbox, error| inbox.end(Some(error))]
        {
            let inbox = Inbox::new(8);
            let _ = inbox.confirmed(false);
            deliver(&inbox, "a").await;
            let _ = ends(&inbox, Error::server("NOPERM no permission"));
            let error = poll_fn(|context| inbox.poll_established(context)).await.unwrap_err();
            assert_eq!(error.code(), Some("NOPERM"));
        }
    }
}
