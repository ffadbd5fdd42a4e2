//! Whether replicas are wanted, and what was found about them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::check::{ReplicaGroup, check};
use crate::task::spawn;
use crate::time::{Deadline, jittered};

/// The pause between two checks.
const EVERY: Duration = Duration::from_secs(1);
/// The pause while replicas are first looked for, and how many checks that takes at most.
const SOON: Duration = Duration::from_millis(100);
const FIRST_CHECKS: u64 = 10;
/// Replicas that were not read from for this long are not checked any more.
const UNUSED: Duration = Duration::from_secs(30);

/// The replicas that the reads of a pool may use. They are found and checked from the first such
/// read on.
#[derive(Default)]
pub(in crate::connect) struct Replicas {
    state: Arc<ReplicasState>,
    task: OnceLock<AbortHandle>,
}

struct ReplicasState {
    /// Set by each read that prefers a replica.
    is_wanted: AtomicBool,
    wanted: Notify,
    /// Counts the checks.
    checks: watch::Sender<u64>,
}

impl Default for ReplicasState {
    fn default() -> Self {
        Self { is_wanted: AtomicBool::new(false), wanted: Notify::new(), checks: watch::Sender::new(0) }
    }
}

impl Replicas {
    /// Notes that a read prefers a replica. The first call starts to check the groups. The checks
    /// end when `groups` returns `None`.
    #[inline]
    pub(in crate::connect) fn want(&self, runtime: &Handle, groups: impl FnOnce() -> Groups) {
        if self.state.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        self.state.is_wanted.store(true, Ordering::Relaxed);
        self.task.get_or_init(|| spawn(runtime, keep_checking(Arc::clone(&self.state), groups())));
        self.state.wanted.notify_one();
    }

    /// Waits until a replica is found, while replicas are first looked for. Call
    /// [`want`](Self::want) first.
    pub(in crate::connect) async fn ready(&self, deadline: Deadline, is_found: impl Fn() -> bool) {
        let mut checks = self.state.checks.subscribe();
        while !is_found() && *checks.borrow_and_update() < FIRST_CHECKS {
            if timeout_at(deadline.at(), checks.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// Returns the current groups.
pub(in crate::connect) type Groups = Box<dyn Fn() -> Option<Vec<ReplicaGroup>> + Send + Sync>;

async fn keep_checking(state: Arc<ReplicasState>, groups: Groups) {
    let mut last_wanted = Instant::now();
    loop {
        if state.is_wanted.swap(false, Ordering::Relaxed) {
            last_wanted = Instant::now();
        } else if last_wanted.elapsed() > UNUSED {
            // What is known now will be too old.
            for group in groups().into_iter().flatten() {
                group.replicas.iter().for_each(|replica| replica.condition.set_in_sync(false));
            }
            state.checks.send_replace(0);
            state.wanted.notified().await;
            continue;
        }
        let Some(groups) = groups() else { return };
        let is_found = groups.iter().all(|group| !group.replicas.is_empty());
        check(groups).await;
        let mut checks = 0;
        state.checks.send_modify(|count| {
            *count = count.saturating_add(1);
            checks = *count;
        });
        let pause = if is_found || checks >= FIRST_CHECKS { EVERY } else { SOON };
        sleep(jittered(pause)).await;
    }
}
