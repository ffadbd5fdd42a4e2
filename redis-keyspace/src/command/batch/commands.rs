//! Tuples, arrays and vectors of commands.

use super::part::{Part, PartOutcomes};
use crate::command::base::{Command, IntoCommand};
use crate::error::{Error, Result};

/// The commands of a [batch](crate::Redis::batch): a tuple of up to 16 commands, or a `Vec` or
/// array of commands of one type.
#[diagnostic::on_unimplemented(
    message = "these are not the commands of a batch",
    label = "write a tuple of 1 to 16 commands, or a `Vec` or an array of commands of one type",
    note = "as in `redis.batch((CartKeys::user(7).get(), CartKeys::views(7).incr()))`"
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
    type Finished: Commands<Output = Self::Output, Results = Self::Results> + Send + 'static;

    #[doc(hidden)]
    fn finished(self) -> Self::Finished;
    #[doc(hidden)]
    fn parts<'c>(commands: &'c mut Self::Finished, parts: &mut Vec<Part<'c>>);
    #[doc(hidden)]
    fn join(commands: Self::Finished, outcomes: &mut PartOutcomes<'_>) -> Self::Results;
    #[doc(hidden)]
    fn all(results: Self::Results) -> Result<Self::Output>;
}

mod sealed {
    pub trait SealedCommands {}
}

/// The failures of a batch.
#[derive(Default)]
struct BatchFailures {
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

impl<C: IntoCommand> sealed::SealedCommands for Vec<C> {}

impl<C: IntoCommand> Commands for Vec<C> {
    type Output = Vec<C::Output>;
    type Results = Vec<Result<C::Output>>;
    type Finished = Vec<Command<C::Output>>;

    fn finished(self) -> Self::Finished {
        C::into_commands(self)
    }

    fn parts<'c>(commands: &'c mut Self::Finished, parts: &mut Vec<Part<'c>>) {
        parts.extend(commands.iter_mut().map(Part::of));
    }

    fn join(commands: Self::Finished, outcomes: &mut PartOutcomes<'_>) -> Self::Results {
        commands.iter().map(|command| outcomes.decode(command)).collect()
    }

    fn all(results: Self::Results) -> Result<Self::Output> {
        let mut failures = BatchFailures::default();
        let values: Vec<_> = results.into_iter().filter_map(|result| failures.sift(result)).collect();
        if failures.failed == 0 { Ok(values) } else { Err(failures.into_error()) }
    }
}

impl<C: IntoCommand, const N: usize> sealed::SealedCommands for [C; N] {}

impl<C: IntoCommand, const N: usize> Commands for [C; N] {
    type Output = [C::Output; N];
    type Results = [Result<C::Output>; N];
    type Finished = [Command<C::Output>; N];

    fn finished(self) -> Self::Finished {
        self.map(IntoCommand::into_command)
    }

    fn parts<'c>(commands: &'c mut Self::Finished, parts: &mut Vec<Part<'c>>) {
        parts.extend(commands.iter_mut().map(Part::of));
    }

    fn join(commands: Self::Finished, outcomes: &mut PartOutcomes<'_>) -> Self::Results {
        commands.each_ref().map(|command| outcomes.decode(command))
    }

    fn all(results: Self::Results) -> Result<Self::Output> {
        let mut failures = BatchFailures::default();
        let values: Vec<_> = results.into_iter().filter_map(|result| failures.sift(result)).collect();
        values.try_into().map_err(|_| failures.into_error())
    }
}

macro_rules! tuples {
    ($($($command:ident $value:ident),+;)+) => {$(
        impl<$($command: IntoCommand),+> sealed::SealedCommands for ($($command,)+) {}

        impl<$($command: IntoCommand),+> Commands for ($($command,)+) {
            type Output = ($($command::Output,)+);
            type Results = ($(Result<$command::Output>,)+);
            type Finished = ($(Command<$command::Output>,)+);

            fn finished(self) -> Self::Finished {
                let ($($value,)+) = self;
                ($($value.into_command(),)+)
            }

            fn parts<'c>(commands: &'c mut Self::Finished, parts: &mut Vec<Part<'c>>) {
                let ($($value,)+) = commands;
                $(parts.push(Part::of($value));)+
            }

            fn join(commands: Self::Finished, outcomes: &mut PartOutcomes<'_>) -> Self::Results {
                let ($($value,)+) = commands;
                ($(outcomes.decode(&$value),)+)
            }

            fn all(results: Self::Results) -> Result<Self::Output> {
                let ($($value,)+) = results;
                let mut failures = BatchFailures::default();
                $(let $value = failures.sift($value);)+
                match ($($value,)+) {
                    ($(Some($value),)+) => Ok(($($value,)+)),
                    _ => Err(failures.into_error()),
                }
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
