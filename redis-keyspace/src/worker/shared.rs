//! What the loop of a worker and its jobs share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::event::{JobResult, WorkerCounters, WorkerEvent};
use super::options::WorkerOptions;
use crate::client::{Binding, Target};
use crate::command::{Command, ConsumerGroup, IntoCommand};
use crate::kind::{SingleValue, Stream};
use crate::schema::{Key, Keyspace, OnUnavailable, Reads};

pub(super) struct Shared<S: Keyspace, T: SingleValue> {
    pub(super) group: ConsumerGroup<S, T>,
    /// The name of this consumer, which no other one has.
    pub(super) consumer: String,
    pub(super) binding: Arc<Binding>,
    pub(super) options: WorkerOptions<S, T>,
    pub(super) counters: Arc<WorkerCounters>,
    /// Whether the worker stops, so that it starts nothing more.
    pub(super) stops: AtomicBool,
}

impl<S: Keyspace, T: SingleValue> Shared<S, T> {
    pub(super) fn key(&self) -> &Key<S, Stream<T>> {
        self.group.key()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }

    /// Prepares a command to run on the server of the worker.
    pub(super) fn command<C: IntoCommand>(&self, command: C) -> Command<C::Output> {
        let command = command.into_command().with_timeout(self.options.timeout);
        command.on_target(Target::Bound(Arc::clone(&self.binding)))
    }

    /// Prepares a command that reads what the worker decides by: the master must answer, and an
    /// outage must be an error, whatever the keyspace declares.
    pub(super) fn strictly<C: IntoCommand>(&self, command: C) -> Command<C::Output> {
        self.command(command).reads(Reads::Master).on_unavailable(OnUnavailable::Error)
    }

    /// Counts jobs, for the numbers of this worker and as a metric.
    pub(super) fn count(&self, result: JobResult, jobs: u64) {
        self.counters.of(result).fetch_add(jobs, Ordering::Relaxed);
        let template = self.key().template();
        count!(
            "redis_keyspace_jobs_total" += jobs,
            "keyspace" => template.keyspace(),
            "template" => template.template(),
            "result" => result.label()
        );
    }

    /// Records how long the handler ran.
    #[cfg_attr(not(feature = "metrics"), allow(unused_variables, clippy::unused_self, reason = "a metric"))]
    pub(super) fn handled(&self, time: Duration, has_succeeded: bool) {
        #[cfg(feature = "metrics")]
        metrics::histogram!(
            "redis_keyspace_job_duration_seconds",
            "keyspace" => self.key().template().keyspace(),
            "template" => self.key().template().template(),
            "outcome" => if has_succeeded { "ok" } else { "error" },
        )
        .record(time.as_secs_f64());
    }

    /// Counts and reports an event.
    pub(super) fn report(&self, event: WorkerEvent) {
        let template = self.key().template().template();
        match &event {
            WorkerEvent::Failed { id, deliveries, error, .. } => {
                self.count(JobResult::Failed, 1);
                event!(
                    warn,
                    "job failed, trying again",
                    template,
                    id = %id,
                    deliveries = *deliveries,
                    error = %error
                );
            }
            WorkerEvent::Dead { id, deliveries, error } => {
                self.count(JobResult::Dead, 1);
                event!(
                    warn,
                    "job moved to the dead letters",
                    template,
                    id = %id,
                    deliveries = *deliveries,
                    error = %error
                );
            }
            WorkerEvent::Lost { id } => {
                self.count(JobResult::Lost, 1);
                event!(warn, "job lost to another consumer", template, id = %id);
            }
            WorkerEvent::Deleted { count } => {
                self.count(JobResult::Deleted, *count);
                event!(warn, "pending jobs were deleted from their stream", template, count = *count);
            }
            WorkerEvent::GroupRecreated => {
                self.counters.recreated.fetch_add(1, Ordering::Relaxed);
                event!(warn, "consumer group did not exist any more and was created again", template);
            }
            WorkerEvent::CommandFailed(error) => {
                event!(warn, "a command of a worker failed, trying again", template, error = %error);
            }
        }
        if let Some(on_event) = &self.options.on_event
            // Code of the program: its panic must not end a job or the worker.
            && catch_unwind(AssertUnwindSafe(|| on_event(event))).is_err()
        {
            event!(error, "`on_event` of a worker panicked", template);
        }
    }
}
