//! The queue of one subscription. Its size is bounded.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::error::Error;
use crate::sync::lock;

/// How long a full queue may hold up the connection before messages are dropped. Meanwhile, the
/// server keeps the messages of all subscriptions of the connection.
const PATIENCE: Duration = Duration::from_millis(250);
/// The most bytes of messages in a queue. A single message may be longer.
const MOST_BYTES: usize = 16 << 20;

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
    fn length(&self) -> usize {
        match self {
            Self::Message { channel, payload } => channel.len() + payload.len(),
            _ => 0,
        }
    }

    /// Whether it counts towards the size of the queue.
    fn is_message(&self) -> bool {
        matches!(self, Self::Message { .. } | Self::TooLong(_))
    }
}

/// How far a subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server has not confirmed it yet.
    Pending,
    Established,
    Ended,
}

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
    most: usize,
    /// How many messages were dropped since the last one that was kept.
    dropped: u64,
    stage: Stage,
    /// Whether the reader is gone.
    is_abandoned: bool,
    waker: Option<Waker>,
}

impl InboxState {
    fn is_full(&self) -> bool {
        self.messages >= self.most || (self.messages > 0 && self.bytes >= MOST_BYTES)
    }

    fn push(&mut self, delivery: Delivery) {
        self.messages += usize::from(delivery.is_message());
        self.bytes += delivery.length();
        self.queue.push_back(delivery);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Adds the number of dropped messages, if there are any.
    fn push_dropped(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            self.push(Delivery::Lagged(dropped));
        }
    }
}

impl Inbox {
    pub(super) fn new(most: usize) -> Self {
        Self {
            state: Mutex::new(InboxState {
                queue: VecDeque::new(),
                messages: 0,
                bytes: 0,
                most,
                dropped: 0,
                stage: Stage::Pending,
                is_abandoned: false,
                waker: None,
            }),
            room: Notify::new(),
        }
    }

    /// Adds a message. If the queue is full, waits a little for the reader, and then drops the
    /// message and counts it. While a reader lags, nothing waits for it.
    pub(super) async fn deliver(&self, message: &Delivery) {
        if self.accepts(message) {
            return;
        }
        let _ = timeout(PATIENCE, self.has_room()).await;
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
        if state.is_full() {
            let lags = state.dropped > 0;
            state.dropped += u64::from(lags);
            return lags;
        }
        state.push_dropped();
        state.push(message.clone());
        true
    }

    async fn has_room(&self) {
        loop {
            let notified = self.room.notified();
            {
                let state = lock(&self.state);
                if !state.is_full() || state.is_abandoned {
                    return;
                }
            }
            notified.await;
        }
    }

    /// Records that a server has confirmed the subscription. `is_complete` says that all servers
    /// have that must.
    pub(super) fn confirmed(&self, is_complete: bool) {
        let mut state = lock(&self.state);
        match state.stage {
            Stage::Established => {
                state.push_dropped();
                // Two reconnections without a message between them are one gap.
                if !matches!(state.queue.back(), Some(Delivery::Resubscribed)) {
                    state.push(Delivery::Resubscribed);
                }
            }
            Stage::Pending if is_complete => {
                state.stage = Stage::Established;
                if let Some(waker) = state.waker.take() {
                    waker.wake();
                }
            }
            Stage::Pending | Stage::Ended => {}
        }
    }

    /// Whether no server has confirmed the subscription yet.
    pub(super) fn is_pending(&self) -> bool {
        lock(&self.state).stage == Stage::Pending
    }

    /// Reports a failure. It ends a subscription that was never confirmed.
    pub(super) fn failed(&self, error: Error) {
        let mut state = lock(&self.state);
        if state.stage == Stage::Pending {
            state.stage = Stage::Ended;
        }
        state.push_dropped();
        state.push(Delivery::Failed(error));
    }

    /// Ends the subscription. What was received can still be read.
    pub(super) fn end(&self, error: Option<Error>) {
        let mut state = lock(&self.state);
        if state.stage == Stage::Ended {
            return;
        }
        state.stage = Stage::Ended;
        state.push_dropped();
        if let Some(error) = error {
            state.push(Delivery::Failed(error));
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
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
            Stage::Ended => Poll::Ready(Err(match state.queue.pop_front() {
                Some(Delivery::Failed(error)) => error,
                _ => Error::closed(),
            })),
            Stage::Pending => {
                state.waker = Some(context.waker().clone());
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
        match state.queue.pop_front() {
            Some(delivery) => {
                state.messages -= usize::from(delivery.is_message());
                state.bytes -= delivery.length();
                drop(state);
                self.room.notify_waiters();
                Poll::Ready(Some(delivery))
            }
            None if state.stage == Stage::Ended => Poll::Ready(None),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use super::*;

    fn message(text: &'static str) -> Delivery {
        Delivery::Message { channel: Bytes::new(), payload: Bytes::from_static(text.as_bytes()) }
    }

    async fn next(inbox: &Inbox) -> String {
        match poll_fn(|context| inbox.poll_next(context)).await {
            Some(Delivery::Message { payload, .. }) => String::from_utf8(payload.into()).unwrap(),
            Some(Delivery::Lagged(count)) => format!("lagged {count}"),
            other => format!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_are_not_read_are_counted_where_they_are_missing() {
        let inbox = Inbox::new(2);
        inbox.confirmed(true);
        for text in ["a", "b", "c", "d"] {
            inbox.deliver(&message(text)).await;
        }
        assert_eq!((next(&inbox).await, next(&inbox).await), ("a".into(), "b".into()));
        inbox.deliver(&message("e")).await;
        assert_eq!((next(&inbox).await, next(&inbox).await), ("lagged 2".into(), "e".into()));
        // Nothing more was dropped.
        inbox.end(None);
        assert_eq!(next(&inbox).await, "None");
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_waits_for_its_reader_first() {
        let inbox = Arc::new(Inbox::new(1));
        inbox.confirmed(true);
        inbox.deliver(&message("a")).await;
        let sending = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move { inbox.deliver(&message("b")).await }
        });
        tokio::task::yield_now().await;
        assert_eq!((next(&inbox).await, next(&inbox).await), ("a".into(), "b".into()));
        sending.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn gaps_are_told_once_and_in_order() {
        let inbox = Inbox::new(8);
        inbox.confirmed(false);
        assert!(inbox.is_pending());
        inbox.confirmed(true);
        inbox.deliver(&message("a")).await;
        inbox.confirmed(true);
        inbox.confirmed(true);
        inbox.deliver(&message("b")).await;
        assert_eq!(next(&inbox).await, "a");
        assert_eq!(next(&inbox).await, "Some(Resubscribed)");
        assert_eq!(next(&inbox).await, "b");
    }
}
