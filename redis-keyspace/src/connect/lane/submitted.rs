//! Where a request is, and how its caller learns of its replies.

use tokio::sync::oneshot;

use crate::error::Error;
use crate::protocol::Replies;

pub(crate) type Sender = oneshot::Sender<Result<Replies, Error>>;

pub(crate) type Receiver = oneshot::Receiver<Result<Replies, Error>>;

/// Where a request is.
pub(crate) enum Submitted {
    /// It is queued or sent.
    Waiting(Receiver),
    /// No lane is open; nothing was sent.
    NoLane,
    /// It must not be sent; nothing was.
    Refused(Error),
}
