//! The commands of a batch, and their outcomes.

use std::fmt;
use std::sync::Arc;

use crate::client::{CallOptions, Observed, Subject};
use crate::command::base::Command;
use crate::error::{Error, Result};
use crate::protocol::{Decode, Replies, Request, read};

/// A command of a batch.
#[doc(hidden)]
#[derive(Debug)]
pub struct Part {
    pub(super) request: PartRequest,
    pub(super) call: PartCall,
}

/// The outcome of a command of a batch.
#[doc(hidden)]
#[derive(Debug)]
pub struct PartOutcome {
    pub(super) request: PartRequest,
    pub(super) replies: Result<PartReplies>,
    /// The failure that was replaced by a miss.
    pub(super) instead_of: Option<Error>,
    pub(super) observed: Arc<Observed>,
}

// Separate types keep private types out of the signatures of the hidden trait.
pub(super) struct PartRequest {
    pub(super) request: Result<Request>,
    pub(super) subject: Subject,
    pub(super) repeatable: bool,
    /// The error if no reader could decode a value that the command writes.
    pub(super) unreadable: Option<Error>,
}
pub(super) struct PartReplies(pub(super) Replies);

/// The server and deadline of a command of a batch.
pub(super) struct PartCall(pub(super) CallOptions);

impl fmt::Debug for PartCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartCall").field("timeout", &self.0.timeout).finish_non_exhaustive()
    }
}

impl fmt::Debug for PartRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PartRequest").field(&self.subject.command).finish()
    }
}

impl fmt::Debug for PartReplies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartReplies")
    }
}

/// Decodes the result of one command of a batch.
#[doc(hidden)]
pub struct PartDecoder<T>(Decode<T>);

impl<T> fmt::Debug for PartDecoder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartDecoder")
    }
}

impl<T> PartDecoder<T> {
    pub(super) fn split(mut command: Command<T>, parts: &mut Vec<Part>) -> Self {
        command.unpolled();
        let Command { request, subject, repeatable, decode, call, unreadable, .. } = command;
        let checked = subject.check_degrading().and(request);
        let request = checked.and_then(|request| request.check_names().map(|()| request));
        let request = PartRequest { request, subject, repeatable, unreadable };
        parts.push(Part { request, call: PartCall(call) });
        Self(decode)
    }

    pub(super) fn join(self, outcome: Option<PartOutcome>) -> Result<T> {
        let Some(PartOutcome { request, replies, instead_of, observed }) = outcome else {
            return Err(Error::protocol("a command of the batch has no reply"));
        };
        let sent = request.request.as_ref();
        let result = replies.and_then(|PartReplies(replies)| {
            let sent = sent.map_err(Error::clone)?;
            observed.received(&request.subject, replies.as_slice());
            (self.0)(sent, read::requested_replies(sent, replies)?)
        });
        observed.outcome(&request.subject, instead_of.as_ref().or(result.as_ref().err()));
        result.map_err(|error| request.subject.explain(error, sent.ok()))
    }
}
