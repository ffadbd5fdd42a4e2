//! The commands of a batch, and their outcomes.

use std::fmt;

use crate::client::{CallOptions, Observed, Redis, Subject, Target, explain_missing};
use crate::command::base::Command;
use crate::error::{Error, Result};
use crate::protocol::{Decode, Replies, Request, read};

/// A command of a batch that has not run yet: what a [`Command`] has before its first poll. A batch
/// moves and keeps all of its commands, so the size matters.
#[doc(hidden)]
pub struct BatchCommand<T> {
    request: Result<Request>,
    subject: Subject,
    repeatable: bool,
    decode: Decode<T>,
    call: CallOptions,
    unreadable: Option<Error>,
}

impl<T> BatchCommand<T> {
    pub(super) fn of(mut command: Command<T>) -> Self {
        command.unpolled();
        let Command { request, subject, repeatable, decode, call, unreadable, .. } = command;
        Self { request, subject, repeatable, decode, call, unreadable }
    }
}

/// A borrowed command of a batch.
#[doc(hidden)]
pub struct Part<'c> {
    /// Taken while the batch is in flight.
    pub(super) request: &'c mut Result<Request>,
    pub(super) subject: &'c Subject,
    pub(super) call: &'c CallOptions,
    pub(super) repeatable: bool,
    /// The error if no reader could decode a value that the command writes.
    pub(super) unreadable: Option<&'c Error>,
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

/// The outcomes of the commands of a batch, in order.
#[doc(hidden)]
pub struct PartOutcomes<'o> {
    outcomes: std::vec::IntoIter<PartOutcome>,
    redis: &'o Redis,
    observed: &'o Observed,
}

impl<'o> PartOutcomes<'o> {
    pub(super) fn new(outcomes: Vec<PartOutcome>, redis: &'o Redis, observed: &'o Observed) -> Self {
        Self { outcomes: outcomes.into_iter(), redis, observed }
    }

    /// Decodes the result of the next command, which must be this one.
    pub(super) fn decode<T>(&mut self, command: &BatchCommand<T>) -> Result<T> {
        let BatchCommand { request, subject, decode, call, .. } = command;
        let PartOutcome { replies, instead_of } = self.outcomes.next().unwrap_or_default();
        let replies = replies.unwrap_or_else(|| Err(Error::protocol("a command of the batch has no reply")));
        let result = replies.and_then(|replies| {
            let request = request.as_ref().map_err(Error::clone)?;
            self.observed.received(subject, replies.as_slice());
            decode(request, read::requested_replies(request, replies)?)
        });
        self.observed.outcome(subject, instead_of.as_ref().or(result.as_ref().err()));
        result.map_err(|error| {
            let error = match request {
                Ok(request) => explain_missing(error, request, subject, &target(self.redis, call)),
                Err(_) => error,
            };
            subject.explain(error, request.as_ref().ok())
        })
    }
}

impl<'c> Part<'c> {
    pub(super) fn of<T>(command: &'c mut BatchCommand<T>) -> Self {
        let BatchCommand { request, subject, repeatable, call, unreadable, .. } = command;
        let waits = || match call.wait {
            Some(_) => Err(Error::invalid_input(
                "a command of a batch can't wait for replicas or elements, because all commands share a connection: await it on its own",
            )),
            None => Ok(()),
        };
        let checked = subject.check_degrading().and_then(|()| subject.check_reads()).and_then(|()| waits());
        let checked = checked.and_then(|()| match request {
            Ok(request) => request.check_names(),
            Err(_) => Ok(()),
        });
        if let Err(error) = checked {
            *request = Err(error);
        }
        Self { request, subject, call, repeatable: *repeatable, unreadable: unreadable.as_ref() }
    }
}

impl<T> fmt::Debug for BatchCommand<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BatchCommand").field(&self.subject.command).finish()
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
