//! The receiving end of a subscription.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::hub::Hub;
use super::inbox::{Delivery, Inbox};
use super::topic::Topic;
use crate::error::{Budget, Error};
use crate::time::Deadline;

/// A subscription to one topic. Dropping it unsubscribes, if no other one needs the topic.
pub(crate) struct Listener {
    pub(super) hub: Arc<Hub>,
    pub(super) topic: Topic,
    pub(super) number: u64,
    pub(super) inbox: Arc<Inbox>,
}

impl Listener {
    /// Waits until the server has confirmed the subscription.
    pub(crate) async fn established(&self, deadline: Deadline) -> Result<(), Error> {
        let confirmed = poll_fn(|context| self.inbox.poll_established(context));
        match deadline.bound(Budget::Reply, confirmed).await {
            Ok(outcome) => outcome,
            // The reason is more useful than the deadline.
            Err(late) => Err(self.hub.failure(&self.topic).unwrap_or(late)),
        }
    }

    /// Returns the next delivery; `None` at the end.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.inbox.poll_next(context)
    }

    /// Ends the subscription. What was received can still be read.
    pub(crate) fn end(&self) {
        self.inbox.end(None).into_iter().for_each(Waker::wake);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.inbox.abandon();
        self.hub.release(&self.topic, self.number);
    }
}
