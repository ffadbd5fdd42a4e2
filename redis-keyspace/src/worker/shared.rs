//! What the loop of a worker and its jobs share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::event::{WorkerCounters, WorkerEvent, add};
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

    /// Counts and reports an event.
    pub(super) fn report(&self, event: WorkerEvent) {
        let (counters, template) = (&self.counters, self.key().template().template());
        match &event {
            WorkerEvent::Failed { id, deliveries, error, .. } => {
                add(&counters.failed, 1);
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
                add(&counters.dead, 1);
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
                add(&counters.lost, 1);
                event!(warn, "job lost to another consumer", template, id = %id);
            }
            WorkerEvent::Deleted { count } => {
                add(&counters.deleted, usize::try_from(*count).unwrap_or(usize::MAX));
                event!(warn, "pending jobs were deleted from their stream", template, count = *count);
            }
            WorkerEvent::GroupRecreated => {
                add(&counters.recreated, 1);
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
