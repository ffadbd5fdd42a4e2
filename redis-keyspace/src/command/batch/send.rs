//! Sends a batch, as one pipeline for each pool.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::part::{BatchRequests, Part, PartOutcome, target};
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
    parts: &[Part<'_>],
    requests: &mut BatchRequests,
    timeout: Option<Duration>,
    observed: &Observed,
) -> Vec<PartOutcome> {
    let mut groups: Vec<PoolBatch> = Vec::new();
    let mut outcomes: Vec<PartOutcome> = Vec::with_capacity(parts.len());
    let mut binder = Binder::new(redis);
    for (index, (part, request)) in parts.iter().zip(&mut requests.0).enumerate() {
        let known = match binder.bind(part, request) {
            Err(error) => Some(Err(error)),
            Ok(binding) if binding.is_disabled => {
                observed.to(&binding);
                Some(answer(part.subject, request, &binding))
            }
            Ok(_) if matches!(request, Request::Empty) => Some(Ok(Replies::Many(Vec::new()))),
            Ok(binding) => {
                observed.to(&binding);
                observed.sent(part.subject, request);
                PoolBatch::of(&mut groups, binding, parts.len()).add(index, part);
                None
            }
        };
        outcomes.push(
            known.map_or_else(PartOutcome::default, |replies| PartOutcome::of(redis, part, request, replies)),
        );
    }
    let sending = groups.into_iter().map(|group| {
        let own = requests.take(&group.indices);
        group.send(own, timeout)
    });
    for SentBatch { indices, requests: own, keyspaces, replies } in all(sending.collect()).await {
        requests.put_back(&indices, own);
        let mut replies = replies.map(|replies| read::many(replies).into_iter());
        for index in indices {
            let (Some(part), Some(request)) = (parts.get(index), requests.0.get(index)) else { continue };
            let share = match &mut replies {
                Err(error) => Err(error.clone()),
                Ok(replies) => {
                    let share = request.without_failures(share_of(request, replies));
                    share.map_err(|error| error.naming_templates(&mut |key| template_of(&keyspaces, key)))
                }
            };
            if let Some(outcome) = outcomes.get_mut(index) {
                *outcome = PartOutcome::of(redis, part, request, share);
            }
        }
    }
    outcomes
}

/// Runs all futures at the same time. Usually there is only one.
async fn all<F: Future>(mut futures: Vec<F>) -> Vec<F::Output> {
    match futures.pop() {
        Some(only) if futures.is_empty() => vec![only.await],
        last => join_all(futures.into_iter().chain(last)).await,
    }
}

impl BatchRequests {
    /// Takes the requests at these places.
    fn take(&mut self, places: &[usize]) -> Vec<Request> {
        // The usual case: all commands run on one pool.
        if places.len() == self.0.len() {
            return std::mem::take(&mut self.0);
        }
        let take = |place: &usize| Some(std::mem::replace(self.0.get_mut(*place)?, Request::Empty));
        places.iter().filter_map(take).collect()
    }

    /// Puts the requests back that were taken.
    fn put_back(&mut self, places: &[usize], taken: Vec<Request>) {
        if self.0.is_empty() {
            self.0 = taken;
            return;
        }
        for (place, request) in places.iter().zip(taken) {
            if let Some(own) = self.0.get_mut(*place) {
                *own = request;
            }
        }
    }
}

impl PartOutcome {
    /// Returns the outcome of a command. A read may return a miss when Redis is unavailable.
    fn of(redis: &Redis, part: &Part<'_>, asked: &Request, mut replies: Result<Replies>) -> Self {
        let mut instead_of = None;
        if part.failed.is_none() {
            // A server that currently runs no commands counts as unavailable.
            if let Ok(answer) = &replies
                && let Some(error) = not_run(asked, answer, part.subject.reads)
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
            let indices = Vec::with_capacity(most);
            groups.push(Self { binding, indices, keyspaces: Vec::new(), repeatable: true });
        }
        #[expect(clippy::indexing_slicing, reason = "the index was found or created right above")]
        &mut groups[place]
    }

    fn add(&mut self, index: usize, part: &Part<'_>) {
        self.indices.push(index);
        self.repeatable &= part.repeatable;
        for keyspace in part.subject.keyspace.into_iter().chain(part.call.others().iter().copied()) {
            if !self.keyspaces.last().is_some_and(|last| std::ptr::eq(*last, keyspace)) {
                self.keyspaces.push(keyspace);
            }
        }
    }

    async fn send(self, requests: Vec<Request>, timeout: Option<Duration>) -> SentBatch {
        let Self { binding, indices, keyspaces, repeatable } = self;
        let deadline = binding.deadline(timeout);
        let request = Request::Batch(requests);
        let replies = run(binding, &request, deadline, repeatable, None).await;
        let replies =
            replies.map_err(|error| error.naming_templates(&mut |key| template_of(&keyspaces, key)));
        let requests = if let Request::Batch(requests) = request { requests } else { Vec::new() };
        SentBatch { indices, requests, keyspaces, replies }
    }
}
