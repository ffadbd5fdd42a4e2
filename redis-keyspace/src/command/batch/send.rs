//! Sends a batch, as one pipeline for each pool.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::part::{Part, PartOutcome, target};
use super::servers::{Binder, template_of};
use crate::client::{Binding, Observed, Redis, not_run, run};
use crate::command::disabled::answer;
use crate::error::Result;
use crate::protocol::{Replies, Request, read, share_of};
use crate::schema::KeyspaceMeta;

/// The commands of a batch on one pool.
struct PoolBatch {
    binding: Arc<Binding>,
    /// The places of the commands in the batch.
    indices: Vec<usize>,
    requests: Vec<Request>,
    keyspaces: Vec<&'static KeyspaceMeta>,
    repeatable: bool,
}

/// The commands of a batch that ran on one pool.
struct SentBatch {
    indices: Vec<usize>,
    requests: Vec<Request>,
    keyspaces: Vec<&'static KeyspaceMeta>,
    replies: Result<Replies>,
}

/// Runs the commands of all parts. Each has its own outcome.
pub(super) async fn send(
    redis: &Redis,
    parts: &mut [Part<'_>],
    timeout: Option<Duration>,
    observed: &Observed,
) -> Vec<PartOutcome> {
    let mut groups: Vec<PoolBatch> = Vec::new();
    let mut outcomes: Vec<PartOutcome> = Vec::with_capacity(parts.len());
    let mut binder = Binder::new(redis);
    let most = parts.len();
    for (index, part) in parts.iter_mut().enumerate() {
        let bound = binder.bind(part);
        let bound =
            bound.and_then(|binding| Ok((part.request.as_mut().map_err(|error| error.clone())?, binding)));
        let known = match bound {
            Err(error) => Some(Err(error)),
            Ok((request, binding)) if binding.is_disabled => {
                observed.to(&binding);
                Some(answer(part.subject, request, &binding))
            }
            Ok((Request::Empty, _)) => Some(Ok(Replies::Many(Vec::new()))),
            Ok((request, binding)) => {
                observed.to(&binding);
                observed.sent(part.subject, request);
                let request = std::mem::replace(request, Request::Empty);
                PoolBatch::of(&mut groups, binding, most).add(index, request, part);
                None
            }
        };
        outcomes
            .push(known.map_or_else(PartOutcome::default, |replies| PartOutcome::of(redis, part, replies)));
    }
    for SentBatch { indices, requests, keyspaces, replies } in
        join_all(groups.into_iter().map(|group| group.send(timeout))).await
    {
        let mut replies = replies.map(|replies| read::many(replies).into_iter());
        for (index, request) in indices.into_iter().zip(requests) {
            let share = match &mut replies {
                Err(error) => Err(error.clone()),
                Ok(replies) => {
                    let share = request.without_failures(share_of(&request, replies));
                    share.map_err(|error| error.naming_templates(&mut |key| template_of(&keyspaces, key)))
                }
            };
            if let (Some(part), Some(outcome)) = (parts.get_mut(index), outcomes.get_mut(index)) {
                *part.request = Ok(request);
                *outcome = PartOutcome::of(redis, part, share);
            }
        }
    }
    outcomes
}

impl PartOutcome {
    /// Returns the outcome of a command. A read may return a miss when Redis is unavailable.
    fn of(redis: &Redis, part: &Part<'_>, mut replies: Result<Replies>) -> Self {
        let mut instead_of = None;
        if let Ok(asked) = &*part.request {
            // A server that currently runs no commands counts as unavailable.
            if let Ok(answer) = &replies
                && let Some(error) = not_run(asked, answer, false)
            {
                replies = Err(error);
            }
            if let Err(error) = &replies
                && let Some(degraded) = part.subject.degraded(error, asked, &target(redis, part.call))
            {
                instead_of = Some(error.clone());
                replies = Ok(degraded);
            }
        }
        Self { replies: Some(replies), instead_of }
    }
}

impl PoolBatch {
    /// Returns the group of the pool of this binding. Creates it if it does not exist, with room
    /// for `most` commands.
    fn of(groups: &mut Vec<Self>, binding: Arc<Binding>, most: usize) -> &mut Self {
        let place = groups.iter().position(|group| {
            Arc::ptr_eq(&group.binding, &binding)
                || Arc::ptr_eq(group.binding.pool(), binding.pool())
                    && group.binding.namespace == binding.namespace
        });
        let place = place.unwrap_or(groups.len());
        if place == groups.len() {
            let (indices, requests) = (Vec::with_capacity(most), Vec::with_capacity(most));
            let keyspaces = Vec::new();
            groups.push(Self { binding, indices, requests, keyspaces, repeatable: true });
        }
        #[expect(clippy::indexing_slicing, reason = "the index was found or created right above")]
        &mut groups[place]
    }

    fn add(&mut self, index: usize, request: Request, part: &Part<'_>) {
        self.indices.push(index);
        self.requests.push(request);
        self.repeatable &= part.repeatable;
        for keyspace in part.subject.keyspace.into_iter().chain(part.call.others.iter().copied()) {
            if !self.keyspaces.last().is_some_and(|last| std::ptr::eq(*last, keyspace)) {
                self.keyspaces.push(keyspace);
            }
        }
    }

    async fn send(self, timeout: Option<Duration>) -> SentBatch {
        let Self { binding, indices, requests, keyspaces, repeatable } = self;
        let deadline = binding.deadline(timeout);
        let request = Request::Batch(requests);
        let replies = run(binding, &request, deadline, repeatable, None).await;
        let replies =
            replies.map_err(|error| error.naming_templates(&mut |key| template_of(&keyspaces, key)));
        let requests = if let Request::Batch(requests) = request { requests } else { Vec::new() };
        SentBatch { indices, requests, keyspaces, replies }
    }
}
