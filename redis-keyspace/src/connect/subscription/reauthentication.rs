//! With which credentials a connection is logged in, and when it logs in again. No I/O.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::session::SubscriptionSession;
use crate::connect::credentials::IssuedCredentials;
use crate::connect::node::Node;
use crate::connect::reauthentication::PAUSES;
use crate::time::Backoff;

/// The credentials of an open connection.
pub(super) struct LinkCredentials {
    /// The number of those that the server has accepted. `None` if no provider returned them, or if
    /// the connection can't log in again.
    accepted: Option<u64>,
    /// The number of those that were sent last, unless the server has refused them.
    sent: Option<u64>,
    /// When to try again after a failure.
    again: Option<Instant>,
    pauses: Backoff,
}

impl LinkCredentials {
    pub(super) fn of(session: &SubscriptionSession) -> Self {
        let issued = session.issued.as_ref().filter(|_| session.speaks_resp3);
        let number = issued.map(|issued| issued.number());
        Self { accepted: number, sent: number, again: None, pauses: pauses() }
    }

    /// Waits for the credentials to log in with again.
    pub(super) async fn newer(&self, node: &Node) -> Arc<IssuedCredentials> {
        let (Some(number), Some(cache)) = (self.sent, &node.facts.credentials) else {
            return std::future::pending().await;
        };
        if let Some(again) = self.again {
            sleep_until(again).await;
        }
        cache.newer_than(number, node.settings.connect_timeout).await
    }

    pub(super) fn sent(&mut self, issued: &IssuedCredentials) {
        self.sent = Some(issued.number());
    }

    pub(super) fn answered(&mut self, issued: &IssuedCredentials, is_accepted: bool) {
        if is_accepted {
            self.accepted = Some(issued.number());
            (self.again, self.pauses) = (None, pauses());
        } else if self.sent == Some(issued.number()) {
            // The connection keeps its user.
            self.sent = self.accepted;
            self.again = Some(Instant::now() + self.pauses.pause());
        }
    }
}

fn pauses() -> Backoff {
    Backoff::new(PAUSES.0, PAUSES.1)
}
