//! Tracks the state of a lent connection by its requests and replies.

use redis::{Cmd, Pipeline, RedisResult, Value};

/// The state of a connection after the requests so far.
///
/// A `WATCH` or `MULTI` counts as ended only when a reply proves it. A connection that is not
/// proven clean is closed.
#[derive(Debug, Default)]
pub(super) struct RawSession {
    /// A request has no reply yet. It is in flight, or its future was dropped, possibly before it
    /// was sent.
    unanswered: bool,
    /// The outcome of a request is unknown, and will never be known.
    doubtful: bool,
    watching: bool,
    queueing: bool,
    /// The server may treat this connection differently from a new one.
    changed: bool,
    /// The server reported that it is a replica. Its name resolves to another server now, or will
    /// soon.
    demoted: bool,
}

impl RawSession {
    /// Whether the connection is in the state of a new one.
    pub(super) fn is_clean(&self) -> bool {
        let Self { unanswered, doubtful, watching, queueing, changed, demoted } = *self;
        !(unanswered || doubtful || watching || queueing || changed || demoted)
    }

    /// Records a request when it is created, before its future is polled.
    pub(super) fn begin(&mut self, command: &Cmd) {
        self.begin_request();
        self.note(command);
    }

    /// Like [`begin`](Self::begin), for a pipeline for which the driver reads `expected` replies.
    pub(super) fn begin_pipeline(&mut self, pipeline: &Pipeline, expected: Option<usize>) {
        self.begin_request();
        pipeline.cmd_iter().for_each(|command| self.note(command));
        // Unread replies would answer the next request.
        self.doubtful |= expected != Some(sent(pipeline));
    }

    fn begin_request(&mut self) {
        self.doubtful |= self.unanswered;
        self.unanswered = true;
    }

    fn note(&mut self, command: &Cmd) {
        self.changed |= changes_connection(command);
        // The driver does not wait for the reply, which would answer the next request.
        self.doubtful |= command.is_no_response();
    }

    /// Records the reply to the last request.
    pub(super) fn answered(&mut self, command: &Cmd, reply: &RedisResult<Value>) {
        self.unanswered = false;
        match reply {
            Ok(reply) => self.apply(&name(command), Some(reply)),
            Err(error) => self.failed(error),
        }
    }

    /// Records the replies to the last pipeline. The driver skipped the first `offset` of them.
    pub(super) fn answered_pipeline(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        replies: &RedisResult<Vec<Value>>,
    ) {
        self.unanswered = false;
        let replies = match replies {
            Ok(replies) => replies,
            Err(error) => return self.failed(error),
        };
        self.doubtful |= offset.checked_add(replies.len()) != Some(sent(pipeline));
        let is_transaction = pipeline.is_transaction();
        let before = is_transaction.then(|| b"MULTI".to_vec());
        let after = is_transaction.then(|| b"EXEC".to_vec());
        let names = before.into_iter().chain(pipeline.cmd_iter().map(name)).chain(after);
        for (nth, name) in names.enumerate() {
            self.apply(&name, nth.checked_sub(offset).and_then(|nth| replies.get(nth)));
        }
    }

    /// Records an error in place of a reply. The driver returns one when the connection is lost, or
    /// for an aborted transaction, whose replies it does not return.
    fn failed(&mut self, error: &redis::RedisError) {
        self.doubtful = true;
        self.demoted |= error.code() == Some("READONLY");
    }

    /// Updates the state by a command and its reply, which is `None` if the driver skipped it.
    fn apply(&mut self, name: &[u8], reply: Option<&Value>) {
        self.demoted |= reply.and_then(error_code) == Some("READONLY");
        match (name, reply) {
            (b"WATCH", _) => self.watching = true,
            (b"MULTI", _) => self.queueing = true,
            // In a transaction, the reply is QUEUED.
            (b"UNWATCH", Some(Value::Okay)) => self.watching = false,
            (b"DISCARD", Some(Value::Okay)) | (b"EXEC", Some(Value::Array(_) | Value::Nil)) => {
                (self.watching, self.queueing) = (false, false);
            }
            // Among all errors, only this one ends the transaction.
            (b"EXEC", Some(reply)) if error_code(reply) == Some("EXECABORT") => {
                (self.watching, self.queueing) = (false, false);
            }
            _ => {}
        }
    }
}

/// Returns how many commands the driver sends for a pipeline. Each has one reply.
fn sent(pipeline: &Pipeline) -> usize {
    pipeline.len() + if pipeline.is_transaction() { 2 } else { 0 }
}

fn error_code(reply: &Value) -> Option<&str> {
    if let Value::ServerError(error) = reply { Some(error.code()) } else { None }
}

fn argument(command: &Cmd, nth: usize) -> Vec<u8> {
    match command.args_iter().nth(nth) {
        Some(redis::Arg::Simple(argument)) => argument.to_ascii_uppercase(),
        _ => Vec::new(),
    }
}

fn name(command: &Cmd) -> Vec<u8> {
    argument(command, 0)
}

/// Whether a command can change how the server or the driver handles later commands on this
/// connection. `WATCH` and `MULTI` are tracked separately.
fn changes_connection(command: &Cmd) -> bool {
    match name(command).as_slice() {
        b"SELECT" | b"AUTH" | b"HELLO" | b"CLIENT" | b"RESET" | b"QUIT" | b"MONITOR" | b"SYNC" | b"PSYNC"
        | b"REPLCONF" | b"READONLY" | b"READWRITE" | b"ASKING" | b"DEBUG" | b"SUBSCRIBE" | b"PSUBSCRIBE"
        | b"SSUBSCRIBE" | b"UNSUBSCRIBE" | b"PUNSUBSCRIBE" | b"SUNSUBSCRIBE" => true,
        // `SCRIPT DEBUG`, and subcommands of later servers.
        b"SCRIPT" => !matches!(argument(command, 1).as_slice(), b"LOAD" | b"EXISTS" | b"FLUSH" | b"KILL"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use redis::{Cmd, cmd, pipe};

    use super::*;

    fn error(text: &str) -> Value {
        redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap()
    }

    fn queued() -> Value {
        Value::SimpleString("QUEUED".into())
    }

    fn command(text: &str) -> Cmd {
        let mut command = Cmd::new();
        text.split(' ').for_each(|argument| {
            command.arg(argument);
        });
        command
    }

    fn after(steps: &[(&str, Value)]) -> RawSession {
        let mut session = RawSession::default();
        for (text, reply) in steps {
            let command = command(text);
            session.begin(&command);
            assert!(!session.is_clean(), "in flight");
            session.answered(&command, &Ok(reply.clone()));
        }
        session
    }

    #[test]
    fn only_a_reply_that_proves_it_ends_a_watch_or_multi() {
        let ok = || Value::Okay;
        let results = || Value::Array(vec![Value::Okay]);
        let cases: &[(&[(&str, Value)], bool)] = &[
            (&[("GET k", Value::Nil)], true),
            (&[("SET k v", error("WRONGTYPE no"))], true),
            (&[("WATCH k", ok())], false),
            (&[("watch k", ok()), ("uNwAtCh", ok())], true),
            (&[("WATCH k", ok()), ("DISCARD", error("ERR DISCARD without MULTI"))], false),
            (&[("WATCH k", ok()), ("EXEC", error("ERR EXEC without MULTI"))], false),
            (&[("WATCH k", ok()), ("UNWATCH", error("NOPERM no permission"))], false),
            (&[("MULTI", ok())], false),
            (&[("MULTI", ok()), ("DISCARD", ok())], true),
            (&[("MULTI", ok()), ("DISCARD", error("NOPERM no permission"))], false),
            (&[("MULTI", ok()), ("SET k v", queued()), ("EXEC", results())], true),
            (&[("WATCH k", ok()), ("MULTI", ok()), ("SET k v", queued()), ("EXEC", Value::Nil)], true),
            (&[("MULTI", ok()), ("EXEC", error("EXECABORT Transaction discarded"))], true),
            (&[("MULTI", ok()), ("EXEC", error("LOADING not yet"))], false),
            (&[("MULTI", ok()), ("EXEC", queued())], false),
            (&[("WATCH k", ok()), ("MULTI", ok()), ("UNWATCH", queued())], false),
            (&[("WATCH k", ok()), ("MULTI", ok()), ("UNWATCH", queued()), ("EXEC", results())], true),
            (&[("MULTI", error("ERR MULTI calls can not be nested"))], false),
            (&[("WATCH k", ok()), ("RESET", Value::SimpleString("RESET".into()))], false),
            (&[("SET k v", error("READONLY You can't write against a read only replica."))], false),
            (&[("SCRIPT LOAD x", ok()), ("script exists x", ok())], true),
            (&[("SCRIPT DEBUG YES", ok())], false),
            (&[("script debug sync", error("ERR no"))], false),
            (&[("SELECT 0", ok())], false),
            (&[("auth default secret", ok())], false),
            (&[("HELLO 3", ok())], false),
            (&[("CLIENT REPLY ON", ok())], false),
            (&[("CLIENT TRACKING ON", ok())], false),
            (&[("client no-evict on", ok())], false),
            (&[("MONITOR", ok())], false),
            (&[("SUBSCRIBE news", ok())], false),
            (&[("PSUBSCRIBE *", ok())], false),
            (&[("SSUBSCRIBE news", ok())], false),
            (&[("UNSUBSCRIBE", ok())], false),
        ];
        for (steps, is_clean) in cases {
            let session = after(steps);
            assert_eq!(session.is_clean(), *is_clean, "{steps:?}: {session:?}");
        }
    }

    #[test]
    fn a_request_without_a_known_outcome_is_never_forgotten() {
        let (ping, pong) = (cmd("PING"), Ok(Value::SimpleString("PONG".into())));
        // A request that was dropped before or after its first poll, followed by one that is
        // answered.
        let mut session = RawSession::default();
        session.begin(&ping);
        session.begin(&ping);
        session.answered(&ping, &pong);
        assert!(!session.is_clean());
        // A request that failed without a reply.
        let mut session = RawSession::default();
        session.begin(&ping);
        session.answered(&ping, &Err(redis::RedisError::from(std::io::Error::other("lost"))));
        session.begin(&ping);
        session.answered(&ping, &pong);
        assert!(!session.is_clean());
        // A command whose reply the driver does not wait for.
        let mut silent = cmd("SET");
        silent.arg("k").arg("v").set_no_response(true);
        let mut session = RawSession::default();
        session.begin(&silent);
        session.answered(&silent, &Ok(Value::Nil));
        assert!(!session.is_clean());
    }

    fn pipelined(pipeline: &Pipeline, offset: usize, replies: Vec<Value>) -> bool {
        let mut session = RawSession::default();
        session.begin_pipeline(pipeline, offset.checked_add(replies.len()));
        session.answered_pipeline(pipeline, offset, &Ok(replies));
        session.is_clean()
    }

    #[test]
    fn pipelines() {
        let ok = || Value::Okay;
        let results = || Value::Array(vec![Value::Okay]);
        let of = |texts: &[&str]| {
            let mut pipeline = pipe();
            texts.iter().for_each(|text| {
                pipeline.add_command(command(text));
            });
            pipeline
        };
        let plain = of(&["WATCH k", "MULTI", "SET k v", "EXEC"]);
        assert!(pipelined(&plain, 0, vec![ok(), ok(), queued(), results()]));
        assert!(pipelined(&plain, 3, vec![Value::Nil]));
        assert!(!pipelined(&plain, 0, vec![ok(), error("ERR no"), ok(), error("ERR EXEC without MULTI")]));
        // Replies that the driver leaves unread would answer the next request.
        assert!(!pipelined(&of(&["GET a", "GET b"]), 0, vec![Value::Nil]));
        assert!(!pipelined(&of(&["GET a"]), 0, vec![Value::Nil, Value::Nil]));
        // The order of the commands matters.
        assert!(!pipelined(&of(&["UNWATCH", "WATCH k"]), 0, vec![ok(), ok()]));
        assert!(pipelined(&of(&["WATCH k", "UNWATCH"]), 0, vec![ok(), ok()]));
        assert!(!pipelined(&of(&["WATCH k", "UNWATCH", "GET k"]), 2, vec![Value::Nil]));

        let mut atomic = of(&["SET k v"]);
        atomic.atomic();
        assert!(pipelined(&atomic, 2, vec![results()]));
        assert!(pipelined(&atomic, 2, vec![Value::Nil]));
        assert!(!pipelined(&atomic, 2, vec![error("LOADING not yet")]));
        assert!(!pipelined(&atomic, 0, vec![results()]));
        let mut atomic = of(&["DISCARD", "SELECT 3"]);
        atomic.atomic();
        assert!(!pipelined(&atomic, 3, vec![results()]));
        let mut session = RawSession::default();
        session.begin_pipeline(&atomic, Some(4));
        session.answered_pipeline(
            &atomic,
            3,
            &Err(redis::RedisError::from(std::io::Error::other("aborted"))),
        );
        assert!(!session.is_clean());
    }
}
