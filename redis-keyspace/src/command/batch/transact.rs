//! Runs a transaction.

use std::sync::Arc;
use std::time::Duration;

use super::part::{Part, PartOutcome, PartReplies};
use super::servers::{bind, template_of};
use crate::client::{Binding, Observed, Redis, Subject, run};
use crate::command::disabled::answer;
use crate::error::{Error, Result};
use crate::protocol::{Replies, Reply, Request, read};

/// Runs the commands of all parts as one transaction.
pub(super) async fn transact(
    redis: &Redis,
    mut parts: Vec<Part>,
    timeout: Option<Duration>,
    observed: &Arc<Observed>,
) -> Result<Vec<PartOutcome>> {
    let mut bindings: Vec<(Arc<Binding>, Subject)> = Vec::new();
    let mut packets = Vec::new();
    for part in &mut parts {
        // All or nothing: if one command can't be sent, no command is.
        let subject = part.request.subject;
        let explain = |error| subject.explain(error, None);
        bindings.push((bind(redis, part).map_err(explain)?, subject));
        let request = part.request.request.as_ref().map_err(Error::clone).map_err(explain)?;
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
    for part in &parts {
        if let Ok(request) = &part.request.request {
            observed.sent(&part.request.subject, request);
        }
    }
    if binding.is_disabled {
        // Nothing is written, so the commands need not be atomic. Each has its own outcome.
        let outcomes = parts.into_iter().map(|part| {
            let replies = (part.request.request.as_ref().map_err(Error::clone))
                .and_then(|request| answer(&part.request.subject, request, &binding))
                .map(PartReplies);
            PartOutcome { request: part.request, replies, instead_of: None, observed: Arc::clone(observed) }
        });
        return Ok(outcomes.collect());
    }
    let deadline = binding.deadline(timeout);
    let replies = if packets.is_empty() {
        Ok(Vec::new())
    } else {
        let ends_fills = read::ends_fills(&packets);
        let sent = run(binding, Request::Atomic(packets), deadline, false, None).await;
        sent.and_then(|replies| read::executed(ends_fills, replies))
    };
    let mut results = match replies {
        Ok(results) => Ok(results.into_iter()),
        Err(error) => {
            let keyspaces: Vec<_> = bindings.iter().filter_map(|(_, subject)| subject.keyspace).collect();
            Err(error.naming_templates(&mut |key| template_of(&keyspaces, key)))
        }
    };
    Ok(parts
        .into_iter()
        .map(|part| {
            let replies = match (&mut results, &part.request.request) {
                (Err(error), _) => Err(error.clone()),
                (_, Err(error)) => Err(error.clone()),
                (Ok(results), Ok(request)) => {
                    let share: Vec<_> = results.take(request.packets().len()).collect();
                    Ok(PartReplies(as_if_alone(request, share)))
                }
            };
            PartOutcome { request: part.request, replies, instead_of: None, observed: Arc::clone(observed) }
        })
        .collect())
}

/// Frames the replies of a command as if it ran alone. A command with its own MULTI reads its
/// results from an EXEC reply.
fn as_if_alone(request: &Request, share: Vec<Reply>) -> Replies {
    match request {
        Request::Atomic(_) => Replies::Many(vec![Reply::Array(share)]),
        _ => Replies::Many(share),
    }
}
