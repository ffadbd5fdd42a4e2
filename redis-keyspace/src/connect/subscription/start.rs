//! Starts subscriptions.

use std::sync::Arc;

use super::hub::{AddedSubscription, Hub};
use super::listener::Listener;
use super::nodes::SubscriptionNodes;
use super::places::assign_topics;
use super::topic::Topic;
use crate::error::Error;
use crate::task::spawn;

/// Subscribes to a topic. `capacity` is the number of messages that may wait for their reader. The
/// server confirms it later.
pub(in crate::connect) fn subscribe(
    hub: &Arc<Hub>,
    nodes: Arc<dyn SubscriptionNodes>,
    topic: Topic,
    capacity: usize,
) -> Result<Listener, Error> {
    let AddedSubscription { number, inbox, is_first } = hub.add(&topic, capacity)?;
    let listener = Listener { hub: Arc::clone(hub), topic, number, inbox };
    if is_first {
        let running = RunningTask { hub: Arc::clone(hub), has_ended: false };
        let assigning = async move {
            assign_topics(Arc::clone(&running.hub), nodes).await;
            running.end();
        };
        hub.set_task(spawn(hub.runtime(), assigning));
    }
    Ok(listener)
}

/// Ends the subscriptions if their runtime ends before the task that assigns them.
struct RunningTask {
    hub: Arc<Hub>,
    has_ended: bool,
}

impl RunningTask {
    /// Records that the task has ended by itself.
    fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        if !self.has_ended {
            self.hub.end_with_runtime();
        }
    }
}
