//! Names the types that the commands of a batch found instead of those that they need.

use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::future::join_all;

use super::part::{BatchRequests, Part, PartOutcome, target};
use crate::client::{NAMING, Redis, WrongTypeOf};
use crate::time::Deadline;

/// Asks for the types of keys whose commands failed because of them, all at the same time. The
/// results are known, so this must not take long, and its own failure changes nothing.
pub(super) async fn name_types(
    redis: &Redis,
    parts: &[Part<'_>],
    requests: &BatchRequests,
    timeout: Option<Duration>,
    outcomes: &mut [PartOutcome],
) {
    if !outcomes.iter().any(PartOutcome::has_wrong_type) {
        return;
    }
    let failed = outcomes.iter_mut().zip(parts).zip(&requests.0);
    let asked = failed.filter_map(|((outcome, part), request)| {
        if !outcome.has_wrong_type() {
            return None;
        }
        let binding = target(redis, part.call).resolve(part.subject.keyspace);
        let Ok(binding) = binding else { return None };
        let deadline = Deadline::after(binding.deadline(timeout).limit().min(NAMING));
        let (request, subject, others) = (request.clone(), *part.subject, part.call.others().to_vec());
        let wrong = WrongTypeOf { binding, request, subject, others, deadline };
        Some(async move {
            if let Some(Ok(replies)) = outcome.replies.take() {
                outcome.replies = Some(Ok(wrong.named(replies).await));
            }
        })
    });
    let asking: BoxFuture<'_, _> = Box::pin(join_all(asked.collect::<Vec<_>>()));
    asking.await;
}
