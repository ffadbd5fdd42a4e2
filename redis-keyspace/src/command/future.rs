//! Running one command.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Command, reply};
use crate::connect::lane::Submitted;
use crate::connect::lane::{Receiver, Replies};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::handle::{Binding, target, with_target};
use crate::observe::Observed;
use crate::run::{may_be_repeated, not_run, renew_if_replica, run, says_replica};

/// A running [`Command`]. Its first poll sends the command.
///
/// Written by hand, because this is the path that every operation takes: while a lane is open it allocates
/// nothing but the place for the reply.
#[must_use = "futures do nothing unless they are awaited"]
pub struct CommandFuture<T> {
    command: Command<T>,
    progress: Progress,
    /// Since it was sent.
    observed: Option<Observed>,
}

enum Progress {
    New,
    /// Sent on an open lane.
    Sent {
        receiver: Receiver,
        deadline: Deadline,
        /// Where it was sent, by the address of its binding.
        sent_to: usize,
    },
    /// Whatever takes more than that: connecting first, or trying again.
    Slow(Pin<Box<dyn Future<Output = Result<Replies>> + Send>>),
    Done,
}

impl<T> CommandFuture<T> {
    pub(super) fn new(command: Command<T>) -> Self {
        Self { command, progress: Progress::New, observed: None }
    }

    /// Sends the command where a lane is open, else starts the long way; an error ends it.
    fn start(&mut self) -> Result<Progress> {
        let observed = self.observed.insert(Observed::command(&self.command.subject));
        let Command { request, subject, redis, timeout, .. } = &self.command;
        subject.check_degrading()?;
        let request = request.as_ref().map_err(Error::clone)?;
        let (submitted, deadline, sent_to) = with_target(redis.as_ref(), subject.keyspace, |binding| {
            let deadline = Deadline::after(timeout.unwrap_or(binding.timeout));
            let sent_to = std::ptr::from_ref(binding).addr();
            observed.to(binding);
            (binding.pool().submit(request, &binding.namespace, deadline), deadline, sent_to)
        })?;
        match submitted {
            Submitted::Waiting(receiver) => Ok(Progress::Sent { receiver, deadline, sent_to }),
            Submitted::NoLane => {
                let Command { subject, redis, .. } = &self.command;
                self.slowly(target(redis.as_ref(), subject.keyspace)?, deadline, None)
            }
            Submitted::Refused(error) => Err(error),
        }
    }

    fn slowly(&self, binding: Arc<Binding>, deadline: Deadline, failure: Option<Error>) -> Result<Progress> {
        let Command { request, repeatable, .. } = &self.command;
        let request = request.as_ref().map_err(Error::clone)?.clone();
        Ok(Progress::Slow(Box::pin(run(binding, request, deadline, *repeatable, failure))))
    }

    /// Goes on after the first attempt, if another one may be made; else its failure is the outcome.
    fn again(&self, failure: Error, deadline: Deadline, sent_to: usize) -> Result<Progress> {
        let Command { subject, redis, repeatable, .. } = &self.command;
        if !may_be_repeated(&failure, *repeatable) {
            return Err(failure);
        }
        match target(redis.as_ref(), subject.keyspace) {
            Ok(binding) if Arc::as_ptr(&binding).addr() == sent_to => {
                self.slowly(binding, deadline, Some(failure))
            }
            // Another server was installed meanwhile, or none is any more: this was about the first.
            _ => Err(failure),
        }
    }

    /// What comes of an answer: the server may have said that it has run nothing.
    fn judge(&self, replies: Replies, deadline: Deadline, sent_to: usize) -> Step {
        let Command { request: Ok(request), subject, redis, repeatable, .. } = &self.command else {
            return Step::Done(Ok(replies));
        };
        if says_replica(&replies)
            && let Ok(binding) = target(redis.as_ref(), subject.keyspace)
        {
            renew_if_replica(&replies, &binding);
        }
        match not_run(request, &replies, *repeatable) {
            Some(failure) => Step::of(self.again(failure, deadline, sent_to)),
            None => Step::Done(Ok(replies)),
        }
    }

    fn finish(&self, replies: Result<Replies>) -> Result<T> {
        let Command { request, subject, redis, .. } = &self.command;
        let request = request.as_ref();
        let replies = match (replies, request) {
            // A server that does not run commands now is as good as away.
            (Ok(replies), Ok(request)) if subject.reads => match not_run(request, &replies, false) {
                Some(error) => Err(error),
                None => Ok(replies),
            },
            (replies, _) => replies,
        };
        if let (Some(observed), Err(error)) = (&self.observed, &replies) {
            observed.outcome(subject, Some(error));
        }
        let failed = replies.is_err();
        let replies = match (replies, request) {
            (Err(error), Ok(request)) => subject.degraded(&error, request, redis.as_ref()).ok_or(error),
            (replies, _) => replies,
        };
        let result = replies.and_then(|replies| {
            let request = request.map_err(Error::clone)?;
            (self.command.decode)(request, reply::asked_for(request, replies)?)
        });
        if let (Some(observed), false) = (&self.observed, failed) {
            observed.outcome(subject, result.as_ref().err());
        }
        result.map_err(|error| subject.explain(error, request.ok()))
    }
}

impl<T> Future for CommandFuture<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let this = self.get_mut();
        loop {
            let step = match &mut this.progress {
                Progress::New if matches!(this.command.request, Ok(super::Request::Empty)) => {
                    Step::Done(Ok(Replies::Many(Vec::new())))
                }
                Progress::New => Step::of(this.start()),
                Progress::Sent { receiver, deadline, sent_to } => {
                    let (deadline, sent_to) = (*deadline, *sent_to);
                    let answer = std::task::ready!(Pin::new(receiver).poll(context));
                    match answer.unwrap_or_else(|_| Err(Error::connection_lost("its driver has ended"))) {
                        Err(failure) => Step::of(this.again(failure, deadline, sent_to)),
                        Ok(replies) => this.judge(replies, deadline, sent_to),
                    }
                }
                Progress::Slow(run) => Step::Done(std::task::ready!(run.as_mut().poll(context))),
                // Polled again after it was ready, which futures need not allow; saying so beats a panic.
                Progress::Done => {
                    Step::Done(Err(Error::invalid_input("this command has already given its result")))
                }
            };
            match step {
                Step::GoOn(progress) => this.progress = progress,
                Step::Done(replies) => {
                    this.progress = Progress::Done;
                    return Poll::Ready(this.finish(replies));
                }
            }
        }
    }
}

/// What a poll has come to.
enum Step {
    GoOn(Progress),
    Done(Result<Replies>),
}

impl Step {
    fn of(progress: Result<Progress>) -> Self {
        match progress {
            Ok(progress) => Self::GoOn(progress),
            Err(error) => Self::Done(Err(error)),
        }
    }
}

impl<T> fmt::Debug for CommandFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CommandFuture").field(&self.command).finish()
    }
}
