//! What a server accepts for operations that must be atomic.

use crate::error::{Error, ErrorKind};
use crate::protocol::Request;

/// What a server accepts for operations that must be atomic: MULTI, or else scripts.
///
/// A server that rejects MULTI would run the commands after it one by one, so this must be known before anything is sent. A
/// proxy that closes the connection in answer would fail the commands of other tasks as well.
#[derive(Debug, Clone, Default)]
pub(crate) struct Atomicity {
    /// Why the server rejects MULTI, if it does.
    pub(super) no_multi: Option<Error>,
    /// Why it rejects scripts, if it is known to.
    pub(super) no_scripts: Option<Error>,
}

/// How a request must be sent to a server.
pub(crate) enum SendPlan {
    Unchanged,
    /// Each transaction as a script.
    AsScript,
    Rejected(Error),
}

impl Atomicity {
    /// How a request must be sent to this server.
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

/// The error of a transaction on a server that rejects MULTI and scripts.
fn without_transactions(no_multi: &Error, no_scripts: &Error) -> Error {
    no_multi.clone().explained(&format!(
        "transactions need MULTI, or else EVAL, which is rejected too ({no_scripts}); nothing was sent; permit one of them \
         (`+@transaction` or `+eval` in the ACL of the user), and new connections will accept transactions"
    ))
}

fn without_scripts(no_scripts: &Error) -> Error {
    no_scripts.clone().explained("this operation is an atomic script, which needs EVAL; nothing was sent")
}

/// The reason why a command is not available: the connection was closed instead of a reply.
pub(super) fn closed_by(command: &str, server: &str) -> Error {
    let message = format!(
        "{server}, or a proxy in front of it, closes the connection in answer to {command}, or never answers"
    );
    Error::new(ErrorKind::Server, message)
}
