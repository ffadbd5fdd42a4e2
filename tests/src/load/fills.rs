//! Rows of a database that are cached while they change. What was cached before an acknowledged
//! write must never be read after it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis_keyspace::update::Change;
use redis_keyspace::{Error, Key, Redis, Text};
use tokio::task::JoinSet;

use super::keys::Keys;
use super::ledger::Outcome;
use super::progress::Operation;
use super::promises::{Broken, Context, Promise};

/// How many rows are cached under their keys, and how many as members of a group.
const ROWS: u64 = 8;
const GROUPS: u64 = 4;
/// How long the database takes to answer.
const QUERY: Duration = Duration::from_millis(2);

/// A row that counts its changes.
struct Row {
    task: u64,
    committed: AtomicU64,
    written: Mutex<Written>,
}

/// The last change of which the cache knows.
#[derive(Clone, Copy, Default)]
struct Written {
    /// When the outcome of a write is in doubt, the row gets another key.
    place: u64,
    version: u64,
    acknowledged: Option<Instant>,
}

pub fn start(context: &Arc<Context>, tasks: &mut JoinSet<()>) {
    for task in 0..ROWS + GROUPS {
        let row = Arc::new(Row { task, committed: AtomicU64::new(0), written: Mutex::default() });
        tasks.spawn(write(Arc::clone(context), Arc::clone(&row)));
        for program in 0..2 {
            tasks.spawn(read(Arc::clone(context), Arc::clone(&row), program));
        }
    }
}

impl Row {
    fn promise(&self) -> Promise {
        if self.task < ROWS { Promise::Fill } else { Promise::Group }
    }

    fn key(&self, place: u64) -> Key<Keys, Text> {
        if self.task.is_multiple_of(2) { Keys::row(self.task, place) } else { Keys::kept(self.task, place) }
    }

    fn written(&self) -> Written {
        *self.written.lock().expect("no task panics")
    }

    async fn load(self: Arc<Self>) -> String {
        let version = self.committed.load(Ordering::SeqCst);
        tokio::time::sleep(QUERY).await;
        version.to_string()
    }

    /// Ends what is cached of the row, in one of the ways that a program has.
    async fn supersede(&self, redis: &Redis, place: u64, version: u64) -> Result<(), Error> {
        if self.promise() == Promise::Group {
            return Keys::all(self.task, place).invalidate().on(redis).await;
        }
        let (key, value) = (self.key(place).on(redis), version.to_string());
        match version % 6 {
            0 => key.set(&value).await,
            1 => key.del().await.map(drop),
            2 => key.expire(Duration::ZERO).await.map(drop),
            3 => key.update(|cached| cached.clone_from(&value)).await.map(drop),
            4 => redis.transaction((key.del(),)).await.map(drop),
            _ => key.update_with(|_| Change::Delete).await.map(drop),
        }
    }

    async fn cached(self: &Arc<Self>, context: &Context, redis: &Redis, place: u64) -> Result<String, Error> {
        let row = Arc::clone(self);
        let key = match self.promise() {
            Promise::Group => {
                let member = Keys::all(self.task, place).member(&Keys::member(self.task)).on(redis);
                context.timed(Operation::Member, member).await?
            }
            _ => self.key(place),
        };
        let filling = key.get_or_set(move || row.load()).on(redis);
        context.timed(Operation::GetOrSet, filling.into_future()).await
    }
}

async fn write(context: Arc<Context>, row: Arc<Row>) {
    while context.goes_on() {
        let version = row.committed.fetch_add(1, Ordering::SeqCst) + 1;
        let place = row.written().place;
        let redis = &context.handles[usize::from(version % 4 > 1)];
        let operation =
            if row.promise() == Promise::Group { Operation::Invalidate } else { Operation::Supersede };
        let outcome = context.timed(operation, row.supersede(redis, place, version)).await;
        *row.written.lock().expect("no task panics") = match Outcome::of(&outcome) {
            Outcome::Acknowledged(at) => Written { place, version, acknowledged: Some(at) },
            // It may arrive later than the next one.
            _ => Written { place: place + 1, version: 0, acknowledged: None },
        };
        context.pause().await;
    }
}

async fn read(context: Arc<Context>, row: Arc<Row>, program: usize) {
    while context.goes_on() {
        let Written { place, version, acknowledged } = row.written();
        if let Ok(value) = row.cached(&context, &context.handles[program], place).await {
            let is_outdated = !value.parse::<u64>().is_ok_and(|found| found >= version);
            let broken = is_outdated.then(|| Broken {
                promise: row.promise(),
                key: match row.promise() {
                    Promise::Group => context.name(&Keys::all(row.task, place)),
                    _ => context.name(&row.key(place)),
                },
                acknowledged: acknowledged.map(|at| (at, at)),
                found: format!("program {program} read {value}, after {version} was written"),
            });
            context.check(row.promise(), broken);
            tokio::time::sleep(QUERY).await;
        } else {
            context.pause().await;
        }
    }
}
