//! Locks that several programs want, and work that runs once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis_keyspace::lock::LockHandle;
use redis_keyspace::{Error, Redis};
use tokio::task::JoinSet;

use super::keys::Keys;
use super::progress::Operation;
use super::promises::{Broken, Context, Promise};

/// How many locks there are, and the number of ids of work that runs at the same time.
const LOCKS: u64 = 4;
const WORKS: u64 = 4;
/// How long to wait for a lock, and for another caller that does the work.
pub const WAIT: Duration = Duration::from_secs(2);
/// How long a lock is held. Now and then, longer than until its renewal.
const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_millis(700);
/// How many results of earlier work are asked for again.
const REMEMBERED: usize = 50;

pub fn start(context: &Arc<Context>, tasks: &mut JoinSet<()>) {
    for task in 0..LOCKS {
        let holder = Arc::new(Mutex::default());
        for program in [0, 0, 1] {
            tasks.spawn(hold(Arc::clone(context), Arc::clone(&holder), task, program));
        }
    }
    for task in 0..WORKS {
        tasks.spawn(work(Arc::clone(context), task));
    }
}

#[derive(Default)]
struct Holder {
    /// With the time when the lock was taken.
    held: Option<(LockHandle, Instant)>,
    /// The highest fencing number.
    highest: u64,
}

async fn hold(context: Arc<Context>, holder: Arc<Mutex<Holder>>, task: u64, program: usize) {
    let (lock, redis) = (Keys::lock(task), &context.handles[program]);
    let mut times = task;
    while context.goes_on() {
        let earlier = holder.lock().expect("no task panics").highest;
        let Ok(guard) = context.timed(Operation::Lock, lock.lock().wait(WAIT).on(redis)).await else {
            context.pause().await;
            continue;
        };
        let (fencing, now) = (guard.fencing(), Instant::now());
        let second = {
            let mut holder = holder.lock().expect("no task panics");
            holder.highest = holder.highest.max(fencing);
            let other = holder.held.take().filter(|(other, _)| !other.is_lost() && !guard.is_lost());
            holder.held = Some((guard.held(), now));
            other
        };
        let broken =
            |promise, acknowledged, found| Broken { promise, key: context.name(&lock), acknowledged, found };
        context.check(
            Promise::Lock,
            second.map(|(other, since)| {
                let found = format!("{fencing} while {} holds it", other.fencing());
                broken(Promise::Lock, Some((since, now)), found)
            }),
        );
        let is_low = fencing <= earlier;
        let low = is_low.then(|| broken(Promise::Fencing, None, format!("{fencing} after {earlier}")));
        context.check(Promise::Fencing, low);
        times += 1;
        tokio::time::sleep(if times.is_multiple_of(30) { LONG } else { SHORT }).await;
        {
            let mut holder = holder.lock().expect("no task panics");
            holder.held.take_if(|(held, _)| held.fencing() == fencing);
        }
        _ = context.timed(Operation::Release, guard.release()).await;
    }
}

/// Runs work with ids: three callers at the same time, and another one later.
async fn work(context: Arc<Context>, task: u64) {
    let mut results: VecDeque<(u64, String, Instant)> = VecDeque::new();
    for id in 0.. {
        if !context.goes_on() {
            break;
        }
        let (began, runs) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let run = async |program: usize| {
            let outcome = run_once(&context, &context.handles[program], task, id, &runs).await;
            outcome.map(|result| (result, Instant::now()))
        };
        let (first, second, third) = tokio::join!(run(0), run(0), run(1));
        let outcomes = [first, second, third, run(1).await];
        let failed = outcomes.iter().any(Result::is_err);
        let mut stored: Vec<_> = outcomes.into_iter().flatten().collect();
        stored.sort_by_key(|(_, at)| *at);
        context.pause().await;
        let Some((result, at)) = stored.first().cloned() else { continue };
        let differs = stored.iter().any(|(other, _)| *other != result);
        let ran_again = !failed && runs.load(Ordering::SeqCst) > 1;
        let broken = (differs || ran_again).then(|| Broken {
            promise: Promise::Once,
            key: context.name(&Keys::paid(task, id)),
            acknowledged: Some((began, Instant::now())),
            found: format!("{stored:?}, run {} times", runs.load(Ordering::SeqCst)),
        });
        // With a failure, only a difference is certain.
        if !failed || broken.is_some() {
            context.check(Promise::Once, broken);
        }
        results.push_back((id, result, at));
        if results.len() > REMEMBERED {
            let (id, result, at) = results.pop_front().expect("it is not empty");
            ask_again(&context, task, id, &result, at).await;
        }
    }
    for (id, result, at) in results {
        ask_again(&context, task, id, &result, at).await;
    }
}

async fn run_once(
    context: &Context,
    redis: &Redis,
    task: u64,
    id: u64,
    runs: &Arc<AtomicU64>,
) -> Result<String, Error> {
    let runs = Arc::clone(runs);
    let charge = move || async move {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
        format!("{task}.{id}.{run}")
    };
    context.timed(Operation::Once, Keys::paid(task, id).run(charge).wait(WAIT).on(redis)).await
}

async fn ask_again(context: &Context, task: u64, id: u64, result: &str, at: Instant) {
    let runs = Arc::new(AtomicU64::new(100));
    if let Ok(now) = run_once(context, &context.handles[1], task, id, &runs).await {
        let broken = (now != result).then(|| Broken {
            promise: Promise::Once,
            key: context.name(&Keys::paid(task, id)),
            acknowledged: Some((at, at)),
            found: format!("{now}, and earlier {result}"),
        });
        context.check(Promise::Once, broken);
    }
}
