//! How a server runs operations that must be atomic.

use crate::error::{Error, ErrorKind};
use crate::protocol::Request;

/// What a server accepts for atomic operations: MULTI, or else scripts.
///
/// A server that rejects MULTI would run the commands after it one by one, so this must be known
/// before anything is sent. A proxy that closes the connection instead would also fail the commands
/// of other tasks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Atomicity {
    /// Why the server rejects MULTI, if it does.
    pub(super) no_multi: Option<Error>,
    /// Why the server rejects scripts, if it is known to.
    pub(super) no_scripts: Option<Error>,
}

/// How a request must be sent to a server.
pub(crate) enum SendPlan {
    Unchanged,
    /// Send each transaction as a script.
    AsScript,
    Rejected(Error),
}

impl Atomicity {
    /// Returns how a request must be sent to this server.
    #[inline]
    pub(crate) fn plan(&self, request: &Request) -> SendPlan {
        match (&self.no_multi, &self.no_scripts) {
            (None, None) => SendPlan::Unchanged,
            (Some(_), None) if request.is_transactional() => SendPlan::AsScript,
            (Some(no_multi), Some(no_scripts)) if request.is_transactional() => {
                SendPlan::Rejected(without_transactions(no_multi, no_scripts))
            }
            (_, Some(no_scripts)) if request.runs_script() => SendPlan::Rejected(without_scripts(no_scripts)),
            _ => SendPlan::Unchanged,
        }
    }
}

/// Returns the error of a transaction on a server that rejects MULTI and scripts.
fn without_transactions(no_multi: &Error, no_scripts: &Error) -> Error {
    no_multi.clone().explained(&format!(
        "transactions need MULTI or EVAL, and the server rejects EVAL too ({no_scripts}); nothing was sent; permit one of \
         them (`+@transaction` or `+eval` in the ACL of the user), then transactions work on new connections"
    ))
}

fn without_scripts(no_scripts: &Error) -> Error {
    no_scripts.clone().explained("this operation runs an atomic script, which needs EVAL; nothing was sent")
}

/// Returns the error for a command that is unavailable because the connection is closed instead of
/// a reply.
pub(super) fn closed_by(command: &str, server: &str) -> Error {
    let message = format!(
        "{server}, or a proxy in front of it, closes the connection after {command}, or never replies to it"
    );
    Error::new(ErrorKind::Server, message)
}
