//! Tuples, arrays and vectors of commands.

use std::fmt;

use super::part::{BatchCommand, BatchRequests, Part, PartOutcomes};
use crate::command::base::IntoCommand;
use crate::error::{Error, Result};
use crate::protocol::Request;

/// The commands of a [batch](crate::Redis::batch): one command, or a tuple of up to 16, a `Vec` or
/// an array of such. The items of a tuple can be commands, tuples, arrays and vectors. The items of
/// a `Vec` or an array have one type. `Vec<Command<T>>` holds commands of any kinds with results of
/// the type `T`.
#[diagnostic::on_unimplemented(
    message = "these are not the commands of a batch",
    label = "write a tuple of 1 to 16 commands, or a `Vec` or an array of commands of one type",
    note = "as in `redis.batch((CartKeys::user(7).get(), CartKeys::views(7).incr()))`",
    note = "operations of several steps, such as `get_or_set` and `update`, can't be part of a batch: run them concurrently with `tokio::join!`"
)]
pub trait Commands: sealed::SealedCommands {
    /// The results if all commands succeed.
    type Output;
    /// The result of every command.
    type Results;
    /// The finished commands. Because [`Redis::batch`](crate::Redis::batch) returns a batch of this
    /// type, a value that is not a command is one error. Otherwise, the compiler also reports that
    /// the batch can't be awaited.
    #[doc(hidden)]
    type Finished: Commands<Output = Self::Output, Results = Self::Results, Finished = Self::Finished>
        + Send
        + 'static;

    /// How many commands there are.
    #[doc(hidden)]
    fn count(&self) -> usize;
    /// Finishes the commands, and adds the request of each to `requests`.
    #[doc(hidden)]
    fn finished(self, requests: &mut BatchRequests) -> Self::Finished;
    /// Checks the commands, and adds each to `parts`. The requests are those of the commands.
    #[doc(hidden)]
    fn parts<'c>(commands: &'c Self::Finished, requests: &mut RequestsOfParts<'_>, parts: &mut Vec<Part<'c>>);
    #[doc(hidden)]
    fn join(commands: &Self::Finished, outcomes: &mut PartOutcomes<'_>) -> Self::Results;
    /// Returns the results if all commands succeeded. Counts those that failed.
    #[doc(hidden)]
    fn sift(results: Self::Results, failures: &mut BatchFailures) -> Option<Self::Output>;
    #[doc(hidden)]
    fn all(results: Self::Results) -> Result<Self::Output> {
        let mut failures = BatchFailures::default();
        Self::sift(results, &mut failures).ok_or_else(|| failures.into_error())
    }
}

mod sealed {
    pub trait SealedCommands {}
}

/// The requests of the commands that have not been checked yet.
#[doc(hidden)]
pub struct RequestsOfParts<'r>(std::slice::IterMut<'r, Request>);

impl fmt::Debug for RequestsOfParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestsOfParts").field(&self.0.len()).finish()
    }
}

impl<'r> RequestsOfParts<'r> {
    pub(super) fn new(requests: &'r mut BatchRequests) -> Self {
        Self(requests.0.iter_mut())
    }

    /// Checks a command and its request, which is the next one.
    fn check<'c, T>(&mut self, command: &'c BatchCommand<T>) -> Part<'c> {
        Part::of(command, self.0.next().unwrap_or(&mut Request::Empty))
    }
}

/// The failures of a batch.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct BatchFailures {
    first: Option<Error>,
    failed: usize,
    total: usize,
}

impl BatchFailures {
    fn sift<T>(&mut self, result: Result<T>) -> Option<T> {
        self.total += 1;
        result
            .map_err(|error| {
                self.failed += 1;
                self.first.get_or_insert(error);
            })
            .ok()
    }

    fn into_error(self) -> Error {
        let Self { first, failed, total } = self;
        match first {
            Some(first) if failed == 1 && total == 1 => first,
            Some(first) => first.in_batch(failed, total),
            None => Error::protocol("a command of the batch has no reply"),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<C: IntoCommand> sealed::SealedCommands for C {}

#[diagnostic::do_not_recommend]
impl<C: IntoCommand> Commands for C {
    type Output = C::Output;
    type Results = Result<C::Output>;
    type Finished = BatchCommand<C::Output>;

    fn count(&self) -> usize {
        1
    }

    fn finished(self, requests: &mut BatchRequests) -> Self::Finished {
        BatchCommand::of(self.into_command(), requests)
    }

    fn parts<'c>(command: &'c Self::Finished, requests: &mut RequestsOfParts<'_>, parts: &mut Vec<Part<'c>>) {
        parts.push(requests.check(command));
    }

    fn join(command: &Self::Finished, outcomes: &mut PartOutcomes<'_>) -> Self::Results {
        outcomes.decode(command)
    }

    fn sift(result: Self::Results, failures: &mut BatchFailures) -> Option<Self::Output> {
        failures.sift(result)
    }
}

impl<T> sealed::SealedCommands for BatchCommand<T> {}

impl<T: 'static> Commands for BatchCommand<T> {
    type Output = T;
    type Results = Result<T>;
    type Finished = Self;

    fn count(&self) -> usize {
        1
    }

    // Its request was added when it was finished.
    fn finished(self, _: &mut BatchRequests) -> Self {
        self
    }

    fn parts<'c>(command: &'c Self, requests: &mut RequestsOfParts<'_>, parts: &mut Vec<Part<'c>>) {
        parts.push(requests.check(command));
    }

    fn join(command: &Self, outcomes: &mut PartOutcomes<'_>) -> Result<T> {
        outcomes.decode(command)
    }

    fn sift(result: Result<T>, failures: &mut BatchFailures) -> Option<T> {
        failures.sift(result)
    }
}

impl<C: Commands> sealed::SealedCommands for Vec<C> {}

impl<C: Commands> Commands for Vec<C> {
    type Output = Vec<C::Output>;
    type Results = Vec<C::Results>;
    type Finished = Vec<C::Finished>;

    fn count(&self) -> usize {
        self.iter().map(C::count).sum()
    }

    fn finished(self, requests: &mut BatchRequests) -> Self::Finished {
        self.into_iter().map(|command| command.finished(requests)).collect()
    }

    fn parts<'c>(
        commands: &'c Self::Finished,
        requests: &mut RequestsOfParts<'_>,
        parts: &mut Vec<Part<'c>>,
    ) {
        commands.iter().for_each(|command| C::parts(command, requests, parts));
    }

    fn join(commands: &Self::Finished, outcomes: &mut PartOutcomes<'_>) -> Self::Results {
        commands.iter().map(|command| C::join(command, outcomes)).collect()
    }

    fn sift(results: Self::Results, failures: &mut BatchFailures) -> Option<Self::Output> {
        let expected = results.len();
        let values: Vec<_> = results.into_iter().filter_map(|result| C::sift(result, failures)).collect();
        (values.len() == expected).then_some(values)
    }
}

impl<C: Commands, const N: usize> sealed::SealedCommands for [C; N] {}

impl<C: Commands, const N: usize> Commands for [C; N] {
    type Output = [C::Output; N];
    type Results = [C::Results; N];
    type Finished = [C::Finished; N];

    fn count(&self) -> usize {
        self.iter().map(C::count).sum()
    }

    fn finished(self, requests: &mut BatchRequests) -> Self::Finished {
        self.map(|command| command.finished(requests))
    }

    fn parts<'c>(
        commands: &'c Self::Finished,
        requests: &mut RequestsOfParts<'_>,
        parts: &mut Vec<Part<'c>>,
    ) {
        commands.iter().for_each(|command| C::parts(command, requests, parts));
    }

    fn join(commands: &Self::Finished, outcomes: &mut PartOutcomes<'_>) -> Self::Results {
        commands.each_ref().map(|command| C::join(command, outcomes))
    }

    fn sift(results: Self::Results, failures: &mut BatchFailures) -> Option<Self::Output> {
        let values: Vec<_> = results.into_iter().filter_map(|result| C::sift(result, failures)).collect();
        values.try_into().ok()
    }
}

macro_rules! tuples {
    ($($($command:ident $value:ident),+;)+) => {$(
        impl<$($command: Commands),+> sealed::SealedCommands for ($($command,)+) {}

        impl<$($command: Commands),+> Commands for ($($command,)+) {
            type Output = ($($command::Output,)+);
            type Results = ($($command::Results,)+);
            type Finished = ($($command::Finished,)+);

            fn count(&self) -> usize {
                let ($($value,)+) = self;
                0 $(+ $value.count())+
            }

            fn finished(self, requests: &mut BatchRequests) -> Self::Finished {
                let ($($value,)+) = self;
                ($($value.finished(requests),)+)
            }

            fn parts<'c>(
                commands: &'c Self::Finished,
                requests: &mut RequestsOfParts<'_>,
                parts: &mut Vec<Part<'c>>,
            ) {
                let ($($value,)+) = commands;
                $($command::parts($value, requests, parts);)+
            }

            fn join(commands: &Self::Finished, outcomes: &mut PartOutcomes<'_>) -> Self::Results {
                let ($($value,)+) = commands;
                ($($command::join($value, outcomes),)+)
            }

            fn sift(results: Self::Results, failures: &mut BatchFailures) -> Option<Self::Output> {
                let ($($value,)+) = results;
                $(let $value = $command::sift($value, failures);)+
                Some(($($value?,)+))
            }
        }
    )+};
}

tuples! {
    A a;
    A a, B b;
    A a, B b, C c;
    A a, B b, C c, D d;
    A a, B b, C c, D d, E e;
    A a, B b, C c, D d, E e, F f;
    A a, B b, C c, D d, E e, F f, G g;
    A a, B b, C c, D d, E e, F f, G g, H h;
    A a, B b, C c, D d, E e, F f, G g, H h, I i;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l, M m;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l, M m, N n;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l, M m, N n, O o;
    A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l, M m, N n, O o, P p;
}
