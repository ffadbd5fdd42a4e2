//! Workers: they process the entries of a stream as jobs, with retries and dead letters.
//!
//! A [`Worker`] is a consumer of a [group](crate::stream::ConsumerGroup). It runs a handler for
//! each entry and acknowledges the entry when the handler succeeds. If the handler fails or panics,
//! the job runs again after a pause. If the whole process ends, another worker of the group takes
//! its jobs over. With [`dead_letter`](Worker::dead_letter), a job is moved to a stream of dead
//! letters after a number of failures.
//!
//! ```
//! use redis_keyspace::{Keyspace, Redis, Stream, Text};
//!
//! #[derive(Keyspace)]
//! #[keyspace(prefix = "mail", ttl = none)]
//! struct MailKeys {
//!     #[key("{{mail}}:waiting", trim = "~100000")]
//!     waiting: Stream<Text>,
//!     /// Those that could not be sent.
//!     #[key("{{mail}}:dead", trim = "~1000")]
//!     dead: Stream<Text>,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
//! # Redis::embedded().scope(async {
//! MailKeys::waiting().xadd("to: ada").await?;
//!
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let stop = std::sync::Mutex::new(Some(stop));
//! let stats = MailKeys::waiting()
//!     .group("senders")
//!     .worker("sender")
//!     .retries(5)
//!     .dead_letter(&MailKeys::dead())
//!     .delete_done()
//!     .until(async { drop(stopped.await) })
//!     .run(move |mail| {
//!         // Stops the example after the first mail.
//!         let stop = stop.lock().unwrap().take();
//!         async move {
//!             assert_eq!(mail.value, "to: ada");
//!             // .. send it; an error repeats the job ..
//!             drop(stop);
//!             Ok::<(), std::io::Error>(())
//!         }
//!     })
//!     .await?;
//! assert_eq!((stats.succeeded, MailKeys::waiting().xlen().await?), (1, 0));
//! # Ok(()) }).await }
//! ```
//!
//! # What it promises
//!
//! Each job runs **at least once**, as far as the server keeps its writes, and at most
//! `retries + 1` times until it is a dead letter. A job may run twice: if its worker ends after the
//! effect and before the acknowledgement, or does not reach the server for longer than
//! [`min_idle`](Worker::min_idle). So the effect must be idempotent; the [ID](Job::id) of the entry
//! stays the same and can identify it. Each dead letter is added exactly once.
//!
//! Jobs run in no particular order. Replication is asynchronous: after a failover, jobs that were
//! added or acknowledged just before may be missing or come back.

mod claim;
mod consumers;
mod dead;
mod event;
mod job;
mod options;
mod outcome;
mod retries;
mod run;
mod script;
mod shared;
mod work;

use std::fmt::{self, Display};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_core::future::BoxFuture;

use self::options::WorkerOptions;
use self::run::Runner;
#[cfg(feature = "embedded")]
pub(crate) use self::script::{BURY, HOLD, TRIM_DONE};
use self::shared::Shared;
use crate::client::{CallOptions, Redis, Target, current_runtime, same_server};
use crate::command::{ConsumerGroup, ReadFrom};
use crate::error::{Error, ErrorKind, Result};
use crate::kind::{SingleValue, Stream};
use crate::protocol::{Keys, Packet, Request};
use crate::random;
use crate::schema::{Key, Keyspace};

pub use self::event::{LiveStats, WorkerEvent, WorkerStats};
pub use self::job::{DeadLetter, Job};

impl<S: Keyspace, T: SingleValue> ConsumerGroup<S, T> {
    /// Creates a worker: a consumer of this group that runs a handler for each entry. See
    /// [`worker`](crate::worker).
    ///
    /// The name of the consumer is `name` with a random suffix for each start, so that two
    /// processes never share one. Choose the same `name` for all processes of one kind: their
    /// workers delete the consumers of processes that ended.
    pub fn worker(&self, name: impl Into<String>) -> Worker<S, T> {
        Worker {
            group: self.clone(),
            name: name.into(),
            call: CallOptions::of_key(self.key()),
            options: WorkerOptions::default(),
            stats: LiveStats::default(),
            stop: Box::pin(std::future::pending()),
        }
    }
}

/// A worker of a consumer group, created by [`ConsumerGroup::worker`]. [`run`](Self::run) starts
/// it.
///
/// See the [module](self) for an example and for what it promises.
#[must_use = "a worker does nothing until `run` is called and awaited"]
pub struct Worker<S: Keyspace, T: SingleValue> {
    group: ConsumerGroup<S, T>,
    name: String,
    call: CallOptions,
    options: WorkerOptions<S, T>,
    stats: LiveStats,
    stop: BoxFuture<'static, ()>,
}

impl<S: Keyspace, T: SingleValue> Worker<S, T> {
    fn with(self, change: impl FnOnce(&mut WorkerOptions<S, T>)) -> Self {
        let mut worker = self;
        change(&mut worker.options);
        worker
    }

    /// Sets how many times a failed job is retried. After that, it is moved to the [dead
    /// letters](Self::dead_letter). The default is 5. If this is set without dead letters,
    /// [`run`](Self::run) fails with [`InvalidInput`](crate::ErrorKind::InvalidInput).
    ///
    /// The server counts the deliveries, so runs that ended with their process count, too.
    pub fn retries(self, retries: u32) -> Self {
        self.with(|options| options.retries = Some(retries))
    }

    /// Sets the stream to which jobs that fail too often, and entries that can't be decoded, are
    /// moved. Without it, they are repeated without end. [`DeadLetter`] says what is added.
    ///
    /// The stream must be of the same keyspace and, on a cluster, in the same slot: give both
    /// templates the same hash tag. [`run`](Self::run) checks that before it starts.
    pub fn dead_letter(self, key: &Key<S, Stream<T>>) -> Self {
        self.with(|options| options.dead_letters = Some(key.clone()))
    }

    /// Sets how many jobs run at the same time. The default is 8. A worker reads only as many
    /// entries as it can start at once.
    pub fn concurrency(self, jobs: usize) -> Self {
        self.with(|options| options.concurrency = jobs)
    }

    /// Sets how long a worker may be silent before other workers take over its jobs. The default is
    /// 60 seconds, and the minimum is 10 ms.
    ///
    /// Jobs may take longer: while a job runs, its worker renews it every third of this time. All
    /// workers of a group should use the same value. They look for abandoned jobs about twice in
    /// this time.
    pub fn min_idle(self, idle: Duration) -> Self {
        self.with(|options| options.min_idle = idle)
    }

    /// Sets the pause before a failed job runs again: `first` after the first failure, then twice
    /// as long each time, up to `longest`. The default is 1 second and 5 minutes. Each pause is
    /// shortened at random by up to a half, and is at most 30 days.
    ///
    /// While 10,000 jobs of this worker wait for their next run, it takes no others. The worker
    /// keeps the pause even while it is busy with other jobs. If it ends, other workers repeat the
    /// job after [`min_idle`](Self::min_idle) at the latest, even if its pause is longer.
    pub fn backoff(self, first: Duration, longest: Duration) -> Self {
        self.with(|options| (options.first_pause, options.longest_pause) = (first, longest))
    }

    /// Sets where the group starts if it does not exist. The default is [`ReadFrom::Start`].
    pub fn start_at(self, from: ReadFrom) -> Self {
        self.with(|options| options.from = from)
    }

    /// Deletes the entries of jobs that succeeded, in the same transaction as the acknowledgement.
    /// For streams with one group; other groups could not read them any more.
    pub fn delete_done(self) -> Self {
        self.with(|options| options.deletes = true)
    }

    /// Removes the entries that all groups of the stream have acknowledged, after each search for
    /// abandoned jobs. The entries of jobs that are pending stay. For streams with several groups.
    pub fn trim_done(self) -> Self {
        self.with(|options| options.trims = true)
    }

    /// Stops the worker when this future completes: it reads no more entries, waits for the jobs
    /// that run, and releases those that do not finish [in time](Self::stop_within).
    ///
    /// For example, `CancellationToken::cancelled_owned`, a signal, or a channel receiver.
    pub fn until(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop = Box::pin(stop);
        self
    }

    /// Sets how long a worker that stops waits for its jobs. The default is 30 seconds. The
    /// handlers of jobs that take longer are dropped. Other workers can start these jobs again at
    /// once, and the interrupted delivery does not count.
    ///
    /// Releasing them takes at most the deadline of one command more. If Redis does not answer in
    /// that time, other workers start them after [`min_idle`](Self::min_idle).
    pub fn stop_within(self, limit: Duration) -> Self {
        self.with(|options| options.stop_within = limit)
    }

    /// Calls a function for each [`WorkerEvent`]. It must return quickly: jobs wait for it. If it
    /// panics, the worker continues. With the feature `tracing`, the events are logged anyway.
    pub fn on_event(self, on_event: impl Fn(WorkerEvent) + Send + Sync + 'static) -> Self {
        self.with(|options| options.on_event = Some(Arc::new(on_event)))
    }

    /// Sets the handle to run on, overriding the installed or scoped one.
    pub fn on(mut self, redis: &Redis) -> Self {
        self.call.target = Target::Handle(redis.clone());
        self
    }

    /// Sets the deadline of each command. A command that waits for entries may take 5 s longer.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.timeout = Some(timeout))
    }

    /// Returns a view of the numbers of this worker, which can be read while it runs.
    #[must_use]
    pub fn stats(&self) -> LiveStats {
        self.stats.clone()
    }

    /// Creates the group if it does not exist, and runs jobs until the worker is
    /// [stopped](Self::until). Returns its numbers then.
    ///
    /// The handler gets a [`Job`]. `Ok` acknowledges it. After an error, of which only the text is
    /// used, or a panic, the job runs again. A panic while the entry is decoded counts, too. Each
    /// handler runs in its own task, in the scope of the caller.
    ///
    /// While Redis is unavailable, the worker tries again with pauses. If the group or the stream
    /// is deleted, it creates the group again. [`on_event`](Self::on_event) reports both.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the options contradict each other, or
    /// the stream of dead letters is in another slot or on another server.
    /// [`WrongType`](crate::ErrorKind::WrongType) if its key holds something else. Those of any
    /// command if the group can't be created. Later, only errors that do not pass:
    /// [`Closed`](crate::ErrorKind::Closed),
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied), and
    /// [`MissingCommand`](crate::ErrorKind::MissingCommand) on a server before Redis 6.2, which
    /// can't claim the jobs of dead workers.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the handlers of all jobs that run. Other workers repeat them after
    /// [`min_idle`](Self::min_idle). Use [`until`](Self::until) to stop gracefully.
    ///
    /// # Round trips
    ///
    /// For each job: a share of one that reads, and one that acknowledges. One for each heartbeat.
    /// The read uses an exclusive connection; see
    /// [`exclusive_connections`](crate::RedisBuilder::exclusive_connections). All others use shared
    /// connections.
    pub async fn run<F, R, E>(self, handler: F) -> Result<WorkerStats>
    where
        F: Fn(Job<T::Owned>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + 'static,
    {
        let Self { group, name, mut call, options, stats, stop } = self;
        let explain = |error| group.key().explain("XREADGROUP", error);
        options.check(group.key())?;
        if let Some(dead) = options.dead_letters.as_ref().and_then(Key::redis) {
            // A key without a handle uses that of the worker.
            let of_jobs = group.key().redis().unwrap_or_else(|| dead.clone());
            same_server([Some(of_jobs), Some(dead.clone())]).map_err(explain)?;
            call.target = call.target.or(Target::Handle(dead));
        }
        current_runtime()?;
        let binding = call.resolve::<S>().map_err(explain)?;
        binding.require_server().map_err(explain)?;
        let consumer = format!("{name}-{:016x}", random::bits());
        let counters = Arc::clone(&stats.0);
        let shared = Shared { group, consumer, binding, options, counters, stops: AtomicBool::new(false) };
        shared.command(shared.group.create(shared.options.from)).await?;
        shared.check_slots()?;
        shared.check_dead_letters().await?;
        let mut runner = Runner::new(Arc::new(shared), handler);
        runner.run(stop).await?;
        Ok(stats.get())
    }
}

impl<S: Keyspace, T: SingleValue> Shared<S, T> {
    /// Fails if the dead letters can't be written in the same step on a cluster.
    fn check_slots(&self) -> Result<()> {
        let Some(dead) =
            self.options.dead_letters.as_ref().filter(|_| self.binding.pool().cluster().is_some())
        else {
            return Ok(());
        };
        let both = Request::One(Packet::new("EVAL", Keys::Many(vec![self.key().text(), dead.text()])));
        match both.across_slots(&self.binding.namespace) {
            None => Ok(()),
            Some(error) => {
                let template =
                    |key: &str| S::META.template_of(key).map(crate::schema::TemplateMeta::template);
                let error: Error = error.naming_templates(&mut |key| template(key));
                Err(error.about("XADD", Some(self.key().template().name()), None))
            }
        }
    }
}

impl<S: Keyspace, T: SingleValue> Shared<S, T> {
    /// Fails if the key of the dead letters holds something else than a stream. Each job that fails
    /// too often would find out otherwise, again and again.
    async fn check_dead_letters(&self) -> Result<()> {
        let Some(dead) = &self.options.dead_letters else { return Ok(()) };
        match self.command(dead.xlen()).await {
            Err(error) if error.kind() == ErrorKind::WrongType => Err(error),
            // Not permitted to all users, and not necessary.
            _ => Ok(()),
        }
    }
}

impl<S: Keyspace, T: SingleValue> fmt::Debug for Worker<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("group", &self.group)
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
