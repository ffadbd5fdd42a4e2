//! Runs requests on a cluster: each part of a request on the node that serves its keys.

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::binding::Binding;
use super::refusals::{LONGEST_PAUSE, forget_copies, may_be_repeated, not_run, note_redirection, note_retry};
use crate::connect::{Cluster, NextStep, Node, Route};
use crate::error::{Error, Result};
use crate::protocol::{Division, Replies, Request, Units, after_asking, join_single_keys, read, share_of};
use crate::time::{Backoff, Deadline};

/// How many redirections a command follows. A cluster needs at most one for each slot that is moved
/// while the command runs.
const MOST_REDIRECTIONS: u32 = 16;
/// After this many redirections, there is a pause before the next one.
const PROMPT_REDIRECTIONS: u32 = 4;
/// The pauses of a command whose keys are being moved. To move a slot takes milliseconds.
const SHORTEST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// The outcome of an earlier attempt to send a request.
pub(crate) enum FirstAttempt {
    None,
    Failed(Error),
    /// One node has answered all of it.
    Answered(Replies),
}

/// Runs a request within its deadline. Each part is sent to the node that serves its keys, and the
/// parts of all nodes are sent at the same time. A part that fails does not affect the others.
///
/// Returns the replies as if one server had sent them. The reply to a command that failed is
/// [`Reply::Failed`](crate::protocol::Reply::Failed).
pub(crate) async fn spread(
    binding: &Arc<Binding>,
    request: &Request,
    deadline: Deadline,
    repeatable: bool,
    division: Division,
    first: FirstAttempt,
) -> Result<Replies> {
    request.check_names()?;
    // Otherwise one value that is too long would fail all commands for its node.
    request.check_size(binding.pool().settings.sizes())?;
    let Some(cluster) = binding.pool().cluster() else {
        return Err(Error::protocol("the server is not a cluster"));
    };
    // Until this function returns: a value that is read while the write is in flight may be older
    // than the write.
    let _forgetting = forget_copies(binding, request);
    let mut units = Units::of(request, &binding.namespace, division);
    let spreading = Spreading { binding, cluster, deadline };
    let pending: Vec<_> = (units.units.iter_mut().enumerate())
        .map(|(index, unit)| PendingUnit {
            index,
            key: None,
            request: std::mem::replace(&mut unit.request, Request::Empty),
            slot: unit.slot,
            repeatable: repeatable || unit.is_aside,
            route: Route::BySlot,
            wait: Wait::Not,
            redirections: 0,
            retries: 0,
            soon: Backoff::new(SHORTEST_WAIT, LONGEST_WAIT),
            later: Backoff::new(binding.retry_delay, LONGEST_PAUSE.max(binding.retry_delay)),
            is_half_moved: false,
            is_lost: false,
        })
        .collect();
    let attempts: Vec<Option<Result<Replies>>> = match first {
        FirstAttempt::None => pending.iter().map(|_| None).collect(),
        FirstAttempt::Failed(error) => pending.iter().map(|_| Some(Err(error.clone()))).collect(),
        FirstAttempt::Answered(replies) => {
            units.shares_of(replies).into_iter().map(|share| share.map(Ok)).collect()
        }
    };
    let (mut attempted, mut outcomes, mut unsent) = (Vec::new(), Vec::new(), Vec::new());
    for (unit, attempt) in pending.into_iter().zip(attempts) {
        match attempt {
            Some(outcome) => {
                attempted.push(unit);
                outcomes.push(outcome);
            }
            None => unsent.push(unit),
        }
    }
    let mut judged = spreading.judge_all(attempted, outcomes, None);
    judged.again.extend(unsent);
    let mut finished = spreading.send_all(judged).await;
    finished.sort_by_key(|unit| (unit.index, unit.key));
    let mut finished = finished.into_iter().peekable();
    let mut outcomes = Vec::with_capacity(units.units.len());
    for (index, unit) in units.units.iter_mut().enumerate() {
        let mut parts = Vec::new();
        while let Some(part) = finished.next_if(|part| part.index == index) {
            parts.push(part);
        }
        outcomes.push(match <[FinishedUnit; 1]>::try_from(parts) {
            Ok([FinishedUnit { request, outcome, .. }]) => {
                unit.request = request;
                outcome
            }
            Err(keys) => Ok(Replies::One(join_single_keys(keys.into_iter().map(|key| key.outcome)))),
        });
    }
    Ok(units.join(outcomes))
}

/// A request that is being sent in parts.
struct Spreading<'s> {
    binding: &'s Arc<Binding>,
    cluster: &'s Cluster,
    deadline: Deadline,
}

/// A part without an outcome.
struct PendingUnit {
    index: usize,
    /// The position of its key, if the part was divided again into commands on one key each.
    key: Option<usize>,
    request: Request,
    slot: Option<u16>,
    repeatable: bool,
    route: Route,
    /// What to wait for before it is sent again.
    wait: Wait,
    redirections: u32,
    retries: u32,
    soon: Backoff,
    later: Backoff,
    /// Whether some of its keys are at another node than the others, or do not exist.
    is_half_moved: bool,
    /// Whether an attempt was lost, so that it may have been executed.
    is_lost: bool,
}

impl PendingUnit {
    /// Returns its outcome, which is that of the last attempt.
    fn outcome(&self, outcome: Result<Replies>) -> Result<Replies> {
        if self.is_lost { outcome.map_err(Error::after_loss) } else { outcome }
    }

    /// Returns the outcome if the last attempt was refused.
    fn refused(&self, outcome: Result<Replies>, refusal: Error) -> Result<Replies> {
        if self.is_lost && matches!(self.request, Request::One(_)) {
            return Err(refusal.after_loss());
        }
        self.outcome(outcome)
    }

    /// Divides it into commands on one key each, which are redirected one by one.
    fn divided(self) -> Vec<Self> {
        let Some(singles) = self.request.single_keys() else { return vec![self] };
        let single = |(position, request)| Self {
            key: Some(position),
            request,
            route: Route::BySlot,
            wait: Wait::Not,
            soon: self.soon.clone(),
            later: self.later.clone(),
            is_half_moved: false,
            ..self
        };
        singles.into_iter().enumerate().map(single).collect()
    }
}

#[derive(Clone, Copy)]
enum Wait {
    Not,
    For(Duration),
    /// Until the map of the cluster changes, but not longer than this.
    ForChange(Duration),
}

struct FinishedUnit {
    index: usize,
    key: Option<usize>,
    request: Request,
    outcome: Result<Replies>,
}

/// The progress of some parts.
enum Progress {
    /// The node of each part is known.
    Grouped(Vec<(Arc<Node>, Vec<PendingUnit>)>, Judged),
    Sent(Judged),
}

/// Parts that have their outcome, and parts that must be sent again.
#[derive(Default)]
struct Judged {
    finished: Vec<FinishedUnit>,
    again: Vec<PendingUnit>,
}

impl Spreading<'_> {
    /// Sends all parts. Parts for one node do not wait for those of another one.
    async fn send_all(&self, units: Judged) -> Vec<FinishedUnit> {
        let mut finished = Vec::new();
        let mut running = FuturesUnordered::new();
        finished.extend(self.start(&running, units));
        while let Some(progress) = running.next().await {
            let judged = match progress {
                Progress::Sent(judged) => judged,
                Progress::Grouped(groups, judged) => {
                    for (node, units) in groups {
                        let sending: BoxFuture<'_, _> = Box::pin(self.send_to(node, units));
                        running.push(sending);
                    }
                    judged
                }
            };
            finished.extend(self.start(&running, judged));
        }
        finished
    }

    async fn wait(&self, units: &[PendingUnit]) {
        if units.iter().all(|unit| matches!(unit.wait, Wait::Not)) {
            return;
        }
        let (mut pause, mut for_change) = (Duration::ZERO, false);
        for unit in units {
            match unit.wait {
                Wait::Not => {}
                Wait::For(limit) => pause = pause.max(limit),
                Wait::ForChange(limit) => (pause, for_change) = (pause.max(limit), true),
            }
        }
        let owners = || self.cluster.owners(units.iter().filter_map(|unit| unit.slot));
        let before = owners();
        let until = Instant::now() + pause;
        loop {
            let changed = self.cluster.changed();
            let has_changed = owners().iter().zip(&before).any(|(now, before)| match (now, before) {
                (Some(now), Some(before)) => !Arc::ptr_eq(now, before),
                (now, before) => now.is_some() != before.is_some(),
            });
            if for_change && has_changed {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                () = changed, if for_change => {}
            }
        }
    }

    /// Starts to send those parts again that must be. Returns the others.
    fn start<'f>(
        &'f self,
        running: &FuturesUnordered<BoxFuture<'f, Progress>>,
        judged: Judged,
    ) -> Vec<FinishedUnit> {
        let (prompt, waiting): (Vec<_>, Vec<_>) =
            judged.again.into_iter().partition(|unit| matches!(unit.wait, Wait::Not));
        for units in [prompt, waiting] {
            if !units.is_empty() {
                running.push(Box::pin(self.group(units)));
            }
        }
        judged.finished
    }

    /// Finds the nodes of parts, after the wait before they are sent again.
    async fn group(&self, units: Vec<PendingUnit>) -> Progress {
        self.wait(&units).await;
        let mut groups: Vec<(Arc<Node>, Vec<PendingUnit>)> = Vec::new();
        let (mut without_node, mut failures) = (Vec::new(), Vec::new());
        // Awaited once, so that all parts fail together while the cluster can't be reached.
        let ready = self.cluster.ready(self.deadline).await;
        for unit in units {
            let found = match (&ready, &unit.route) {
                (Err(error), Route::BySlot) => Err(error.clone()),
                _ => self.cluster.node(unit.slot, &unit.route, self.deadline).await,
            };
            match found {
                Ok(node) => match groups.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &node)) {
                    Some((_, units)) => units.push(unit),
                    None => groups.push((node, vec![unit])),
                },
                Err(error) => {
                    without_node.push(unit);
                    failures.push(Err(error));
                }
            }
        }
        Progress::Grouped(groups, self.judge_all(without_node, failures, None))
    }

    /// Sends parts to one node.
    async fn send_to(&self, node: Arc<Node>, mut units: Vec<PendingUnit>) -> Progress {
        let outcomes = match units.as_mut_slice() {
            [unit] if matches!(unit.route, Route::BySlot) => vec![self.run(&node, &unit.request).await],
            _ => self.send_together(&node, &mut units).await,
        };
        Progress::Sent(self.judge_all(units, outcomes, Some(&node)))
    }

    async fn send_together(&self, node: &Arc<Node>, units: &mut [PendingUnit]) -> Vec<Result<Replies>> {
        let requests = units.iter_mut().map(|unit| {
            let request = std::mem::replace(&mut unit.request, Request::Empty);
            if matches!(unit.route, Route::Asking(_)) { request.asking() } else { request }
        });
        let together = Request::Batch(requests.collect());
        let outcome = self.run(node, &together).await;
        let Request::Batch(requests) = together else { return Vec::new() };
        let mut replies = outcome.map(|replies| read::many(replies).into_iter());
        let mut outcomes = Vec::with_capacity(units.len());
        for (unit, request) in units.iter_mut().zip(requests) {
            let is_asking = matches!(unit.route, Route::Asking(_));
            outcomes.push(match &mut replies {
                Err(error) => Err(error.clone()),
                Ok(replies) => {
                    let share = share_of(&request, replies);
                    if is_asking { after_asking(share) } else { Ok(share) }
                }
            });
            unit.request = if is_asking { request.without_asking() } else { request };
        }
        outcomes
    }

    async fn run(&self, node: &Arc<Node>, request: &Request) -> Result<Replies> {
        let Binding { namespace, closed, .. } = &**self.binding;
        let running = node.run(request, namespace, self.deadline, closed, None);
        let (replies, _) = self.binding.watch(self.deadline).bound(running).await?;
        Ok(replies)
    }

    /// Judges the outcomes of parts. `node` is the one that answered.
    fn judge_all(
        &self,
        units: Vec<PendingUnit>,
        outcomes: Vec<Result<Replies>>,
        node: Option<&Arc<Node>>,
    ) -> Judged {
        let Judged { mut finished, mut again } = Judged::default();
        let refusals: Vec<_> =
            units.iter().zip(&outcomes).map(|(unit, outcome)| refusal_of(unit, outcome)).collect();
        if refusals.iter().flatten().nth(1).is_some() {
            self.cluster.follow_all(refusals.iter().flatten(), node);
        }
        for ((mut unit, outcome), refusal) in units.into_iter().zip(outcomes).zip(refusals) {
            match self.judge(&mut unit, outcome, refusal, node) {
                Some(outcome) => {
                    let PendingUnit { index, key, request, .. } = unit;
                    finished.push(FinishedUnit { index, key, request, outcome });
                }
                None if unit.is_half_moved => again.extend(unit.divided()),
                None => again.push(unit),
            }
        }
        Judged { finished, again }
    }

    /// Returns the outcome of a part, or `None` if it must be sent again. `refusal` is the reason
    /// why it was not run, if it was not.
    fn judge(
        &self,
        unit: &mut PendingUnit,
        outcome: Result<Replies>,
        refusal: Option<Error>,
        node: Option<&Arc<Node>>,
    ) -> Option<Result<Replies>> {
        unit.is_lost |= outcome.as_ref().is_err_and(Error::is_connection_lost);
        let Some(refusal) = refusal else {
            if let Err(error) = &outcome
                && error.is_breaker_open()
            {
                // Another node may have replaced the one of the breaker.
                self.cluster.after(error, node);
            }
            return Some(unit.outcome(outcome));
        };
        let has_time = |pause: Duration| Instant::now() + pause < self.deadline.at();
        (unit.route, unit.wait) = match self.cluster.after(&refusal, node) {
            NextStep::Follow(route) => {
                unit.redirections += 1;
                note_redirection();
                if unit.redirections > MOST_REDIRECTIONS || !has_time(Duration::ZERO) {
                    return Some(Err(refusal.explained(&format!(
                        "the command was redirected {} times, so the nodes may disagree about who serves the slot",
                        unit.redirections
                    ))));
                }
                if unit.redirections > PROMPT_REDIRECTIONS {
                    (route, Wait::For(unit.soon.pause()))
                } else {
                    (route, Wait::Not)
                }
            }
            NextStep::Soon => {
                let pause = unit.soon.pause();
                if !has_time(pause) {
                    return Some(unit.refused(outcome, refusal));
                }
                // The next attempt may be redirected to the new node once more.
                unit.redirections = 0;
                unit.is_half_moved = true;
                (Route::BySlot, Wait::For(pause))
            }
            NextStep::Later => {
                let pause = unit.later.pause();
                if unit.retries >= self.binding.retries || !has_time(pause) {
                    return Some(unit.refused(outcome, refusal));
                }
                unit.retries += 1;
                note_retry(unit.retries, &refusal);
                (Route::BySlot, Wait::ForChange(pause))
            }
        };
        None
    }
}

/// Returns why a part was not run, if it may be sent again.
fn refusal_of(unit: &PendingUnit, outcome: &Result<Replies>) -> Option<Error> {
    match outcome {
        Ok(replies) => not_run(&unit.request, replies, unit.repeatable),
        Err(error) => may_be_repeated(error, unit.repeatable).then(|| error.clone()),
    }
}
