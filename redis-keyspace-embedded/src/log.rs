//! The log of the commands that connections sent.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;

use crate::sync::lock;

/// A command that a connection sent. [`Server::command_log`](crate::Server::command_log) returns
/// it.
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
    /// The name and arguments of the command as sent, with user and password redacted.
    pub arguments: Vec<Bytes>,
}

/// The maximum total size of the logged commands, whose arguments may be large values.
const MOST_BYTES: usize = 64 << 20;
/// About the memory that a command, and each argument in addition to its bytes, takes.
const OVERHEAD: usize = 64;

/// The last commands, up to a limit.
#[derive(Debug)]
pub(crate) struct CommandLog {
    state: Mutex<LogState>,
    limit: usize,
}

#[derive(Debug, Default)]
struct LogState {
    commands: VecDeque<LoggedCommand>,
    bytes: usize,
}

impl LoggedCommand {
    fn bytes(&self) -> usize {
        self.arguments.iter().map(|argument| argument.len().saturating_add(OVERHEAD)).sum::<usize>()
            + OVERHEAD
    }
}

impl CommandLog {
    pub(crate) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), limit }
    }

    pub(crate) fn record(&self, connection: u64, arguments: &[Bytes]) {
        if self.limit == 0 {
            return;
        }
        let command = LoggedCommand { connection, arguments: without_passwords(arguments) };
        let mut state = lock(&self.state);
        state.bytes = state.bytes.saturating_add(command.bytes());
        state.commands.push_back(command);
        // The last command always stays, even if it is too long.
        while state.commands.len() > self.limit || (state.bytes > MOST_BYTES && state.commands.len() > 1) {
            let oldest = state.commands.pop_front().map_or(0, |oldest| oldest.bytes());
            state.bytes = state.bytes.saturating_sub(oldest);
        }
    }

    /// Returns the commands, oldest first.
    pub(crate) fn commands(&self) -> Vec<LoggedCommand> {
        lock(&self.state).commands.iter().cloned().collect()
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
        // A copy: a slice of a request would keep the whole read buffer alive.
        _ => Bytes::copy_from_slice(argument),
    };
    arguments.iter().enumerate().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_in_commands_and_in_bytes() {
        let log = CommandLog::new(100);
        for n in 0..1000_u64 {
            log.record(n, &[Bytes::from_static(b"PING")]);
        }
        let connections: Vec<_> = log.commands().iter().map(|command| command.connection).collect();
        assert_eq!(connections, (900..1000).collect::<Vec<_>>());
        let long = Bytes::from(vec![0; MOST_BYTES / 4]);
        for n in 0..10 {
            log.record(n, std::slice::from_ref(&long));
        }
        assert_eq!(log.commands().len(), 3);
        let many = vec![Bytes::new(); MOST_BYTES / OVERHEAD / 4];
        for n in 0..10 {
            log.record(n, &many);
        }
        assert_eq!(log.commands().len(), 3);
        log.record(0, &[Bytes::from(vec![0; MOST_BYTES + 1])]);
        assert_eq!(log.commands().len(), 1);
    }

    #[test]
    fn the_log_does_not_keep_the_memory_of_requests() {
        let log = CommandLog::new(100);
        let request = Bytes::from(vec![b'x'; 1_000]);
        log.record(1, &[request.slice(0..4), request.slice(5..9)]);
        assert_eq!(log.commands().len(), 1);
        assert!(request.is_unique());
    }
}
