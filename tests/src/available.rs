//! Asks the server of the handle in scope what it knows, for operations that some servers lack.

use redis_keyspace::{Error, ErrorKind, Redis};

/// Returns whether an operation can be checked: whether the server of the handle in scope knows
/// `probe`, a raw command. If it does not, the operation must have failed with an error that says
/// so; otherwise it must not. Panics if that is not the case.
///
/// A probe is the name of a command, of a subcommand, or a whole command with an option, which runs
/// and so must change nothing.
pub fn is_available<'p, T>(
    outcome: &Result<T, Error>,
    probe: &'p [&'p str],
) -> impl Future<Output = bool> + use<'p, T> {
    // The result itself need not be shared between threads.
    let error = outcome.as_ref().err().cloned();
    async move {
        let is_known = is_known(probe).await;
        let missing = error.as_ref().filter(|error| error.kind() == ErrorKind::MissingCommand);
        let answers = if is_known { "knows" } else { "does not know" };
        assert_eq!(missing.is_none(), is_known, "the server {answers} {probe:?}, but the error is {error:?}");
        if let Some(missing) = missing.map(Error::to_string) {
            assert!(missing.contains(" needs Redis ") || missing.contains(" needs Valkey "), "{missing}");
        }
        is_known
    }
}

/// Returns whether the server of the handle in scope knows a command, or all masters of a cluster
/// do.
pub async fn is_known(probe: &[&str]) -> bool {
    let mut command = redis::cmd(probe[0]);
    command.arg(&probe[1..]);
    // Without arguments, a known command reports that they are missing.
    let is_whole = probe.len() > 1;
    let ask = |mut connection| {
        let command = command.clone();
        async move {
            match command.query_async::<redis::Value>(&mut connection).await {
                Err(error) if error.code().is_some() => Ok(!is_unknown(&error.to_string(), is_whole)),
                reply => reply.map(|_| true),
            }
        }
    };
    let handle = Redis::current().expect("a handle is in scope");
    let answers = handle.raw_each(ask).await.unwrap_or_else(|error| panic!("{probe:?}: {error}"));
    answers.into_iter().all(|is_known| is_known)
}

fn is_unknown(said: &str, is_whole: bool) -> bool {
    let said = said.to_ascii_lowercase();
    said.contains("unknown command")
        || said.contains("unknown subcommand")
        || (is_whole && (said.contains("syntax error") || said.contains("wrong number of arguments")))
}
