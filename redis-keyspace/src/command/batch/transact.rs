//! Runs a transaction.

use std::sync::Arc;
use std::time::Duration;

use super::part::{BatchRequests, Part, PartOutcome};
use super::servers::{Binder, template_of};
use crate::client::{Binding, Observed, Redis, Subject, explain_missing_in, run_whole};
use crate::command::disabled::answer;
use crate::error::{Error, Result};
use crate::protocol::{Packet, Replies, Reply, Request, read};
use crate::schema::KeyspaceMeta;

/// The commands of a transaction, and where it runs.
pub(super) struct Gathered {
    pub(super) binding: Arc<Binding>,
    pub(super) packets: Vec<Packet>,
    /// The keyspaces of its keys.
    keyspaces: Vec<&'static KeyspaceMeta>,
}

/// Collects the commands of a transaction. `None` if it is empty. All or nothing: if one command
/// can't be sent, no command is.
pub(super) fn gather(
    redis: &Redis,
    parts: &[Part<'_>],
    requests: &mut BatchRequests,
) -> Result<Option<Gathered>> {
    let mut bindings: Vec<(Arc<Binding>, Subject)> = Vec::new();
    let mut packets = Vec::new();
    let mut binder = Binder::new(redis);
    for (part, request) in parts.iter().zip(&mut requests.0) {
        let subject = *part.subject;
        let binding = binder.bind(part, request).map_err(|error| subject.explain(error, None))?;
        bindings.push((binding, subject));
        packets.extend_from_slice(request.packets());
    }
    let Some((first, subject)) = bindings.first() else { return Ok(None) };
    for (other, other_subject) in &bindings {
        if !Arc::ptr_eq(first.pool(), other.pool()) || first.namespace != other.namespace {
            return Err(elsewhere(subject.keyspace, other_subject.keyspace));
        }
    }
    let own = bindings.iter().filter_map(|(_, subject)| subject.keyspace);
    let others = parts.iter().flat_map(|part| part.call.others().iter().copied());
    let keyspaces = own.chain(others).collect();
    Ok(Some(Gathered { binding: Arc::clone(first), packets, keyspaces }))
}

/// The error of a transaction whose commands belong to different places.
pub(super) fn elsewhere(one: Option<&'static KeyspaceMeta>, other: Option<&'static KeyspaceMeta>) -> Error {
    let name = |keyspace: Option<&'static KeyspaceMeta>| {
        keyspace.map_or("the server itself", |keyspace| keyspace.name())
    };
    Error::invalid_input(format!(
        "a transaction runs on one server and database, but {} and {} use different servers, databases or \
         connection options; use `batch` if the commands need not be atomic",
        name(one),
        name(other),
    ))
}

impl Gathered {
    /// Adds the templates of the keys to an error.
    pub(super) fn naming_templates(&self, error: Error) -> Error {
        error.naming_templates(&mut |key| template_of(&self.keyspaces, key))
    }

    /// Returns the outcome of each command, from the replies to the transaction.
    pub(super) fn outcomes(&self, requests: &BatchRequests, replies: Result<Replies>) -> Vec<PartOutcome> {
        let replies = replies.and_then(|replies| read::executed(read::ends_fills(&self.packets), replies));
        let mut results = match replies {
            Ok(results) => Ok(results.into_iter()),
            Err(error) => {
                let error = explain_missing_in(error, &self.packets, &self.binding);
                Err(self.naming_templates(error))
            }
        };
        let shares = requests.0.iter().map(|request| match &mut results {
            Err(error) => Err(error.clone()),
            Ok(results) => {
                let share: Vec<_> = results.take(request.packets().len()).collect();
                Ok(as_if_alone(request, share))
            }
        });
        shares.map(outcome).collect()
    }
}

fn outcome(replies: Result<Replies>) -> PartOutcome {
    PartOutcome { replies: Some(replies), instead_of: None }
}

/// Runs the commands of all parts as one transaction.
pub(super) async fn transact(
    redis: &Redis,
    parts: &[Part<'_>],
    requests: &mut BatchRequests,
    timeout: Option<Duration>,
    observed: &Observed,
) -> Result<Vec<PartOutcome>> {
    let Some(mut gathered) = gather(redis, parts, requests)? else { return Ok(Vec::new()) };
    let binding = Arc::clone(&gathered.binding);
    observed.to(&binding);
    for (part, request) in parts.iter().zip(&requests.0) {
        observed.sent(part.subject, request);
    }
    if binding.is_disabled {
        // Nothing is written, so the commands need not be atomic. Each has its own outcome.
        let parts = parts.iter().zip(&requests.0);
        let answers = parts.map(|(part, request)| answer(part.subject, request, &binding));
        return Ok(answers.map(outcome).collect());
    }
    let deadline = binding.deadline(timeout);
    let replies = if gathered.packets.is_empty() {
        Ok(Replies::Many(vec![Reply::Array(Vec::new())]))
    } else {
        let request = Request::Atomic(std::mem::take(&mut gathered.packets));
        let replies = run_whole(&binding, &request, deadline).await;
        if let Request::Atomic(packets) = request {
            gathered.packets = packets;
        }
        replies
    };
    Ok(gathered.outcomes(requests, replies))
}

/// Frames the replies of a command as if it ran alone. A command with its own MULTI reads its
/// results from an EXEC reply.
fn as_if_alone(request: &Request, share: Vec<Reply>) -> Replies {
    match request {
        Request::Atomic(_) => Replies::Many(vec![Reply::Array(share)]),
        _ => Replies::Many(share),
    }
}
