//! Checks the guarantees on a cluster under attack; see `redis_keyspace_tests::cluster_chaos`. The
//! long version is `cargo run --release -p redis-keyspace-tests --example cluster_chaos`.

use redis_keyspace_tests::cluster_chaos::{Attacked, ClusterFault};
use redis_keyspace_tests::{PATIENCE, within};

fn attack(fault: ClusterFault) {
    within(PATIENCE, async {
        let run = Attacked::start(fault).await.run(0).await;
        println!("{run}");
        assert!(run.operations() > 0);
        for (what, count) in run.violations() {
            assert_eq!(count, 0, "{what}: {run}");
        }
    });
}

#[test]
fn a_killed_master_causes_no_doubled_increment_and_no_wrong_reply() {
    attack(ClusterFault::Kill);
}

#[test]
fn a_failover_causes_no_doubled_increment_and_no_wrong_reply() {
    attack(ClusterFault::Failover);
}
