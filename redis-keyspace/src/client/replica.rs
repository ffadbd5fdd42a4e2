//! Runs reads on replicas.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::binding::Binding;
use super::refusals::{has_refusal, not_run};
use super::run::run;
use crate::connect::{Node, Submitted};
use crate::error::{Budget, Error, ErrorKind, Result};
use crate::protocol::{Division, Replies, Reply, Request, Units};
use crate::schema::Reads;
use crate::time::Deadline;

/// How many replicas a read tries.
const MOST_REPLICAS: usize = 3;

/// Queues a read on an open connection to a replica, without waiting. Also returns the replica.
#[inline]
pub(crate) fn submit_to_replica(
    binding: &Binding,
    request: &Request,
    deadline: Deadline,
) -> (Submitted, Option<Arc<Node>>) {
    if let Err(error) = request.check_names() {
        return (Submitted::Refused(error), None);
    }
    let pool = binding.pool();
    let slot = match pool.cluster() {
        Some(_) => match request.slot(&binding.namespace) {
            Ok(Some(slot)) => Some(slot),
            // It is divided first.
            _ => return (Submitted::NoLane, None),
        },
        None => None,
    };
    match pool.replica(slot) {
        Some(node) => (node.submit(request, &binding.namespace, deadline), Some(node)),
        None => (Submitted::NoLane, None),
    }
}

/// Whether the replies of a replica are the result of the read. An old replica of a cluster answers
/// that a key does not exist if the key was moved to another node, so only the master can say so.
/// Commands whose replies do not show it use the master of a cluster anyway.
pub(crate) fn is_final(binding: &Binding, request: &Request, replies: &Replies) -> bool {
    let is_cluster = binding.pool().cluster().is_some();
    let is_miss = is_cluster && is_miss(request, replies);
    !is_miss && !has_refusal(replies) && !replies.as_slice().iter().any(is_denied)
}

/// Whether a server rejects a command because of its user. Users are not replicated.
fn is_denied(reply: &Reply) -> bool {
    let codes = ["NOPERM", "NOAUTH"];
    matches!(reply, Reply::Error(said) if codes.iter().any(|code| said.starts_with(code)))
}

/// Whether the replies say that a key does not exist.
fn is_miss(request: &Request, replies: &Replies) -> bool {
    let reads = |name| request.packets().iter().any(|packet| packet.name == name);
    let says_missing = |reply: &Reply| match reply {
        Reply::Bulk(part) => part.is_empty() && reads("GETRANGE"),
        Reply::Int(-1) => reads("BITPOS"),
        reply => says_missing(reply),
    };
    replies.as_slice().iter().any(says_missing)
}

/// Whether a reply to most reads says that a key does not exist: nil, nothing, a count of 0, a TTL
/// of -2, or an error. A rank of 0 looks alike, so the master confirms it, too.
fn says_missing(reply: &Reply) -> bool {
    match reply {
        Reply::Nil | Reply::Int(0 | -2) => true,
        Reply::Error(said) => said.starts_with("ERR no such key"),
        Reply::Array(items) | Reply::Map(items) => items.is_empty() || items.iter().any(says_missing),
        _ => false,
    }
}

/// Runs a read on replicas within its deadline, and on the master if the replicas fail and the
/// declaration permits it. With `by_master_of_cluster`, uses only the master if the server turns
/// out to be a cluster.
pub(crate) async fn run_on_replica(
    binding: Arc<Binding>,
    request: Request,
    deadline: Deadline,
    reads: Reads,
    by_master_of_cluster: bool,
) -> Result<Replies> {
    request.check_names()?;
    if reads == Reads::Replica && !binding.pool().has_connected() {
        // Only then it is known whether the server is a node of a cluster, whose replicas answer.
        deadline.bound(Budget::Connect, binding.pool().connect()).await??;
    }
    let pool = binding.pool();
    if !pool.has_replicas() || (by_master_of_cluster && pool.cluster().is_some()) {
        return run(binding, request, deadline, true, None).await;
    }
    if binding.pool().cluster().is_none() {
        return read(&binding, Cow::Owned(request), None, deadline, reads).await;
    }
    let units = Units::of(&request, &binding.namespace, Division::BySlot);
    let reading = units.units.iter().map(|unit| {
        let request = Cow::Borrowed(&unit.request);
        read(&binding, request, unit.slot, deadline, reads)
    });
    let outcomes = join_all(reading).await;
    request.without_failures(units.join(outcomes))
}

async fn read(
    binding: &Arc<Binding>,
    request: Cow<'_, Request>,
    slot: Option<u16>,
    deadline: Deadline,
    reads: Reads,
) -> Result<Replies> {
    let pool = binding.pool();
    let mut failure = None;
    let only_replicas = reads == Reads::Replica;
    if only_replicas && pool.replica(slot).is_none() {
        pool.replicas_ready(slot, deadline).await;
    }
    for _ in 0..MOST_REPLICAS {
        let Some(node) = pool.replica(slot) else { break };
        if binding.closed.is_set() {
            return Err(Error::closed());
        }
        // A silent replica must leave time for another one, or for the master.
        let part = Deadline::after(deadline.at().saturating_duration_since(Instant::now()) / 2);
        let running = node.run(&request, &binding.namespace, part, &binding.closed, None);
        match binding.watch(part).bound(running).await {
            Ok((replies, _)) if is_final(binding, &request, &replies) => return Ok(replies),
            Ok((replies, _)) => match not_run(&request, &replies, true) {
                // It is a miss, or the replica does not permit the read.
                None if only_replicas && replies.as_slice().iter().any(is_denied) => return Ok(replies),
                None => return run(Arc::clone(binding), &*request, deadline, true, None).await,
                // Replicas of newer Valkey versions do not answer that a moved key is missing, but
                // that another node may have it. The master knows.
                Some(error) if error.code() == Some("ASK") => {
                    return run(Arc::clone(binding), &*request, deadline, true, None).await;
                }
                Some(error) => {
                    if let Some(cluster) = pool.cluster() {
                        cluster.after(&error, None);
                    }
                    failure = Some(error);
                }
            },
            // It is only busy, and another one may not be.
            Err(error) if error.kind() == ErrorKind::PoolBusy => {
                failure = Some(error);
                continue;
            }
            Err(error) => failure = Some(error),
        }
        // The next check decides whether it is used again.
        node.distrust();
    }
    if !only_replicas {
        return run(Arc::clone(binding), &*request, deadline, true, None).await;
    }
    let message = format!("no replica of {} is in sync", pool.settings.endpoint);
    Err(match failure {
        Some(failure) if failure.kind() == ErrorKind::PoolBusy => failure,
        Some(failure) => {
            Error::new(ErrorKind::Unavailable, format!("{message}; the last failure: {failure}"))
        }
        None => Error::new(ErrorKind::Unavailable, message),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Keys, Packet};

    #[test]
    fn a_reply_says_that_a_key_is_missing() {
        let bulk = || Reply::Bulk("0".to_owned().into());
        let some = || Reply::Array(vec![bulk(), Reply::Nil]);
        let nothing = [Reply::Array(vec![]), Reply::Map(vec![])];
        for missing in [Reply::Nil, Reply::Int(0), Reply::Int(-2), some()].into_iter().chain(nothing) {
            assert!(says_missing(&missing), "{missing:?}");
        }
        assert!(says_missing(&Reply::Error("ERR no such key".to_owned())));
        for present in [bulk(), Reply::Int(1), Reply::Int(-1), Reply::Array(vec![bulk()])] {
            assert!(!says_missing(&present), "{present:?}");
        }
    }

    #[test]
    fn a_part_and_a_position_say_that_a_key_is_missing() {
        let request = |name| Request::One(Packet::new(name, Keys::None));
        let empty = || Replies::One(Reply::Bulk(String::new().into()));
        let none = || Replies::One(Reply::Int(-1));
        assert!(is_miss(&request("GETRANGE"), &empty()) && is_miss(&request("BITPOS"), &none()));
        assert!(!is_miss(&request("GET"), &empty()), "a value may be empty");
        assert!(!is_miss(&request("PTTL"), &none()), "it has no TTL");
    }
}
