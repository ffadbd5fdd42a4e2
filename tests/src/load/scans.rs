//! Scans of keys that always exist, and deletions by pattern next to them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use redis_keyspace::{Error, Key, Redis};
use tokio::task::JoinSet;

use super::keys::Keys;
use super::progress::Operation;
use super::promises::{Broken, Context, Promise};

/// How many keys each scan must find.
const STAYING: u64 = 200;
/// How many keys are deleted together.
const SWEPT: u64 = 10;

/// Stores the keys, and starts the tasks.
pub async fn start(context: &Arc<Context>, tasks: &mut JoinSet<()>) {
    let stored = Key::set_many((0..STAYING).map(|id| (Keys::stay(id), "x"))).on(&context.handles[0]);
    stored.await.expect("nothing disturbs the servers yet");
    tasks.spawn(scan(Arc::clone(context)));
    tasks.spawn(sweep(Arc::clone(context)));
}

async fn scan(context: Arc<Context>) {
    let expected: BTreeSet<String> = (0..STAYING).map(|id| Keys::stay(id).to_string()).collect();
    while context.goes_on() {
        if let Ok(keys) = context.timed(Operation::Scan, found(&context.handles[1])).await {
            let distinct: BTreeSet<String> = keys.iter().cloned().collect();
            let missing: Vec<_> = expected.difference(&distinct).collect();
            let is_exact = distinct == expected && keys.len() == distinct.len();
            let broken = (!is_exact).then(|| Broken {
                promise: Promise::Scan,
                key: context.name(&Keys::stay(0)),
                acknowledged: None,
                found: format!(
                    "{} keys, {} of them different, without {missing:?}",
                    keys.len(),
                    distinct.len()
                ),
            });
            context.check(Promise::Scan, broken);
        }
        context.pause().await;
    }
}

async fn found(redis: &Redis) -> Result<Vec<String>, Error> {
    let (mut scan, mut keys) = (Keys::stay_keys().on(redis).page_size(20).scan(), Vec::new());
    while let Some(found) = scan.next().await {
        keys.push(found?.into_key().to_string());
    }
    Ok(keys)
}

async fn sweep(context: Arc<Context>) {
    let redis = &context.handles[0];
    for round in 0.. {
        if !context.goes_on() {
            return;
        }
        let keys = || (0..SWEPT).map(|id| Keys::swept(round, id));
        let stored = Key::set_many(keys().map(|key| (key, "x"))).on(redis);
        if context.timed(Operation::SetMany, stored).await.is_ok() {
            let deleting = Keys::swept_keys().round(round).on(redis).delete();
            let deleting = async { deleting.await.map_err(Error::from) };
            let deleted = context.timed(Operation::Sweep, deleting).await;
            let at = Instant::now();
            let left = context.timed(Operation::GetMany, Key::get_many(keys()).on(redis)).await;
            if let (Ok(_), Ok(values)) = (deleted, left) {
                let left = keys().zip(values).filter(|(_, value)| value.is_some());
                let broken = left.map(|(key, _)| Broken {
                    promise: Promise::Sweep,
                    key: context.name(&key),
                    acknowledged: Some((at, at)),
                    found: "it is there".to_owned(),
                });
                context.check(Promise::Sweep, broken.collect::<Vec<_>>());
            }
        }
        context.pause().await;
    }
}
