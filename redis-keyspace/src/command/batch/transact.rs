//! Runs a transaction.

use std::sync::Arc;
use std::time::Duration;

use super::part::{Part, PartOutcome};
use super::servers::{Binder, template_of};
use crate::client::{Binding, Observed, Redis, Subject, run_whole};
use crate::command::disabled::answer;
use crate::error::{Error, Result};
use crate::protocol::{Replies, Reply, Request, read};

/// Runs the commands of all parts as one transaction.
pub(super) async fn transact(
    redis: &Redis,
    parts: &mut [Part<'_>],
    timeout: Option<Duration>,
    observed: &Observed,
) -> Result<Vec<PartOutcome>> {
    let mut bindings: Vec<(Arc<Binding>, Subject)> = Vec::new();
    let mut packets = Vec::new();
    let mut binder = Binder::new(redis);
    for part in parts.iter_mut() {
        // All or nothing: if one command can't be sent, no command is.
        let subject = *part.subject;
        let explain = |error| subject.explain(error, None);
        bindings.push((binder.bind(part).map_err(explain)?, subject));
        let request = part.request.as_ref().map_err(|error| explain(error.clone()))?;
        packets.extend_from_slice(request.packets());
    }
    let Some((first, subject)) = bindings.first() else { return Ok(Vec::new()) };
    for (other, other_subject) in &bindings {
        if !Arc::ptr_eq(first.pool(), other.pool()) || first.namespace != other.namespace {
            let name =
                |subject: &Subject| subject.keyspace.map_or("the server itself", |keyspace| keyspace.name());
            return Err(Error::invalid_input(format!(
                "a transaction runs on one server and database, but {} and {} use different servers, databases or \
                 connection options; use `batch` if the commands need not be atomic",
                name(subject),
                name(other_subject),
            )));
        }
    }
    let binding = Arc::clone(first);
    observed.to(&binding);
    for part in parts.iter() {
        if let Ok(request) = &*part.request {
            observed.sent(part.subject, request);
        }
    }
    let outcome = |replies| PartOutcome { replies: Some(replies), instead_of: None };
    if binding.is_disabled {
        // Nothing is written, so the commands need not be atomic. Each has its own outcome.
        let answers = parts.iter().map(|part| {
            let request = part.request.as_ref().map_err(|error| error.clone())?;
            answer(part.subject, request, &binding)
        });
        return Ok(answers.map(outcome).collect());
    }
    let deadline = binding.deadline(timeout);
    let replies = if packets.is_empty() {
        Ok(Vec::new())
    } else {
        let ends_fills = read::ends_fills(&packets);
        let sent = run_whole(&binding, &Request::Atomic(packets), deadline).await;
        sent.and_then(|replies| read::executed(ends_fills, replies))
    };
    let mut results = match replies {
        Ok(results) => Ok(results.into_iter()),
        Err(error) => {
            let keyspaces: Vec<_> = bindings.iter().filter_map(|(_, subject)| subject.keyspace).collect();
            Err(error.naming_templates(&mut |key| template_of(&keyspaces, key)))
        }
    };
    let shares = parts.iter().map(|part| match (&mut results, &*part.request) {
        (Err(error), _) => Err(error.clone()),
        (_, Err(error)) => Err(error.clone()),
        (Ok(results), Ok(request)) => {
            let share: Vec<_> = results.take(request.packets().len()).collect();
            Ok(as_if_alone(request, share))
        }
    });
    Ok(shares.map(outcome).collect())
}

/// Frames the replies of a command as if it ran alone. A command with its own MULTI reads its
/// results from an EXEC reply.
fn as_if_alone(request: &Request, share: Vec<Reply>) -> Replies {
    match request {
        Request::Atomic(_) => Replies::Many(vec![Reply::Array(share)]),
        _ => Replies::Many(share),
    }
}
