//! Lists that several programs update. Each program adds its own elements.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis_keyspace::Redis;
use tokio::task::JoinSet;

use super::keys::Keys;
use super::ledger::Outcome;
use super::progress::Operation;
use super::promises::{Broken, Checked, Context, Promise};

/// How many lists are updated at the same time, and how long they become.
const LISTS: u64 = 4;
const LONGEST: u64 = 100;

/// An element that was added, and what its caller was told.
#[derive(Clone, Copy, Debug)]
pub struct Updated {
    task: u64,
    element: u64,
    outcome: Outcome,
}

pub fn start(context: &Arc<Context>, tasks: &mut JoinSet<()>) {
    for task in 0..LISTS {
        let next = Arc::new(AtomicU64::new(0));
        for program in [0, 0, 1] {
            tasks.spawn(add(Arc::clone(context), Arc::clone(&next), task, program));
        }
    }
}

async fn add(context: Arc<Context>, next: Arc<AtomicU64>, task: u64, program: usize) {
    while context.goes_on() {
        let element = next.fetch_add(1, Ordering::SeqCst);
        let list = Keys::list(task, element / LONGEST).on(&context.handles[program]);
        let update = list.update_or_insert(Vec::new, move |elements| elements.push(element));
        let outcome = context.timed(Operation::Update, update).await;
        context.updated(Updated { task, element, outcome: Outcome::of(&outcome) });
        context.pause().await;
    }
}

/// Looks for the elements in the lists. `read` returns the values of keys that have the same slot.
pub fn audit(read: &mut dyn FnMut(&[String]) -> Vec<Option<String>>, redis: &Redis, checked: &mut Checked) {
    let mut lists: BTreeMap<(u64, u64), Vec<Updated>> = BTreeMap::new();
    for update in checked.updated.drain(..) {
        lists.entry((update.task, update.element / LONGEST)).or_default().push(update);
    }
    for ((task, place), updates) in lists {
        let key = redis.wire_key(&Keys::list(task, place)).expect("the key has a name");
        let list = read(std::slice::from_ref(&key)).remove(0).unwrap_or_default();
        let elements = list.trim_matches(['[', ']']).split(',').filter_map(|element| element.parse().ok());
        let elements: Vec<u64> = elements.collect();
        for Updated { element, outcome, .. } in updates {
            let count = elements.iter().filter(|found| **found == element).count();
            let broken = |promise, acknowledged| Broken {
                promise,
                key: key.clone(),
                acknowledged,
                found: format!("{element} is there {count} times"),
            };
            checked.check(Promise::Change, (count > 1).then(|| broken(Promise::Change, None)));
            if let Outcome::Acknowledged(at) = outcome {
                let lost = (count == 0).then(|| broken(Promise::Update, Some((at, at))));
                checked.check(Promise::Update, lost);
            }
        }
    }
}
