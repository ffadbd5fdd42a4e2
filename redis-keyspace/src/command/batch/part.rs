//! The commands of a batch, and their outcomes.

use std::fmt;

use crate::client::{CallOptions, Observed, Redis, Subject, Target, explain_missing, has_wrong_type};
use crate::command::base::Command;
use crate::error::{Error, Result};
use crate::protocol::{Decode, Replies, Request, read};

/// The requests of the commands of a batch, in order. They are apart from the rest of the commands,
/// so that none of them is moved to be sent.
#[doc(hidden)]
#[derive(Default)]
pub struct BatchRequests(pub(super) Vec<Request>);

/// A command of a batch that has not run yet: what a [`Command`] has before its first poll, except
/// its request. A batch moves and keeps all of its commands, so the size matters.
#[doc(hidden)]
pub struct BatchCommand<T> {
    subject: Subject,
    repeatable: bool,
    decode: Decode<T>,
    call: CallOptions,
    unreadable: Option<Error>,
    /// Why the command can't be sent. Its request is then empty.
    failed: Option<Error>,
}

impl BatchRequests {
    pub(super) fn with_room(commands: usize) -> Self {
        Self(Vec::with_capacity(commands))
    }
}

impl<T> BatchCommand<T> {
    /// Adds the request of the command to those of the batch.
    pub(super) fn of(mut command: Command<T>, requests: &mut BatchRequests) -> Self {
        command.unpolled();
        let Command { request, subject, repeatable, decode, call, unreadable, .. } = command;
        let failed = match request {
            Ok(request) => {
                requests.0.push(request);
                None
            }
            Err(error) => {
                requests.0.push(Request::Empty);
                Some(error)
            }
        };
        Self { subject, repeatable, decode, call, unreadable, failed }
    }
}

/// A borrowed command of a batch, without its request.
#[doc(hidden)]
pub struct Part<'c> {
    pub(super) subject: &'c Subject,
    pub(super) call: &'c CallOptions,
    pub(super) repeatable: bool,
    /// The error if no reader could decode a value that the command writes.
    pub(super) unreadable: Option<&'c Error>,
    /// Why the command can't be sent.
    pub(super) failed: Option<Error>,
}

/// Returns the target of a command: the one set on the command, else the handle of the batch.
pub(super) fn target(redis: &Redis, call: &CallOptions) -> Target {
    call.target.clone().or(Target::Handle(redis.clone()))
}

/// The outcome of a command of a batch.
#[derive(Default)]
pub(super) struct PartOutcome {
    pub(super) replies: Option<Result<Replies>>,
    /// The failure that was replaced by a miss.
    pub(super) instead_of: Option<Error>,
}

impl PartOutcome {
    /// Whether the command failed because a key has another type.
    pub(super) fn has_wrong_type(&self) -> bool {
        matches!(&self.replies, Some(Ok(replies)) if has_wrong_type(replies))
    }
}

/// The outcomes of the commands of a batch, in order.
#[doc(hidden)]
pub struct PartOutcomes<'o> {
    outcomes: std::vec::IntoIter<PartOutcome>,
    requests: std::slice::Iter<'o, Request>,
    redis: &'o Redis,
    observed: &'o Observed,
}

impl<'o> PartOutcomes<'o> {
    pub(super) fn new(
        outcomes: Vec<PartOutcome>,
        requests: &'o BatchRequests,
        redis: &'o Redis,
        observed: &'o Observed,
    ) -> Self {
        Self { outcomes: outcomes.into_iter(), requests: requests.0.iter(), redis, observed }
    }

    /// Decodes the result of the next command, which must be this one.
    pub(super) fn decode<T>(&mut self, command: &BatchCommand<T>) -> Result<T> {
        let BatchCommand { subject, decode, call, .. } = command;
        let PartOutcome { replies, instead_of } = self.outcomes.next().unwrap_or_default();
        let request = self.requests.next().unwrap_or(&Request::Empty);
        let replies = replies.unwrap_or_else(|| Err(Error::protocol("a command of the batch has no reply")));
        let result = replies.and_then(|replies| {
            self.observed.received(subject, replies.as_slice());
            decode(request, read::requested_replies(request, replies)?)
        });
        self.observed.outcome(subject, instead_of.as_ref().or(result.as_ref().err()));
        result.map_err(|error| {
            let error = explain_missing(error, request, subject, &target(self.redis, call));
            subject.explain(error, Some(request))
        })
    }
}

impl<'c> Part<'c> {
    /// Checks the command. If it can't be sent, removes its request.
    pub(super) fn of<T>(command: &'c BatchCommand<T>, request: &mut Request) -> Self {
        let BatchCommand { subject, repeatable, call, unreadable, failed, .. } = command;
        let waits = || match call.wait {
            Some(_) => Err(Error::invalid_input(
                "a command of a batch can't wait for replicas or elements, because all commands share a connection: await it on its own",
            )),
            None => Ok(()),
        };
        let checked = subject.check_degrading().and_then(|()| subject.check_reads()).and_then(|()| waits());
        let failed = match checked.and_then(|()| request.check_names()) {
            Ok(()) => failed.clone(),
            Err(error) => {
                *request = Request::Empty;
                Some(error)
            }
        };
        Self { subject, call, repeatable: *repeatable, unreadable: unreadable.as_ref(), failed }
    }
}

impl<T> fmt::Debug for BatchCommand<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BatchCommand").field(&self.subject.command).finish()
    }
}

impl fmt::Debug for BatchRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BatchRequests").field(&self.0.len()).finish()
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Part").field(&self.subject.command).finish()
    }
}

impl fmt::Debug for PartOutcomes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PartOutcomes").field(&self.outcomes.len()).finish()
    }
}
