//! The log of commands that connections sent.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;

use crate::sync::lock;

/// A command that a connection sent, from [`Server::command_log`](crate::Server::command_log).
///
/// ```
/// use redis_keyspace_embedded::{LoggedCommand, Server};
///
/// let server = Server::builder().log_commands(100).build();
/// let log: Vec<LoggedCommand> = server.command_log();
/// assert!(log.iter().all(|command| command.arguments[0] != "FLUSHALL"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedCommand {
    /// The connection: the number that CLIENT ID returns.
    pub connection: u64,
    /// The command's name and arguments as sent, with user and password redacted.
    pub arguments: Vec<Bytes>,
}

/// The last commands, up to a limit.
#[derive(Debug)]
pub(crate) struct CommandLog {
    commands: Mutex<VecDeque<LoggedCommand>>,
    limit: usize,
}

impl CommandLog {
    pub(crate) fn new(limit: usize) -> Self {
        Self { commands: Mutex::default(), limit }
    }

    pub(crate) fn record(&self, connection: u64, arguments: &[Bytes]) {
        if self.limit == 0 {
            return;
        }
        let mut commands = lock(&self.commands);
        if commands.len() >= self.limit {
            commands.pop_front();
        }
        commands.push_back(LoggedCommand { connection, arguments: without_passwords(arguments) });
    }

    /// Returns the commands, oldest first.
    pub(crate) fn commands(&self) -> Vec<LoggedCommand> {
        lock(&self.commands).iter().cloned().collect()
    }
}

/// Returns the arguments with user and password redacted.
fn without_passwords(arguments: &[Bytes]) -> Vec<Bytes> {
    const REDACTED: Bytes = Bytes::from_static(b"(redacted)");
    let is = |argument: Option<&Bytes>, word: &[u8]| {
        argument.is_some_and(|argument| argument.eq_ignore_ascii_case(word))
    };
    let secret_from = if is(arguments.first(), b"AUTH") {
        Some(1)
    } else if is(arguments.first(), b"HELLO") {
        arguments.iter().position(|argument| is(Some(argument), b"AUTH")).map(|auth| auth + 1)
    } else {
        None
    };
    let shown = |(index, argument): (usize, &Bytes)| match secret_from {
        Some(from) if index >= from => REDACTED,
        _ => argument.clone(),
    };
    arguments.iter().enumerate().map(shown).collect()
}
