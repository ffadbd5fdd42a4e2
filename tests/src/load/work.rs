//! The tasks that use the handle during a fault.

use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis_keyspace::{Error, Key, Redis};
use tokio::task::JoinHandle;

use super::TASKS;
use super::keys::Keys;
use super::ledger::{Ledger, Outcome};
use super::progress::{Operation, Progress};
use super::promises::{Checked, Promises};

/// The pause between two rounds of a task.
const PAUSE: Duration = Duration::from_millis(10);
/// How many keys a task writes with one command.
pub const GROUP: u64 = 4;

/// What the tasks were told.
pub struct Told {
    pub ledgers: Vec<Ledger>,
    pub checked: Checked,
}

/// The running tasks.
pub struct Work {
    stop: Arc<AtomicBool>,
    progress: Vec<Arc<Mutex<Progress>>>,
    tasks: Mutex<Vec<JoinHandle<Ledger>>>,
    promises: Promises,
}

impl Work {
    /// Initializes the counters, and starts the tasks. The handles have the same namespace, and
    /// share nothing, like those of two programs.
    pub async fn start(handles: &[Redis; 2]) -> Self {
        let redis = &handles[0];
        let stop = Arc::new(AtomicBool::new(false));
        let (mut progress, mut tasks) = (Vec::new(), Vec::new());
        for task in 0..TASKS {
            let base = Ledger::base(task);
            let set = redis.transaction((Keys::count(task).set(base), Keys::plain(task).set(base)));
            set.await.expect("nothing disturbs the servers yet");
            let shared = Arc::new(Mutex::new(Progress::default()));
            progress.push(Arc::clone(&shared));
            let (redis, ledger) = (redis.clone(), Ledger::new(task));
            let worker = Worker { redis, ledger, progress: shared, failed: false };
            tasks.push(tokio::spawn(worker.run(Arc::clone(&stop))));
        }
        let promises = Promises::start(handles, &stop).await;
        Self { stop, progress, tasks: Mutex::new(tasks), promises }
    }

    /// Waits until each task has had a success of each kind of write after a moment. Returns the
    /// time from that moment to the last of them, which is at most `limit`.
    pub async fn recovered(&self, since: Instant, limit: Duration) -> Duration {
        while since.elapsed() < limit {
            let recoveries = self.progress.iter().map(|progress| {
                let progress = progress.lock().expect("workers do not panic");
                progress.recovered(since)
            });
            if let Some(recoveries) = recoveries.collect::<Option<Vec<_>>>() {
                return recoveries.into_iter().max().unwrap_or(since) - since;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        limit
    }

    /// Ends the tasks.
    pub async fn stop(&self) -> (Progress, Told) {
        self.stop.store(true, Ordering::Relaxed);
        let tasks = std::mem::take(&mut *self.tasks.lock().expect("no task panics"));
        let mut ledgers = Vec::new();
        for task in tasks {
            ledgers.push(task.await.expect("workers do not panic"));
        }
        let (mut all, checked) = self.promises.stopped().await;
        for progress in &self.progress {
            all.add(std::mem::take(&mut *progress.lock().expect("workers do not panic")));
        }
        (all, Told { ledgers, checked })
    }
}

struct Worker {
    redis: Redis,
    ledger: Ledger,
    progress: Arc<Mutex<Progress>>,
    /// Whether an operation of this round failed.
    failed: bool,
}

impl Worker {
    async fn run(mut self, stop: Arc<AtomicBool>) -> Ledger {
        while !stop.load(Ordering::Relaxed) {
            self.failed = false;
            self.count().await;
            self.cell().await;
            self.group().await;
            self.fill().await;
            // Like a program that waits before it retries.
            tokio::time::sleep(if self.failed { PAUSE / 4 } else { PAUSE }).await;
        }
        self.ledger
    }

    async fn timed<T>(
        &mut self,
        operation: Operation,
        running: impl IntoFuture<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        let outcome = running.await;
        self.failed |= outcome.is_err();
        self.progress.lock().expect("no task panics").record(operation, started, &outcome);
        outcome
    }

    async fn count(&mut self) {
        let (redis, task) = (self.redis.clone(), self.ledger.task);
        let id = self.ledger.transactions.len();
        let mark = Keys::mark(task, id as u64);
        let counting = redis.transaction((Keys::count(task).incr(), mark.set("")));
        let counted = self.timed(Operation::Transaction, counting).await;
        self.ledger.transactions.push(Outcome::of(&counted));
        if let Ok((count, ())) = counted {
            self.ledger.check_count(count, id + 1);
        }
        let counted = self.timed(Operation::Increment, Keys::plain(task).incr().on(&redis)).await;
        self.ledger.increments.push(Outcome::of(&counted));
        if let Ok(count) = counted {
            self.ledger.counted.push((count - Ledger::base(task), Instant::now()));
            self.ledger.check_count(count, self.ledger.increments.len());
        }
    }

    /// Reads the value of the last round first: a later write would hide that it was lost.
    async fn cell(&mut self) {
        let redis = self.redis.clone();
        let number = self.ledger.cells.current().number;
        let key = Keys::cell(number);
        let read = match self.ledger.task % 3 {
            0 => {
                let batch = redis.batch((key.get(), key.exists()));
                self.timed(Operation::Batch, batch).await.map(|(value, _)| value)
            }
            _ => self.timed(Operation::Get, key.get().on(&redis)).await,
        };
        if let Ok(value) = read {
            let found = self.ledger.cells.current().judge(&number.to_string(), value.as_deref());
            if self.ledger.read(found) {
                self.ledger.cells.leave();
            }
        }
        let place = self.ledger.cells.current();
        let (key, value) = (Keys::cell(place.number), place.next_value(&place.number.to_string()));
        let written = match self.ledger.task % 3 {
            1 => {
                let transaction = redis.transaction((key.set(&value),));
                self.timed(Operation::Set, transaction).await.map(|((),)| ())
            }
            _ => self.timed(Operation::Set, key.set(&value).on(&redis)).await,
        };
        self.ledger.cells.wrote(Outcome::of(&written));
    }

    async fn group(&mut self) {
        let redis = self.redis.clone();
        let place = self.ledger.groups.current();
        let (number, keys) = (place.number, || (0..GROUP).map(|page| (page, page_name(place.number, page))));
        let values: Vec<_> =
            keys().map(|(page, name)| (Keys::page(number, page), place.next_value(&name))).collect();
        let written = self.timed(Operation::SetMany, Key::set_many(values).on(&redis)).await;
        self.ledger.groups.wrote(Outcome::of(&written));
        let pages = (0..GROUP).map(|page| Keys::page(number, page));
        let read = self.timed(Operation::GetMany, Key::get_many(pages).on(&redis)).await;
        if let (Ok(()), Ok(values)) = (written, read) {
            let place = self.ledger.groups.current().clone();
            let names = (0..GROUP).map(|page| page_name(number, page));
            let found: Vec<_> =
                names.zip(values).map(|(name, value)| place.judge(&name, value.as_deref())).collect();
            let strange = found.into_iter().filter(|found| self.ledger.read(*found)).count();
            if strange > 0 {
                self.ledger.groups.leave();
            }
        }
    }

    /// Loads a value that is not stored yet, unless another task was faster.
    async fn fill(&mut self) {
        let (redis, number) = (self.redis.clone(), self.ledger.transactions.len() as u64);
        let filling = Keys::shared(number).get_or_set(move || ready(shared_value(number)));
        let filled = self.timed(Operation::GetOrSet, filling.on(&redis).into_future()).await;
        if let Ok(value) = filled {
            self.ledger.wrong_replies += u64::from(value != shared_value(number));
        }
    }
}

/// The value of a shared key.
fn shared_value(number: u64) -> String {
    format!("shared.{number}")
}

/// The name that the values of a page start with.
pub fn page_name(group: u64, page: u64) -> String {
    format!("{group}.{page}")
}
