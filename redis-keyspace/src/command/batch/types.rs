//! Names the types that the commands of a batch found instead of those that they need.

use std::time::Duration;

use futures_util::future::join_all;

use super::part::{BatchRequests, Part, PartOutcome, target};
use crate::client::{NAMING, Redis, naming_types};
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
    let failed = outcomes.iter_mut().zip(parts).zip(&requests.0);
    let asked = failed.filter_map(|((outcome, part), request)| {
        if !outcome.has_wrong_type() {
            return None;
        }
        let binding = target(redis, part.call).resolve(part.subject.keyspace);
        let (Some(template), Ok(binding)) = (part.subject.template, binding) else { return None };
        let deadline = Deadline::after(binding.deadline(timeout).limit().min(NAMING));
        Some(async move {
            if let Some(Ok(replies)) = outcome.replies.take() {
                let named = naming_types(binding, request.clone(), template, deadline, replies).await;
                outcome.replies = Some(Ok(named));
            }
        })
    });
    join_all(asked.collect::<Vec<_>>()).await;
}
