//! Checks the guarantees under attack; see `redis_keyspace_tests::sentinel_chaos`. The long version
//! is `cargo run --release -p redis-keyspace-tests --example sentinel_chaos`.

use redis_keyspace_tests::sentinel_chaos::{AttackedSentinels, SentinelFault};
use redis_keyspace_tests::{PATIENCE, within};

/// What is limited to a time, which a busy machine may exceed.
const TIMED: [&str; 2] = ["late writes", "unexplained losses"];

fn attack(fault: SentinelFault) {
    within(PATIENCE, async {
        let run = AttackedSentinels::start(fault).await.run(0).await;
        println!("{run}");
        assert!(run.operations() > 0);
        for (what, count) in run.violations().into_iter().filter(|(what, _)| !TIMED.contains(what)) {
            assert_eq!(count, 0, "{what}: {run}");
        }
    });
}

#[test]
fn a_killed_master_causes_no_doubled_increment_and_no_wrong_reply() {
    attack(SentinelFault::Kill);
}

#[test]
fn a_failover_causes_no_doubled_increment_and_no_wrong_reply() {
    attack(SentinelFault::Failover);
}
