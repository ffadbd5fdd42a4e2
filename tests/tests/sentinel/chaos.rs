//! Checks the guarantees under attack; see `redis_keyspace_tests::sentinel_chaos`. The long version
//! is `cargo run --release -p redis-keyspace-tests --example sentinel_chaos`.

use redis_keyspace_tests::sentinel_chaos::{AttackedSentinels, SentinelFault};
use redis_keyspace_tests::{PATIENCE, within};

fn attack(fault: SentinelFault) {
    within(PATIENCE, async {
        let run = AttackedSentinels::start(fault).await.run(0).await;
        println!("{run}");
        assert!(run.operations() > 0);
        for (promise, checks) in run.checks() {
            assert!(checks > 0, "never checked: {promise}: {run}");
        }
        for (what, count) in run.timeless_violations() {
            assert_eq!(count, 0, "{what}: {run}");
        }
    });
}

#[test]
fn a_killed_master_breaks_no_promise() {
    attack(SentinelFault::Kill);
}

#[test]
fn a_failover_breaks_no_promise() {
    attack(SentinelFault::Failover);
}
