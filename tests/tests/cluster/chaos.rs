//! Checks the guarantees on a cluster under attack; see `redis_keyspace_tests::cluster_chaos`. The
//! long version is `cargo run --release -p redis-keyspace-tests --example cluster_chaos`.

use redis_keyspace_tests::chaos::{Ours, cancel_at};
use redis_keyspace_tests::cluster_chaos::{Attacked, ClusterFault};
use redis_keyspace_tests::{PATIENCE, shared_cluster, within};

fn attack(fault: ClusterFault) {
    within(PATIENCE, async {
        let run = Attacked::start(fault).await.run(0).await;
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
    attack(ClusterFault::Kill);
}

#[test]
fn a_failover_breaks_no_promise() {
    attack(ClusterFault::Failover);
}

#[test]
fn slots_that_move_break_no_promise() {
    attack(ClusterFault::Move);
}

#[test]
fn faults_of_the_network_break_no_promise() {
    attack(ClusterFault::Network);
}

#[test]
fn dropped_futures_never_cause_a_foreign_reply() {
    let report = within(PATIENCE, cancel_at::<Ours>(&shared_cluster().url(), 20_000));
    assert!(report.cancelled >= 20_000 && report.finished > 2_000, "{report:?}");
    assert_eq!((report.failed, report.foreign), (0, 0), "{report:?}");
}
