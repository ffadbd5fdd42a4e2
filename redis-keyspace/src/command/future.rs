//! Runs one command.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use super::base::Command;
use super::disabled::answer;
use super::progress::{CommandProgress, CommandRun};
use crate::client::{
    Binding, CallOptions, NAMING, Observed, Subject, Target, WrongTypeOf, explain_missing, has_refusal,
    has_wrong_type, is_answered_by_replica, is_final, is_redirected, learn_missing, may_be_repeated,
    may_have, not_run, renew_if_replica, run, run_on_replica, run_rest, run_waiting, submit,
    submit_to_replica,
};
use crate::connect::{Node, Submitted};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{ReplacedCommand, Replies, Reply, Request, read};
use crate::schema::Reads;
use crate::time::{Deadline, Expiry};

/// The parts of a command that do not depend on its result. The compiler generates their code once,
/// not for each result.
struct CommandParts<'c> {
    request: &'c mut Result<Request>,
    subject: &'c Subject,
    repeatable: bool,
    call: &'c CallOptions,
    unreadable: Option<&'c Error>,
    run: &'c mut CommandRun,
}

// Written by hand, because every operation takes this path. While a connection is open, it
// allocates only the slot for the reply.
impl CommandParts<'_> {
    /// Sends the command if a connection is open; otherwise starts the slow path. Sets the
    /// progress. An error is the outcome.
    fn start(&mut self) -> Result<()> {
        let Self { request, subject, call, unreadable, run, .. } = self;
        let CommandRun { progress, observed } = &mut **run;
        let observed = observed.insert(Observed::command(subject));
        subject.check_degrading()?;
        subject.check_reads()?;
        check_wait(subject, call)?;
        let request = request.as_mut().map_err(|error| error.clone())?;
        let slow = call.target.with_binding(subject.keyspace, |binding| {
            if let Some(ttl) = binding.ttl {
                request.set_keyspace_lifetime(Expiry::After(ttl))?;
            }
            if request.only_script().is_some() {
                choose_form(request, subject, binding);
            }
            let request = &*request;
            if !call.others().is_empty() {
                call.check_others(subject.keyspace, &call.target, binding)?;
            }
            if binding.is_disabled {
                observed.to(binding);
                binding.checks.pass(*unreadable)?;
                request.check_names()?;
                request.check_size(binding.pool().settings.sizes())?;
                let replies = answer(subject, request, binding)?;
                *progress = CommandProgress::slow(std::future::ready(Ok(replies)), None);
                return Ok(None);
            }
            let deadline = binding.deadline(call.timeout);
            let sent_to = Arc::as_ptr(binding).addr();
            observed.to(binding);
            observed.sent(subject, request);
            binding.checks.pass(*unreadable)?;
            if call.wait.is_some() {
                return Ok(Some((Arc::clone(binding), deadline)));
            }
            let reads = subject.reads_in(binding.pool());
            if reads == Reads::Replica && !binding.pool().has_connected() {
                return Ok(Some((Arc::clone(binding), deadline)));
            }
            let (submitted, by_replica) = if reads != Reads::Master && binding.pool().has_replicas() {
                // A silent replica must leave time for another one, or for the master.
                submit_to_replica(binding, request, Deadline::after(deadline.limit() / 2))
            } else {
                (submit(binding, request, deadline), None)
            };
            match submitted {
                Submitted::Waiting(receiver) => {
                    let watch = binding.watch(deadline);
                    // A command of an operation whose binding was resolved earlier may run on
                    // another runtime.
                    let is_new = !matches!(call.target, Target::Bound(_));
                    // Written in place: each copy of it would take longer than the checks above.
                    *progress = CommandProgress::Sent { receiver, sent_to, watch, by_replica, is_new };
                    Ok(None)
                }
                Submitted::NoLane => Ok(Some((Arc::clone(binding), deadline))),
                // Another replica or the master may have room.
                Submitted::Refused(error) if by_replica.is_some() && error.kind() == ErrorKind::PoolBusy => {
                    Ok(Some((Arc::clone(binding), deadline)))
                }
                Submitted::Refused(error) => Err(error),
            }
        })?;
        if let Some((binding, deadline)) = slow? {
            self.run.progress = self.slowly(binding, deadline, None)?;
        }
        Ok(())
    }

    fn slowly(
        &self,
        binding: Arc<Binding>,
        deadline: Deadline,
        failure: Option<Error>,
    ) -> Result<CommandProgress> {
        let request = self.request.as_ref().map_err(Error::clone)?.clone();
        let sent = Some((deadline, Arc::as_ptr(&binding).addr()));
        if let Some(wait) = self.call.server_wait()? {
            let running = run_waiting(binding, request, deadline, self.repeatable, wait);
            return Ok(CommandProgress::slow(running, sent));
        }
        let reads = self.subject.reads_in(binding.pool());
        if reads != Reads::Master {
            let by_master_of_cluster = self.subject.hides_misses;
            let running = run_on_replica(binding, request, deadline, reads, by_master_of_cluster);
            return Ok(CommandProgress::slow(running, sent));
        }
        Ok(CommandProgress::slow(run(binding, request, deadline, self.repeatable, failure), sent))
    }

    /// Retries after the first attempt, if the command may be repeated. Otherwise, the failure is
    /// the outcome.
    fn again(&self, failure: Error, deadline: Deadline, sent_to: usize) -> Result<CommandProgress> {
        let Self { subject, call, repeatable, .. } = self;
        if !may_be_repeated(&failure, *repeatable) {
            return Err(failure);
        }
        match call.target.resolve(subject.keyspace) {
            Ok(binding) if Arc::as_ptr(&binding).addr() == sent_to => {
                self.slowly(binding, deadline, Some(failure))
            }
            // Another handle was installed since, or none: the failure of the first attempt is the
            // outcome.
            _ => Err(failure),
        }
    }

    /// Sends the whole script of a command that was not run because the server did not know it.
    fn with_script(&self, whole: Request, deadline: Deadline, sent_to: usize, replies: Replies) -> Step {
        let binding = match self.call.target.resolve(self.subject.keyspace) {
            Ok(binding) if Arc::as_ptr(&binding).addr() == sent_to => binding,
            // Another handle was installed since, or none: this one must not write there.
            _ => return Step::Done(Ok(replies)),
        };
        if let Ok(request) = &self.request
            && request.lost_read_only(&whole)
        {
            learn_missing(&binding, request, ReplacedCommand::EvalRo);
        }
        let running = run(binding, whole, deadline, self.repeatable, None);
        Step::GoOn(CommandProgress::slow(running, Some((deadline, sent_to))))
    }

    /// Asks which types the keys have instead of the expected ones. Returns the replies if that is
    /// not possible.
    #[cold]
    fn naming_types(&self, replies: Replies) -> std::result::Result<CommandProgress, Replies> {
        let Self { request, subject, call, .. } = self;
        let Some((deadline, sent_to)) = self.run.progress.sent() else { return Err(replies) };
        match (request, call.target.resolve(subject.keyspace)) {
            // Otherwise, another handle was installed since, whose keys have other types.
            (Ok(request), Ok(binding)) if Arc::as_ptr(&binding).addr() == sent_to => {
                // The error is known. Its explanation must not take long.
                let deadline = deadline.at_most(NAMING);
                let (request, subject, others) = (request.clone(), **subject, call.others().to_vec());
                let wrong = WrongTypeOf { binding, request, subject, others, deadline };
                Ok(CommandProgress::slow(async { Ok(wrong.named(replies).await) }, None))
            }
            _ => Err(replies),
        }
    }

    /// Reads elsewhere after a replica failed.
    fn without_replica(&self, replica: &Node, failure: Error, deadline: Deadline, sent_to: usize) -> Step {
        // The next check decides whether it is used again.
        replica.distrust();
        match self.call.target.resolve(self.subject.keyspace) {
            Ok(binding) if Arc::as_ptr(&binding).addr() == sent_to && failure.kind() != ErrorKind::Closed => {
                Step::of(self.slowly(binding, deadline, None))
            }
            _ => Step::Done(Err(failure)),
        }
    }

    /// Decides the next step from the replies of a replica.
    fn judge_replica(&self, replies: Replies, deadline: Deadline, sent_to: usize) -> Step {
        let Self { request, subject, call, .. } = self;
        match call.target.resolve(subject.keyspace) {
            Ok(binding) if Arc::as_ptr(&binding).addr() == sent_to => {
                if request.as_ref().is_ok_and(|request| is_final(&binding, request, &replies)) {
                    Step::Done(Ok(replies))
                } else {
                    Step::of(self.slowly(binding, deadline, None))
                }
            }
            Ok(_) => Step::Done(Ok(replies)),
            Err(error) => Step::Done(Err(error)),
        }
    }

    /// Decides the next step after the first attempt: the server may have reported that it ran
    /// nothing. Kept out of [`poll`](Self::poll), which is short for the usual case.
    #[inline(never)]
    fn judge(
        &self,
        answer: Result<Replies>,
        replica: Option<Arc<Node>>,
        deadline: Deadline,
        sent_to: usize,
    ) -> Step {
        match (answer, replica) {
            (Err(failure), Some(replica)) => self.without_replica(&replica, failure, deadline, sent_to),
            (Err(failure), None) => Step::of(self.again(failure, deadline, sent_to)),
            (Ok(replies), Some(_)) => self.judge_replica(replies, deadline, sent_to),
            (Ok(replies), None) if replies.as_slice().iter().any(Reply::is_error) => {
                self.judge_errors(replies, deadline, sent_to)
            }
            (Ok(replies), None) => Step::Done(Ok(replies)),
        }
    }

    #[cold]
    fn judge_errors(&self, replies: Replies, deadline: Deadline, sent_to: usize) -> Step {
        let Self { request, subject, call, repeatable, .. } = self;
        let Ok(request) = &**request else { return Step::Done(Ok(replies)) };
        if has_refusal(&replies)
            && let Ok(binding) = call.target.resolve(subject.keyspace)
            && Arc::as_ptr(&binding).addr() == sent_to
            && (binding.pool().cluster().is_some()
                || (is_redirected(&replies) && binding.pool().learn_cluster()))
        {
            let rest = run_rest(binding, request.clone(), deadline, *repeatable, replies);
            return Step::GoOn(CommandProgress::slow(rest, Some((deadline, sent_to))));
        }
        if is_answered_by_replica(&replies)
            && let Ok(binding) = call.target.resolve(subject.keyspace)
        {
            renew_if_replica(&replies, &binding);
        }
        match not_run(request, &replies, *repeatable) {
            Some(failure) => Step::of(self.again(failure, deadline, sent_to)),
            None => match request.with_unknown_scripts(&replies) {
                Some((whole, _)) => self.with_script(whole, deadline, sent_to, replies),
                None => Step::Done(Ok(replies)),
            },
        }
    }

    /// Ends the command with these replies, or this failure. Records a failure, and replaces it by
    /// misses if the command returns those when Redis is unavailable.
    fn settle(&self, replies: Result<Replies>) -> Settled {
        let Self { subject, call, run, .. } = self;
        let (observed, request) = (run.observed.as_ref(), self.request.as_ref());
        let replies = match (replies, request) {
            // A server that currently runs no commands counts as unavailable.
            (Ok(replies), Ok(request)) if subject.reads => match not_run(request, &replies, true) {
                Some(error) => Err(error),
                None => Ok(replies),
            },
            (replies, _) => replies,
        };
        if let (Some(observed), Err(error)) = (observed, &replies) {
            observed.outcome(subject, Some(error));
        }
        let failed = replies.is_err();
        let replies = match (replies, request) {
            (Err(error), Ok(request)) => subject.degraded(&error, request, &call.target).ok_or(error),
            (replies, _) => replies,
        };
        Settled { replies: replies.and_then(|replies| self.requested(replies)), failed }
    }

    /// Returns the replies to the commands of the caller, without those that the library added.
    #[inline]
    fn requested(&self, replies: Replies) -> Result<Replies> {
        let request = self.request.as_ref().map_err(Error::clone)?;
        if let Some(observed) = &self.run.observed {
            observed.received(self.subject, replies.as_slice());
        }
        read::requested_replies(request, replies)
    }

    #[inline]
    fn record_outcome(&self, error: Option<&Error>) {
        if let Some(observed) = &self.run.observed {
            observed.outcome(self.subject, error);
        }
    }

    #[cold]
    fn explain(&self, error: Error) -> Error {
        let Self { request, subject, call, .. } = self;
        let request = request.as_ref();
        let error = match request {
            Ok(request) => explain_missing(error, request, subject, &call.target),
            Err(_) => error,
        };
        subject.explain(call.naming_templates(subject.keyspace, error), request.ok())
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Settled> {
        loop {
            let step = match &mut self.run.progress {
                CommandProgress::New if matches!(self.request, Ok(Request::Empty)) => {
                    Step::Done(Ok(Replies::Many(Vec::new())))
                }
                CommandProgress::New => match self.start() {
                    Ok(()) => continue,
                    Err(error) => Step::Done(Err(error)),
                },
                CommandProgress::Sent { receiver, sent_to, watch, by_replica, is_new } => {
                    let answer = match Pin::new(receiver).poll(context) {
                        // The usual case: each step below would copy the replies once more.
                        Poll::Ready(Ok(Ok(replies))) if by_replica.is_none() && replies.are_plain() => {
                            self.run.progress = CommandProgress::Done;
                            return Poll::Ready(Settled { replies: self.requested(replies), failed: false });
                        }
                        Poll::Ready(answer) => answer,
                        Poll::Pending if std::mem::replace(is_new, false) => return Poll::Pending,
                        Poll::Pending => Ok(Err(std::task::ready!(watch.poll_passed(context)))),
                    };
                    let answer =
                        answer.unwrap_or_else(|_| Err(Error::connection_lost("its driver has ended")));
                    let (replica, deadline, sent_to) = (by_replica.take(), watch.deadline(), *sent_to);
                    self.judge(answer, replica, deadline, sent_to)
                }
                CommandProgress::Slow { run, .. } => {
                    let run = run.get_mut().unwrap_or_else(PoisonError::into_inner);
                    Step::Done(std::task::ready!(run.as_mut().poll(context)))
                }
                // Polled after completion, which futures need not support. An error is better than
                // a panic.
                CommandProgress::Done => {
                    Step::Done(Err(Error::invalid_input("this command was polled after it completed")))
                }
            };
            match step {
                Step::GoOn(progress) => self.run.progress = progress,
                Step::Done(Ok(replies)) if has_wrong_type(&replies) => match self.naming_types(replies) {
                    Ok(progress) => self.run.progress = progress,
                    Err(replies) => {
                        self.run.progress = CommandProgress::Done;
                        return Poll::Ready(self.settle(Ok(replies)));
                    }
                },
                Step::Done(replies) => {
                    self.run.progress = CommandProgress::Done;
                    return Poll::Ready(self.settle(replies));
                }
            }
        }
    }
}

/// How a command ended.
struct Settled {
    /// The replies to the commands of the caller.
    replies: Result<Replies>,
    /// Whether a failure is recorded as the outcome already.
    failed: bool,
}

/// Fails if a command can't wait for what its options say.
fn check_wait(subject: &Subject, call: &CallOptions) -> Result<()> {
    if call.server_wait()?.is_some() && subject.may_use_replica {
        return Err(Error::invalid_input(format!(
            "{} writes nothing, so there is nothing that replicas could acknowledge: remove `wait_replicas`",
            subject.command
        )));
    }
    Ok(())
}

/// Chooses how a script is sent. A replica may not know the scripts of its master, and servers
/// before 7.0 lack the command for scripts that must not write.
#[cold]
fn choose_form(request: &mut Request, subject: &Subject, binding: &Binding) {
    let by_replica = subject.reads_in(binding.pool()) != Reads::Master && binding.pool().has_replicas();
    let has_read_only = !by_replica && may_have(binding, request, ReplacedCommand::EvalRo);
    if let Some(script) = request.only_script() {
        script.sends_whole |= by_replica;
        script.is_read_only &= has_read_only;
    }
}

impl<T> Future for Command<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let Self { request, subject, repeatable, decode, call, unreadable, run } = self.get_mut();
        let (repeatable, unreadable) = (*repeatable, unreadable.as_ref());
        let mut parts = CommandParts { request, subject, repeatable, call, unreadable, run };
        let Settled { replies, failed } = std::task::ready!(parts.poll(context));
        let result = replies.and_then(|replies| {
            let request = parts.request.as_ref().map_err(Error::clone)?;
            decode(request, replies)
        });
        if !failed {
            parts.record_outcome(result.as_ref().err());
        }
        Poll::Ready(result.map_err(|error| parts.explain(error)))
    }
}

/// The outcome of a poll.
enum Step {
    GoOn(CommandProgress),
    Done(Result<Replies>),
}

impl Step {
    fn of(progress: Result<CommandProgress>) -> Self {
        match progress {
            Ok(progress) => Self::GoOn(progress),
            Err(error) => Self::Done(Err(error)),
        }
    }
}
