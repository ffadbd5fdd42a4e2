//! The progress of a command.

use std::sync::{Arc, Mutex};

use futures_core::future::BoxFuture;

use crate::client::{DeadlineWatch, Observed};
use crate::connect::{Node, Receiver};
use crate::error::Result;
use crate::protocol::Replies;
use crate::time::Deadline;

/// The progress of a command. Its first poll sends it.
#[derive(Default)]
pub(super) struct CommandRun {
    pub(super) progress: CommandProgress,
    /// Set when the command is sent.
    pub(super) observed: Option<Observed>,
}

impl CommandRun {
    /// Whether the command was never polled, so that it is not sent and its options can change.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.progress, CommandProgress::New)
    }
}

#[derive(Default)]
pub(super) enum CommandProgress {
    #[default]
    New,
    /// Sent on an open connection.
    Sent {
        receiver: Receiver,
        /// The address of the binding that the command was sent on.
        sent_to: usize,
        watch: DeadlineWatch,
        /// The replica that answers, unless it is the master.
        by_replica: Option<Arc<Node>>,
        /// Not polled since it was sent. Until then, it is on the runtime of its connection.
        is_new: bool,
    },
    /// Connecting first, or retrying. The mutex is never locked: with it, a command is `Sync`.
    Slow {
        run: Mutex<BoxFuture<'static, Result<Replies>>>,
        /// As for a command that was sent on an open connection. `None` if the replies are final.
        sent: Option<(Deadline, usize)>,
    },
    Done,
}

impl CommandProgress {
    pub(super) fn slow(
        run: impl Future<Output = Result<Replies>> + Send + 'static,
        sent: Option<(Deadline, usize)>,
    ) -> Self {
        Self::Slow { run: Mutex::new(Box::pin(run)), sent }
    }

    /// Returns the deadline of the command, and the address of the binding that it was sent on.
    pub(super) fn sent(&self) -> Option<(Deadline, usize)> {
        match self {
            Self::Sent { watch, sent_to, .. } => Some((watch.deadline(), *sent_to)),
            Self::Slow { sent, .. } => *sent,
            Self::New | Self::Done => None,
        }
    }
}
