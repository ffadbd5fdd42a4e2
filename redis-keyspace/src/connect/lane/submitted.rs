//! The outcome of submitting a request, and the channel for its replies.

use tokio::sync::oneshot;

use crate::error::Error;
use crate::protocol::Replies;

pub(crate) type Sender = oneshot::Sender<Result<Replies, Error>>;

pub(crate) type Receiver = oneshot::Receiver<Result<Replies, Error>>;

/// The outcome of submitting a request.
pub(crate) enum Submitted {
    /// The request is queued or sent.
    Waiting(Receiver),
    /// No lane is open. Nothing was sent.
    NoLane,
    /// The request must not be sent. Nothing was sent.
    Refused(Error),
}
