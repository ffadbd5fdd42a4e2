//! What the next command of a connection waits for.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::command::Closing;
use crate::reply::Reply;

#[derive(Debug)]
pub(super) enum Pending {
    Nothing,
    /// Waits for a list element or the deadline.
    Element {
        receiver: oneshot::Receiver<Reply>,
        deadline: Option<Instant>,
        /// The reply after the deadline.
        otherwise: Reply,
    },
    /// The reply is ready, but delayed.
    Late {
        reply: Reply,
        at: Instant,
        /// How the connection closes after the reply.
        closing: Closing,
    },
    /// The command is delayed.
    Delayed {
        arguments: Vec<Bytes>,
        at: Instant,
    },
    /// The connection never continues.
    Stalled,
}

/// How a wait ended.
pub(super) enum Waited {
    Served(Reply),
    TimedOut,
    Answer(Reply, Closing),
    Execute(Vec<Bytes>),
}

impl Pending {
    /// Completes when the wait ends. Nothing is lost if this is cancelled.
    pub(super) async fn wait(&mut self) -> Waited {
        match self {
            Self::Element { receiver, deadline, .. } => {
                let Some(deadline) = *deadline else {
                    return receiver.await.map_or(Waited::TimedOut, Waited::Served);
                };
                match tokio::time::timeout_at(deadline, receiver).await {
                    Ok(Ok(reply)) => Waited::Served(reply),
                    Ok(Err(_)) | Err(_) => Waited::TimedOut,
                }
            }
            Self::Late { reply, at, closing } => {
                tokio::time::sleep_until(*at).await;
                Waited::Answer(std::mem::replace(reply, Reply::Nil), *closing)
            }
            Self::Delayed { arguments, at } => {
                tokio::time::sleep_until(*at).await;
                Waited::Execute(std::mem::take(arguments))
            }
            Self::Stalled | Self::Nothing => std::future::pending().await,
        }
    }
}

/// Returns the time after `delay`. If the clock overflows, returns a time in 30 years.
pub(super) fn after(delay: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(delay).unwrap_or_else(|| now + Duration::from_secs(60 * 60 * 24 * 365 * 30))
}
