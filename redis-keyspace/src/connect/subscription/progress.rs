//! How far the subscriptions to topics are on one connection. No I/O.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::topic::ServerTopic;
use crate::time::Backoff;

/// The pauses before a topic that the server refuses is tried again.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// The longest pause if the server may accept the topic soon, as after an outage.
pub(super) const LONGEST_IF_TEMPORARY: Duration = Duration::from_millis(500);
/// The longest pause otherwise: the permissions of the user have to change.
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// The topics that commands were sent for on the current connection.
#[derive(Default)]
pub(super) struct LinkProgress {
    topics: HashMap<ServerTopic, TopicProgress>,
    /// The refused topics, in the order in which they are tried again.
    refused: BTreeSet<(Instant, ServerTopic)>,
}

/// The commands of one topic subscribe and unsubscribe in turn. The last of them counts.
#[derive(Default)]
struct TopicProgress {
    /// Whether the last command that was sent subscribes.
    subscribes: bool,
    /// How many commands the server has not answered.
    owed: u32,
    /// When to try again, if the server refused the last command.
    again: Option<Instant>,
    /// The pauses between attempts, and their upper bound.
    pauses: Option<(Backoff, Duration)>,
}

impl TopicProgress {
    fn sent(&mut self, subscribes: bool) {
        self.subscribes = subscribes;
        self.owed += 1;
    }

    /// Records the reply to a command. Returns `false` if the server owes no reply to such a
    /// command now: then it has ended the subscription by itself.
    fn answered(&mut self, subscribes: bool) -> bool {
        let next = self.subscribes == (self.owed % 2 == 1);
        let is_reply = self.owed > 0 && next == subscribes;
        self.owed -= u32::from(is_reply);
        is_reply
    }
}

/// What is to be sent.
#[derive(Debug, Default)]
pub(super) struct TopicCommands {
    pub(super) unsubscribe: Vec<ServerTopic>,
    pub(super) subscribe: Vec<ServerTopic>,
}

impl LinkProgress {
    /// Compares what is wanted with what was sent. The caller sends what this returns. A refused
    /// topic is sent again, although its time may not have come.
    pub(super) fn compare(&mut self, reviewed: Vec<(ServerTopic, bool)>) -> TopicCommands {
        let mut commands = TopicCommands::default();
        for (topic, is_wanted) in reviewed {
            let known = self.topics.get(&topic);
            let subscribes = known.is_some_and(|known| known.subscribes);
            let is_refused = known.is_some_and(|known| known.again.is_some());
            if is_wanted && (!subscribes || is_refused) {
                self.forget_refusal(&topic);
                self.topics.entry(topic.clone()).or_default().sent(true);
                commands.subscribe.push(topic);
            } else if !is_wanted && is_refused {
                self.forget(&topic);
            } else if !is_wanted && subscribes {
                self.topics.entry(topic.clone()).or_default().sent(false);
                commands.unsubscribe.push(topic);
            }
        }
        commands
    }

    /// Records a confirmation. Returns whether the topic is subscribed now: a later command may
    /// have been sent.
    pub(super) fn subscribed(&mut self, topic: &ServerTopic) -> bool {
        let Some(known) = self.topics.get_mut(topic) else { return false };
        let is_subscribed = known.answered(true) && known.owed == 0 && known.subscribes;
        if is_subscribed {
            known.pauses = None;
        }
        is_subscribed
    }

    /// Records the end of a subscription. Returns whether the server has ended it by itself.
    pub(super) fn unsubscribed(&mut self, topic: &ServerTopic) -> bool {
        let Some(known) = self.topics.get_mut(topic) else { return false };
        let is_reply = known.answered(false);
        if known.owed > 0 || known.again.is_some() {
            return false;
        }
        self.forget(topic);
        !is_reply
    }

    /// Records that the server refused a command. Returns whether the topic is still wanted, and no
    /// later command was sent.
    pub(super) fn refused(&mut self, topic: &ServerTopic, subscribes: bool) -> bool {
        let Some(known) = self.topics.get_mut(topic) else { return false };
        known.answered(subscribes);
        let is_last = known.owed == 0;
        if is_last && !known.subscribes {
            self.forget(topic);
        }
        is_last && subscribes
    }

    /// Records that a refused topic was requested again at once.
    pub(super) fn requested_again(&mut self, topic: &ServerTopic) {
        self.topics.entry(topic.clone()).or_default().sent(true);
    }

    /// Has a refused topic tried again later, after pauses of up to `longest`.
    pub(super) fn postpone(&mut self, topic: &ServerTopic, now: Instant, longest: Duration) {
        let known = self.topics.entry(topic.clone()).or_default();
        let pauses = known.pauses.take().filter(|(_, before)| *before == longest);
        let (pauses, _) =
            known.pauses.insert(pauses.unwrap_or_else(|| (Backoff::new(FIRST_RETRY, longest), longest)));
        let again = now + pauses.pause();
        (known.subscribes, known.again) = (true, Some(again));
        self.refused.insert((again, topic.clone()));
    }

    /// Returns when the next refused topic is tried again.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.refused.first().map(|(again, _)| *again)
    }

    /// Removes and returns the refused topics whose time has come.
    pub(super) fn due(&mut self, now: Instant) -> Vec<ServerTopic> {
        let mut due = Vec::new();
        while self.next_retry().is_some_and(|again| again <= now) {
            due.extend(self.refused.pop_first().map(|(_, topic)| topic));
        }
        due
    }

    /// Forgets what was sent for a topic.
    pub(super) fn forget(&mut self, topic: &ServerTopic) {
        self.forget_refusal(topic);
        self.topics.remove(topic);
    }

    /// Whether the last command for a topic subscribes, and how many are not answered.
    #[cfg(test)]
    pub(super) fn sent(&self, topic: &ServerTopic) -> Option<(bool, u32)> {
        self.topics.get(topic).map(|known| (known.subscribes, known.owed))
    }

    fn forget_refusal(&mut self, topic: &ServerTopic) {
        if let Some(again) = self.topics.get_mut(topic).and_then(|known| known.again.take()) {
            self.refused.remove(&(again, topic.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::subscription::topic::TopicKind;

    fn topic() -> ServerTopic {
        ServerTopic { kind: TopicKind::Channel, name: "a".into() }
    }

    /// Returns whether something was sent.
    fn sends(progress: &mut LinkProgress, is_wanted: bool) -> bool {
        let commands = progress.compare(vec![(topic(), is_wanted)]);
        !commands.subscribe.is_empty() || !commands.unsubscribe.is_empty()
    }

    #[test]
    fn only_the_reply_to_the_last_command_counts() {
        let mut progress = LinkProgress::default();
        for is_wanted in [true, false, true] {
            assert!(sends(&mut progress, is_wanted));
            assert!(!sends(&mut progress, is_wanted));
        }
        // The first confirmation precedes the end of that subscription.
        assert!(!progress.subscribed(&topic()));
        assert!(!progress.unsubscribed(&topic()));
        assert!(progress.subscribed(&topic()));
        // Another one was not asked for.
        assert!(!progress.subscribed(&topic()));
    }

    #[test]
    fn a_subscription_that_the_server_ends_is_not_taken_for_a_reply() {
        let mut progress = LinkProgress::default();
        assert!(sends(&mut progress, true));
        assert!(progress.subscribed(&topic()));
        assert!(sends(&mut progress, false) && sends(&mut progress, true));
        // The slot has moved; then the replies to both commands follow.
        assert!(!progress.unsubscribed(&topic()));
        assert!(!progress.unsubscribed(&topic()));
        assert!(progress.subscribed(&topic()));
        assert!(progress.unsubscribed(&topic()), "ended by the server");
        assert!(sends(&mut progress, true));
    }

    #[test]
    fn a_refused_topic_that_is_not_wanted_any_more_is_not_requested_again() {
        let mut progress = LinkProgress::default();
        assert!(sends(&mut progress, true) && sends(&mut progress, false));
        assert!(!progress.refused(&topic(), true), "it was unsubscribed meanwhile");
        assert!(!progress.unsubscribed(&topic()));
        assert!(sends(&mut progress, true));
        assert!(progress.refused(&topic(), true));
        progress.postpone(&topic(), Instant::now(), LONGEST_RETRY);
        assert!(progress.next_retry().is_some());
        assert!(!sends(&mut progress, false));
        assert!(progress.next_retry().is_none());
    }

    #[test]
    fn refused_topics_are_tried_again_in_time() {
        for longest in [LONGEST_RETRY, LONGEST_IF_TEMPORARY] {
            let mut progress = LinkProgress::default();
            assert!(sends(&mut progress, true));
            let now = Instant::now();
            for _ in 0..20 {
                assert!(progress.refused(&topic(), true));
                progress.postpone(&topic(), now, longest);
                assert!(progress.due(now).is_empty());
                assert_eq!(progress.due(now + longest), [topic()]);
                assert!(sends(&mut progress, true));
            }
            assert!(progress.subscribed(&topic()));
            assert!(progress.next_retry().is_none());
        }
    }

    /// The reason for a refusal may change.
    #[test]
    fn a_temporary_refusal_after_others_is_tried_again_soon() {
        let mut progress = LinkProgress::default();
        let now = Instant::now();
        assert!(sends(&mut progress, true));
        for longest in [LONGEST_RETRY; 20].into_iter().chain([LONGEST_IF_TEMPORARY]) {
            assert!(progress.refused(&topic(), true));
            progress.postpone(&topic(), now, longest);
            assert!(progress.next_retry().is_some_and(|again| again <= now + longest));
            assert!(sends(&mut progress, true), "it is looked at again for another reason");
        }
    }
}
