//! Sends a batch, as one pipeline for each pool.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::part::{Part, PartOutcome, PartReplies, PartRequest};
use super::servers::{bind, target, template_of};
use crate::client::{Binding, Observed, Redis, not_run, run};
use crate::command::disabled::answer;
use crate::error::{Error, Result};
use crate::protocol::{Replies, Request, read};
use crate::schema::KeyspaceMeta;

/// The replies to each command of a group, by its index in the batch.
type Answers = Vec<(usize, Result<Replies>)>;

/// The commands of a batch on one pool.
struct PoolBatch {
    binding: Arc<Binding>,
    indices: Vec<usize>,
    requests: Vec<Request>,
    keyspaces: Vec<&'static KeyspaceMeta>,
    repeatable: bool,
}

/// Runs the commands of all parts. Each has its own outcome.
pub(super) async fn send(
    redis: &Redis,
    mut parts: Vec<Part>,
    timeout: Option<Duration>,
    observed: &Arc<Observed>,
) -> Vec<PartOutcome> {
    let mut groups: Vec<PoolBatch> = Vec::new();
    let mut answers: Vec<Option<Result<PartReplies>>> = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter_mut().enumerate() {
        let bound = bind(redis, part);
        let bound =
            bound.and_then(|binding| Ok((part.request.request.as_ref().map_err(Error::clone)?, binding)));
        answers.push(match bound {
            Err(error) => Some(Err(error)),
            Ok((request, binding)) if binding.is_disabled => {
                observed.to(&binding);
                Some(answer(&part.request.subject, request, &binding).map(PartReplies))
            }
            Ok((Request::Empty, _)) => Some(Ok(PartReplies(Replies::Many(Vec::new())))),
            Ok((request, binding)) => {
                observed.to(&binding);
                observed.sent(&part.request.subject, request);
                PoolBatch::of(&mut groups, binding).add(index, request.clone(), &part.request);
                None
            }
        });
    }
    for (index, replies) in
        join_all(groups.into_iter().map(|group| group.send(timeout))).await.into_iter().flatten()
    {
        if let Some(answer) = answers.get_mut(index) {
            *answer = Some(replies.map(PartReplies));
        }
    }
    let unanswered = || Err(Error::protocol("a command of the batch has no reply"));
    (parts.into_iter().zip(answers))
        .map(|(part, answer)| {
            let Part { request, call } = part;
            let (mut replies, mut instead_of) = (answer.unwrap_or_else(unanswered), None);
            // A server that currently runs no commands counts as unavailable.
            if let (Ok(PartReplies(answer)), Ok(asked)) = (&replies, &request.request)
                && let Some(error) = not_run(asked, answer, false)
            {
                replies = Err(error);
            }
            if let (Err(error), Ok(asked)) = (&replies, &request.request)
                && let Some(degraded) = request.subject.degraded(error, asked, &target(redis, call))
            {
                instead_of = Some(error.clone());
                replies = Ok(PartReplies(degraded));
            }
            PartOutcome { request, replies, instead_of, observed: Arc::clone(observed) }
        })
        .collect()
}

impl PoolBatch {
    /// Returns the group of the pool of this binding. Creates it if it does not exist.
    fn of(groups: &mut Vec<Self>, binding: Arc<Binding>) -> &mut Self {
        let place = groups.iter().position(|group| {
            Arc::ptr_eq(group.binding.pool(), binding.pool()) && group.binding.namespace == binding.namespace
        });
        let place = place.unwrap_or(groups.len());
        if place == groups.len() {
            let (indices, requests, keyspaces) = (Vec::new(), Vec::new(), Vec::new());
            groups.push(Self { binding, indices, requests, keyspaces, repeatable: true });
        }
        #[expect(clippy::indexing_slicing, reason = "the index was found or created right above")]
        &mut groups[place]
    }

    fn add(&mut self, index: usize, request: Request, part: &PartRequest) {
        self.indices.push(index);
        self.requests.push(request);
        self.keyspaces.extend(part.subject.keyspace);
        self.repeatable &= part.repeatable;
    }

    /// Sends the group and splits the replies by command.
    async fn send(self, timeout: Option<Duration>) -> Answers {
        let Self { binding, indices, requests, keyspaces, repeatable } = self;
        let shares: Vec<_> = requests.iter().map(Request::replies).collect();
        let deadline = binding.deadline(timeout);
        match run(binding, Request::Batch(requests), deadline, repeatable, None).await {
            Err(error) => {
                let error = error.naming_templates(&mut |key| template_of(&keyspaces, key));
                indices.into_iter().map(|index| (index, Err(error.clone()))).collect()
            }
            Ok(replies) => {
                let mut replies = read::many(replies).into_iter();
                let mut share_of = |share| match share {
                    1 => replies.next().map_or_else(|| Replies::Many(Vec::new()), Replies::One),
                    share => Replies::Many(replies.by_ref().take(share).collect()),
                };
                indices.into_iter().zip(shares).map(|(index, share)| (index, Ok(share_of(share)))).collect()
            }
        }
    }
}
