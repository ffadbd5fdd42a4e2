//! Scripts that the library runs on the server: by their name, and whole where the server does not know that.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::LazyLock;

use crate::command::{Args, Keys, Packet, Request, reply};
use crate::connect::lane::Replies;
use crate::connect::lane::resp::Reply;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::handle::Binding;
use crate::run::run;

/// A script with the name under which a server knows it once it has run it.
pub(crate) struct Script {
    pub(crate) text: &'static str,
    digest: LazyLock<String, Box<dyn FnOnce() -> String + Send>>,
}

/// How a script is sent.
#[derive(Clone, Copy)]
enum Sent {
    /// By its name, which a server that was restarted, or has forgotten its scripts, does not know.
    ByName,
    Whole,
}

type BoxFuture<'r> = Pin<Box<dyn Future<Output = Result<Replies>> + Send + 'r>>;

/// One run of a script: its keys and what it takes besides.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) keys: Keys,
    pub(crate) args: Args,
}

impl Script {
    pub(crate) fn new(text: &'static str) -> Self {
        let digest = move || sha1_smol::Sha1::from(text).digest().to_string();
        Self { text, digest: LazyLock::new(Box::new(digest)) }
    }

    fn packet(&self, call: Call, sent: Sent) -> Packet {
        let (name, script) = match sent {
            Sent::ByName => ("EVALSHA", self.digest.as_str()),
            Sent::Whole => ("EVAL", self.text),
        };
        let mut head = Args::default();
        head.push(script.as_bytes());
        head.push_int(call.keys.count());
        Packet { args: call.args, ..Packet::new(name, call.keys).with_head(head) }
    }

    /// Runs it; a second round trip where the server does not know it.
    pub(crate) async fn run(
        &self,
        binding: &Arc<Binding>,
        call: Call,
        deadline: Deadline,
        repeatable: bool,
    ) -> Result<Reply> {
        let send = async |sent| {
            let request = Request::One(self.packet(call.clone(), sent));
            // Boxed, because whoever runs scripts is deep in futures of its own, and the compiler counts them.
            let run: BoxFuture<'_> = Box::pin(run(Arc::clone(binding), request, deadline, repeatable, None));
            run.await.and_then(reply::one)
        };
        match send(Sent::ByName).await {
            Err(error) if is_unknown(&error) => send(Sent::Whole).await,
            outcome => outcome,
        }
    }

    /// Runs it several times in one round trip, and in another one those that the server did not know it for. Each has an
    /// outcome of its own.
    pub(crate) async fn run_many(
        &self,
        binding: &Arc<Binding>,
        calls: Vec<Call>,
        deadline: Deadline,
        repeatable: bool,
    ) -> Result<Vec<Result<Reply>>> {
        // Once is enough to make a script known to those that come after it on the same connection.
        let send = async |calls: Vec<Call>, first| -> Result<Vec<Result<Reply>>> {
            let sent = std::iter::once(first).chain(std::iter::repeat(Sent::ByName));
            let packets: Vec<_> =
                calls.into_iter().zip(sent).map(|(call, sent)| self.packet(call, sent)).collect();
            if packets.is_empty() {
                return Ok(Vec::new());
            }
            let request = Request::Pipeline(packets);
            let run: BoxFuture<'_> = Box::pin(run(Arc::clone(binding), request, deadline, repeatable, None));
            Ok(reply::many(run.await?).into_iter().map(reply::checked).collect())
        };
        let mut outcomes = send(calls.clone(), Sent::ByName).await?;
        let unknown: Vec<usize> = (outcomes.iter().enumerate())
            .filter(|(_, outcome)| outcome.as_ref().is_err_and(is_unknown))
            .map(|(index, _)| index)
            .collect();
        let again = unknown.iter().filter_map(|&index| calls.get(index).cloned()).collect();
        for (index, outcome) in unknown.iter().zip(send(again, Sent::Whole).await?) {
            if let Some(place) = outcomes.get_mut(*index) {
                *place = outcome;
            }
        }
        Ok(outcomes)
    }
}

fn is_unknown(error: &Error) -> bool {
    error.code() == Some("NOSCRIPT")
}

/// Teaches an embedded server the scripts, which it can't read.
#[cfg(feature = "embedded")]
pub(crate) fn register(server: &redis_keyspace_embedded::Server) {
    crate::group::register(server);
    crate::limit::register(server);
    crate::lock::register(server);
    crate::update::register(server);
    crate::cache::lease::register(server);
}

/// The time of an embedded server as the command tells it, in microseconds since 1970.
#[cfg(feature = "embedded")]
pub(crate) fn micros(script: &mut redis_keyspace_embedded::ScriptContext<'_, '_>) -> u64 {
    use redis_keyspace_embedded::Reply;

    let number = |reply: &Reply| match reply {
        Reply::Bulk(text) => std::str::from_utf8(text).ok()?.parse::<u64>().ok(),
        _ => None,
    };
    let time = script.call(&["TIME"]);
    let Reply::Array(parts) = &time else { return 0 };
    let [seconds, micros] = parts.as_slice() else { return 0 };
    let seconds = number(seconds).unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(number(micros).unwrap_or_default())
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Script").field(&self.text).finish()
    }
}
