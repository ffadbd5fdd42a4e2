//! Commands that wait at the server, on an exclusive connection: writes until replicas have
//! acknowledged them, and commands until there is an element.

use std::time::Duration;

use super::atomicity::SendPlan;
use super::external::pipeline;
use super::raw::RawConnection;
use crate::error::{Budget, Error, ErrorKind};
use crate::protocol::{Replies, Reply, Request};
use crate::time::Deadline;

/// How many replicas must acknowledge a write, and how long to wait for them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplicaWait {
    pub(crate) replicas: u32,
    pub(crate) limit: Duration,
}

/// What a command waits for at the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ServerWait {
    /// For replicas, after the command.
    Replicas(ReplicaWait),
    /// For an element, for at most this long. The command ends with the limit.
    Elements(Duration),
}

impl ReplicaWait {
    /// Returns the error if fewer replicas acknowledged the write.
    fn check(self, acknowledged: i64) -> Result<(), Error> {
        let Self { replicas, limit } = self;
        if acknowledged >= i64::from(replicas) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NotReplicated,
            format!(
                "the write was executed, but {acknowledged} of {replicas} requested replicas acknowledged it within \
                 {limit:?}; if the master fails now, it may be lost"
            ),
        ))
    }
}

/// Runs a request on an exclusive connection and waits there. If the future is dropped, the
/// connection is closed, so the server stops waiting. On a shared connection, the wait
/// would hold up the commands of other callers.
///
/// Returns the replies, and the error if too few replicas acknowledged the writes.
pub(crate) async fn run_and_wait(
    mut connection: RawConnection,
    request: &Request,
    namespace: &str,
    deadline: Deadline,
    wait: ServerWait,
) -> Result<(Replies, Result<(), Error>), Error> {
    let script = match connection.plan(request) {
        SendPlan::Unchanged => None,
        SendPlan::AsScript => Some(request.as_script(namespace)?),
        SendPlan::Rejected(error) => return Err(error),
    };
    let mut commands = pipeline(script.as_ref().unwrap_or(request), namespace);
    if let ServerWait::Replicas(wait) = wait {
        // Zero would mean forever.
        let limit = wait.limit.min(Deadline::LONGEST);
        let limit = limit.as_micros().div_ceil(1000).max(1);
        commands.cmd("WAIT").arg(wait.replicas).arg(limit.to_string());
    }
    let sending = connection.send(&commands);
    let replies = deadline.bound(Budget::Reply, sending).await?.map_err(Error::driver)?;
    let mut replies: Vec<_> = replies.into_iter().map(Reply::from).collect();
    let outcome = match wait {
        ServerWait::Elements(_) => Ok(()),
        ServerWait::Replicas(wait) => match replies.pop() {
            Some(Reply::Int(acknowledged)) => wait.check(acknowledged),
            // Also if the user may not wait, or if the server became a replica meanwhile.
            Some(Reply::Error(said)) => Err(Error::new(
                ErrorKind::NotReplicated,
                format!("the write was executed, but WAIT failed: {said}"),
            )),
            _ => return Err(Error::protocol("WAIT did not return a count")),
        },
    };
    if script.is_some() {
        return Ok((request.replies_of_script(Replies::Many(replies)), outcome));
    }
    let replies = match (request, replies.len()) {
        (Request::One(_), 1) => replies.pop().map_or_else(|| Replies::Many(Vec::new()), Replies::One),
        _ => Replies::Many(replies),
    };
    Ok((replies, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_acknowledgements_are_an_error() {
        let wait = ReplicaWait { replicas: 2, limit: Duration::from_millis(100) };
        wait.check(2).unwrap();
        wait.check(3).unwrap();
        let error = wait.check(1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotReplicated);
        assert!(error.to_string().contains("1 of 2 requested replicas"), "{error}");
    }
}
