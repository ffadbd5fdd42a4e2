//! Tasks that check what the library promises to several programs that use the same keys.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis_keyspace::{Error, Key, Redis};
use tokio::task::JoinSet;

use super::keys::Keys;
use super::progress::{Operation, Progress};
use super::updates::Updated;
use super::{fills, holders, scans, updates};

/// The pause between two rounds of a task.
const PAUSE: Duration = Duration::from_millis(15);

/// A promise of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// A read that starts after a write never returns a value that was loaded before it.
    Fill,
    /// The same for a group that is invalidated.
    Group,
    /// A lock has one holder at a time.
    Lock,
    /// A later holder has a higher fencing number.
    Fencing,
    /// Work whose result is stored does not run again.
    Once,
    /// An acknowledged update is stored.
    Update,
    /// No update is applied twice.
    Change,
    /// A scan returns each key that exists during the whole scan, once.
    Scan,
    /// A deletion by pattern leaves no key of the pattern.
    Sweep,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fill => "outdated fills",
            Self::Group => "outdated members",
            Self::Lock => "second holders",
            Self::Fencing => "fencing numbers not higher",
            Self::Once => "work run again",
            Self::Update => "lost updates",
            Self::Change => "doubled updates",
            Self::Scan => "incomplete scans",
            Self::Sweep => "keys left by sweeps",
        })
    }
}

impl Promise {
    /// Every promise, once.
    pub const ALL: [Self; 9] = [
        Self::Fill,
        Self::Group,
        Self::Lock,
        Self::Fencing,
        Self::Once,
        Self::Update,
        Self::Change,
        Self::Scan,
        Self::Sweep,
    ];

    /// Whether it is kept even if the servers lose acknowledged writes.
    pub fn survives_losses(self) -> bool {
        matches!(self, Self::Fencing | Self::Change | Self::Scan)
    }
}

/// A promise that was not kept, unless the servers lost an acknowledged write.
#[derive(Clone, Debug)]
pub struct Broken {
    pub promise: Promise,
    /// The stored name of a key in the slot.
    pub key: String,
    /// From when to when the writes were acknowledged whose loss would explain it. `None` if no
    /// loss would.
    pub acknowledged: Option<(Instant, Instant)>,
    pub found: String,
}

/// How often the promises were checked and broken.
#[derive(Clone, Debug, Default)]
pub struct Kept(BTreeMap<Promise, Count>);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    checked: u64,
    broken: u64,
    /// Without those that lost writes explain.
    unexplained: u64,
}

impl Kept {
    /// `explains` returns whether a write to the key that was acknowledged in this time can be
    /// lost.
    pub fn new(checked: &Checked, explains: impl Fn(&str, (Instant, Instant)) -> bool) -> Self {
        let mut all = Self::default();
        for (promise, times) in &checked.times {
            all.0.entry(*promise).or_default().checked += times;
        }
        for Broken { promise, key, acknowledged, .. } in &checked.broken {
            let count = all.0.entry(*promise).or_default();
            count.broken += 1;
            count.unexplained +=
                u64::from(!acknowledged.is_some_and(|acknowledged| explains(key, acknowledged)));
        }
        all
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (promise, other) in &other.0 {
            let count = self.0.entry(*promise).or_default();
            count.checked += other.checked;
            count.broken += other.broken;
            count.unexplained += other.unexplained;
        }
    }

    /// Returns how often a promise was checked.
    pub fn checked(&self, promise: Promise) -> u64 {
        self.0.get(&promise).map_or(0, |count| count.checked)
    }

    /// Returns the promises and how often each of them was broken without an explanation.
    pub fn violations(&self) -> [(Promise, u64); Promise::ALL.len()] {
        Promise::ALL.map(|promise| (promise, self.unexplained(promise)))
    }

    /// Returns how often a promise was broken without an explanation.
    pub fn unexplained(&self, promise: Promise) -> u64 {
        self.0.get(&promise).map_or(0, |count| count.unexplained)
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checked: u64 = self.0.values().map(|count| count.checked).sum();
        write!(f, "{checked} checks")?;
        for (promise, Count { broken, unexplained, .. }) in &self.0 {
            if *broken > 0 {
                write!(f, ", {broken} {promise} ({unexplained} unexplained)")?;
            }
        }
        Ok(())
    }
}

/// What the tasks found.
#[derive(Debug, Default)]
pub struct Checked {
    /// How often each promise was checked.
    pub times: BTreeMap<Promise, u64>,
    pub broken: Vec<Broken>,
    /// The updates, which are checked at the end.
    pub updated: Vec<Updated>,
}

impl Checked {
    /// Records a check.
    pub fn check(&mut self, promise: Promise, broken: impl IntoIterator<Item = Broken>) {
        *self.times.entry(promise).or_default() += 1;
        self.broken.extend(broken);
    }

    /// Compares the data with what the tasks were told. `read` returns the values of keys that have
    /// the same slot, without the library.
    pub fn audit(&mut self, read: &mut dyn FnMut(&[String]) -> Vec<Option<String>>, redis: &Redis) {
        updates::audit(read, redis, self);
    }
}

/// What the tasks share.
pub struct Context {
    /// Handles of two programs.
    pub handles: [Redis; 2],
    stop: Arc<AtomicBool>,
    progress: Mutex<Progress>,
    checked: Mutex<Checked>,
}

impl Context {
    pub fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    pub async fn timed<T>(
        &self,
        operation: Operation,
        running: impl IntoFuture<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        let outcome = running.await;
        self.progress.lock().expect("no task panics").record(operation, started, &outcome);
        outcome
    }

    /// Waits before the next round.
    pub async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }

    /// The stored name of a key.
    pub fn name<V>(&self, key: &Key<Keys, V>) -> String {
        self.handles[0].wire_key(key).expect("the key has a name")
    }

    /// Records a check.
    pub fn check(&self, promise: Promise, broken: impl IntoIterator<Item = Broken>) {
        self.checked.lock().expect("no task panics").check(promise, broken);
    }

    pub fn updated(&self, updated: Updated) {
        self.checked.lock().expect("no task panics").updated.push(updated);
    }
}

/// The running tasks.
pub struct Promises {
    context: Arc<Context>,
    tasks: Mutex<JoinSet<()>>,
}

impl Promises {
    /// Starts the tasks, which end after `stop` was set.
    pub async fn start(handles: &[Redis; 2], stop: &Arc<AtomicBool>) -> Self {
        let context = Arc::new(Context {
            handles: handles.clone(),
            stop: Arc::clone(stop),
            progress: Mutex::default(),
            checked: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        fills::start(&context, &mut tasks);
        holders::start(&context, &mut tasks);
        updates::start(&context, &mut tasks);
        scans::start(&context, &mut tasks).await;
        Self { context, tasks: Mutex::new(tasks) }
    }

    /// Waits for the end of the tasks.
    pub async fn stopped(&self) -> (Progress, Checked) {
        let tasks = std::mem::take(&mut *self.tasks.lock().expect("no task panics"));
        tasks.join_all().await;
        let progress = std::mem::take(&mut *self.context.progress.lock().expect("no task panics"));
        let checked = std::mem::take(&mut *self.context.checked.lock().expect("no task panics"));
        (progress, checked)
    }
}
