//! Chooses the replica for a read.

use std::sync::Arc;
use std::time::Duration;

use crate::connect::breaker::BreakerState;
use crate::connect::node::Node;

/// Replicas whose round trips differ by less than this are equally near.
const SAME: Duration = Duration::from_millis(1);

/// Returns a replica that is in sync and near. Reads are spread over those that are equally near.
pub(in crate::connect) fn choose<'n>(
    replicas: impl Iterator<Item = &'n Arc<Node>> + Clone,
) -> Option<&'n Arc<Node>> {
    let usable = replicas
        .filter(|node| node.condition.is_in_sync() && node.facts.breaker.state() != BreakerState::Open);
    nearest(usable, |node| node.condition.latency())
}

fn nearest<T>(
    replicas: impl Iterator<Item = T> + Clone,
    latency: impl Fn(&T) -> Option<Duration>,
) -> Option<T> {
    let shortest = replicas.clone().filter_map(|replica| latency(&replica)).min().unwrap_or_default();
    let limit = (shortest * 2).max(shortest + SAME);
    let near = replicas.filter(|replica| latency(replica).is_none_or(|latency| latency <= limit));
    // Without a copy of the list, and without a counter that all threads write to.
    let mut chosen = None;
    for (replica, nth) in near.zip(1..) {
        if nth == 1 || fastrand::u32(..nth) == 0 {
            chosen = Some(replica);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_spread_over_near_replicas() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let replicas = [("a", ms(10)), ("b", ms(12)), ("new", None), ("far", ms(40))];
        let mut counts = std::collections::HashMap::new();
        for _ in 0..3000 {
            let (name, _) = nearest(replicas.iter(), |(_, latency)| *latency).unwrap();
            *counts.entry(*name).or_insert(0) += 1;
        }
        assert_eq!(counts.get("far"), None);
        assert!(["a", "b", "new"].iter().all(|name| counts[name] > 500), "{counts:?}");
        assert!(nearest(std::iter::empty::<&u8>(), |_| None).is_none());
    }
}
