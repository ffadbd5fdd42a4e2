//! Commands on a slot that is being moved to another node of a cluster.

use super::keys::Keys;
use super::packet::Packet;
use super::read;
use super::reply::Replies;
use super::request::Request;
use crate::error::Result;

impl Request {
    /// Returns the request for a node that a slot is being moved to. The node serves the command
    /// after an `ASKING`, which counts for one command, or for one transaction if it precedes
    /// `MULTI`. So `self` must be one command or one transaction.
    pub(crate) fn asking(self) -> Self {
        Self::Batch(vec![Self::One(Packet::new("ASKING", Keys::None)), self])
    }

    /// Returns the request that [`asking`](Self::asking) was called on.
    pub(crate) fn without_asking(self) -> Self {
        match self {
            Self::Batch(mut requests) => requests.pop().unwrap_or(Self::Empty),
            request => request,
        }
    }
}

/// Drops the reply to `ASKING`. If it is an error, the command was not run.
pub(crate) fn after_asking(replies: Replies) -> Result<Replies> {
    let mut replies = read::many(replies).into_iter();
    replies.next().map_or(Ok(()), |asking| read::checked(asking).map(drop))?;
    Ok(Replies::Many(replies.collect()))
}
