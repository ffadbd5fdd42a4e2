//! Names the types that the commands of a batch found instead of those that they need.

use futures_core::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};

use super::part::{BatchRequests, Part, PartOutcome, target};
use crate::client::{Binding, MOST_ASKED, NAMING, Redis, WrongTypeOf};
use crate::time::Deadline;

/// How many commands ask for types at the same time.
const AT_ONCE: usize = 32;

/// Asks for the types of keys whose commands failed because of them. The results are known, so this
/// must not take long, and its own failure changes nothing. For keys beyond the first
/// [`MOST_ASKED`], no types are requested. `deadline` is that of the whole operation.
pub(super) async fn name_types(
    redis: &Redis,
    parts: &[Part<'_>],
    requests: &BatchRequests,
    deadline: impl Fn(&Binding) -> Deadline,
    outcomes: &mut [PartOutcome],
) {
    if !outcomes.iter().any(PartOutcome::has_wrong_type) {
        return;
    }
    let mut keys = 0;
    let failed = outcomes.iter_mut().zip(parts).zip(&requests.0);
    let asked = failed.filter_map(|((outcome, part), request)| {
        if !outcome.has_wrong_type() {
            return None;
        }
        keys += request.requested().map(|packet| packet.keys.as_slice().len()).sum::<usize>();
        if keys > MOST_ASKED {
            return None;
        }
        let binding = target(redis, part.call).resolve(part.subject.keyspace);
        let Ok(binding) = binding else { return None };
        let deadline = deadline(&binding).at_most(NAMING);
        let (request, subject, others) = (request.clone(), *part.subject, part.call.others().to_vec());
        let wrong = WrongTypeOf { binding, request, subject, others, deadline };
        Some(async move {
            if let Some(Ok(replies)) = outcome.replies.take() {
                outcome.replies = Some(Ok(wrong.named(replies).await));
            }
        })
    });
    // Collected, because the deadlines begin now.
    let asked = stream::iter(asked.collect::<Vec<_>>());
    let asking: BoxFuture<'_, _> = Box::pin(asked.for_each_concurrent(AT_ONCE, |naming| naming));
    asking.await;
}
