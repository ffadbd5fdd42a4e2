//! The part that all builders of commands share.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::base::{Command, polled_already};
use crate::client::CallOptions;
use crate::error::Result;

/// The options of a command that is not finished.
pub(super) trait CommandOptions {
    /// The result of the command.
    type Output: 'static;

    fn call(&mut self) -> &mut CallOptions;
    /// Returns the finished command. The options must not be used afterwards.
    fn finish(&mut self) -> Command<Self::Output>;
}

/// A builder of a command. Its first poll turns it into the command.
#[expect(clippy::large_enum_variant, reason = "a box would be one more allocation for each write")]
pub(super) enum Deferred<B, R> {
    Building(B),
    Running(Command<R>),
}

impl<B: CommandOptions> Deferred<B, B::Output> {
    /// Returns the options, or `None` if the command was polled already. It then fails.
    pub(super) fn options(&mut self) -> Option<&mut B> {
        match self {
            Self::Building(options) => Some(options),
            Self::Running(command) => {
                command.unpolled();
                None
            }
        }
    }

    /// Returns the server and deadline options.
    pub(super) fn call(&mut self) -> &mut CallOptions {
        match self {
            Self::Building(options) => options.call(),
            Self::Running(command) => &mut command.unpolled().call,
        }
    }

    /// Changes the type of the options, and so of the result.
    pub(super) fn map<C: CommandOptions>(self, change: impl FnOnce(B) -> C) -> Deferred<C, C::Output> {
        match self {
            Self::Building(options) => Deferred::Building(change(options)),
            Self::Running(command) => {
                let subject = command.subject;
                Deferred::Running(Command::unsent(subject, Err(polled_already(subject.command))))
            }
        }
    }

    pub(super) fn into_command(self) -> Command<B::Output> {
        match self {
            Self::Building(mut options) => options.finish(),
            Self::Running(command) => command,
        }
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<B::Output>> {
        loop {
            match self {
                Self::Running(command) => return Pin::new(command).poll(context),
                Self::Building(options) => *self = Self::Running(options.finish()),
            }
        }
    }
}

/// Implements `on`, `timeout`, `IntoCommand` and `Future` for a builder whose only field is a
/// [`Deferred`].
macro_rules! command_builder {
    ($builder:ident<$($parameter:ident),+> => $output:ty $(, where $($bounds:tt)+)?) => {
        impl<$($parameter),+> $builder<$($parameter),+> $(where $($bounds)+)? {
            $crate::client::call_options! { self => self.0.call();
                /// Sets the deadline of the command. It covers waiting for a connection, connecting
                /// and the reply. The commands of a [batch](crate::Redis::batch) are sent together,
                /// so the shortest of their deadlines applies to all.
            }

            $crate::client::wait_option! { self => self.0.call() }
        }

        impl<$($parameter),+> $crate::command::IntoCommand for $builder<$($parameter),+>
        $(where $($bounds)+)?
        {
            type Output = $output;

            fn into_command(self) -> $crate::command::Command<$output> {
                self.0.into_command()
            }
        }

        // Nothing is pinned in place: the command is moved out of the builder at the first poll.
        impl<$($parameter),+> Unpin for $builder<$($parameter),+> $(where $($bounds)+)? {}

        impl<$($parameter),+> std::future::Future for $builder<$($parameter),+>
        $(where $($bounds)+)?
        {
            type Output = $crate::Result<$output>;

            fn poll(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Self::Output> {
                self.get_mut().0.poll(context)
            }
        }

        impl<$($parameter),+> std::fmt::Debug for $builder<$($parameter),+> $(where $($bounds)+)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match &self.0 {
                    $crate::command::builder::Deferred::Building(options) => {
                        std::fmt::Debug::fmt(options, f)
                    }
                    $crate::command::builder::Deferred::Running(command) => {
                        std::fmt::Debug::fmt(command, f)
                    }
                }
            }
        }
    };
}
pub(super) use command_builder;
