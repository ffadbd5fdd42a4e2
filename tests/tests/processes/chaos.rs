//! Checks the guarantees under attack; see `redis_keyspace_tests::chaos`. The long version compares
//! with a stock pool: `cargo run --release -p redis-keyspace-tests --example chaos -- --long`.

use std::time::Duration;

use redis_keyspace_tests::chaos::{Attack, Ours, Plan, WORKERS, attack, cancel};
use redis_keyspace_tests::{PATIENCE, Promise, child_test, within};

/// Set in the child process of a test.
const ALONE: &str = "REDIS_KEYSPACE_CHAOS_ALONE";

#[test]
fn acknowledged_writes_survive_and_nothing_counts_twice() {
    // In its own process, because it measures the memory of the process.
    if std::env::var_os(ALONE).is_none() {
        let test = "acknowledged_writes_survive_and_nothing_counts_twice";
        child_test!(test).env(ALONE, "1").spawn().passes();
        return;
    }
    let plan = Plan { seed: 1, rounds: 2, span: Duration::from_millis(150), given_up: PATIENCE };
    let report = within(PATIENCE, attack::<Ours>(plan));
    println!("{report}");
    assert_eq!(report.attacks, 2 * Attack::ALL.len());
    let tally = &report.tally;
    // Each worker writes and counts after each attack.
    assert!(tally.acknowledged >= report.attacks as u64 * WORKERS * 2, "{report:?}");
    assert!(tally.failed > 0, "the attacks had no effect: {report:?}");
    assert_eq!((tally.lost, tally.doubled, tally.foreign), (0, 0, 0), "{report:?}");
    for promise in Promise::ALL {
        let (checked, broken) = (report.promises.checked(promise), report.promises.unexplained(promise));
        assert!(checked > 0 && broken == 0, "{promise}: {report}");
    }
    // Two lanes, and the proxy's view of one that was just closed.
    assert!(report.open.0 <= 4 && report.open.1 == 0, "{report:?}");
    assert!(report.growth < 32 * 1024, "memory grows: {report:?}");
    assert!(
        report.recoveries.iter().all(|recovery| *recovery < PATIENCE),
        "the client did not recover: {report:?}"
    );
}

#[test]
fn dropped_futures_never_cause_a_foreign_reply() {
    let report = within(PATIENCE, cancel::<Ours>(50_000));
    assert!(report.cancelled >= 50_000 && report.finished > 5_000, "{report:?}");
    assert_eq!((report.failed, report.foreign), (0, 0), "{report:?}");
}
