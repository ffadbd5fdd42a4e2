//! Commands on a slot that is being moved to another node of a cluster.

use super::keys::Keys;
use super::packet::Packet;
use super::read;
use super::reply::{Replies, Reply};
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

/// Drops the reply to `ASKING`. If it and the command failed, it is the cause. A command without an
/// error was run: a server that is busy may answer again after it rejected `ASKING`.
pub(crate) fn after_asking(replies: Replies) -> Result<Replies> {
    let mut replies = read::many(replies).into_iter();
    let asking = replies.next();
    let replies: Vec<_> = replies.collect();
    if replies.iter().any(Reply::is_error) {
        asking.map_or(Ok(()), |asking| read::checked(asking).map(drop))?;
    }
    Ok(Replies::Many(replies))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_asking_does_not_hide_that_the_command_ran() {
        let busy = || Reply::Error("BUSY Redis is busy running a script".to_owned());
        let after = |replies: Vec<Reply>| after_asking(Replies::Many(replies)).map(read::many);
        assert_eq!(after(vec![busy(), Reply::Int(1)]).unwrap(), [Reply::Int(1)]);
        let moved = Reply::Error("MOVED 5 h:1".to_owned());
        assert_eq!(after(vec![busy(), moved.clone()]).unwrap_err().code(), Some("BUSY"));
        assert_eq!(after(vec![Reply::Status("OK".to_owned()), moved.clone()]).unwrap(), [moved]);
    }
}
