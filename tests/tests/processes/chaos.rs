//! The promises under attack: see `redis_keyspace_tests::chaos`. The long version, alongside a stock pool, is
//! `cargo run --release -p redis-keyspace-tests --example chaos -- --long`.

use std::time::Duration;

use redis_keyspace_tests::chaos::{Attack, Ours, Plan, WORKERS, attack, cancel};
use redis_keyspace_tests::{PATIENCE, child_test, within};

/// Set in the process that a test starts for itself.
const ALONE: &str = "REDIS_KEYSPACE_CHAOS_ALONE";

#[test]
fn what_was_acknowledged_is_there_and_nothing_counts_twice() {
    // Alone in a process, since it looks at how much memory that takes.
    if std::env::var_os(ALONE).is_none() {
        let test = "what_was_acknowledged_is_there_and_nothing_counts_twice";
        child_test!(test).env(ALONE, "1").spawn().passes();
        return;
    }
    let plan = Plan { seed: 1, rounds: 2, span: Duration::from_millis(150), given_up: PATIENCE };
    let report = within(PATIENCE, attack::<Ours>(plan));
    println!("{report}");
    assert_eq!(report.attacks, 2 * Attack::ALL.len());
    let tally = &report.tally;
    // Each worker has written and counted after each attack.
    assert!(tally.acknowledged >= report.attacks as u64 * WORKERS * 2, "{report:?}");
    assert!(tally.failed > 0, "the attacks had no effect: {report:?}");
    assert_eq!((tally.lost, tally.doubled, tally.foreign), (0, 0, 0), "{report:?}");
    // Two lanes, and the proxy's view of one that was just given up.
    assert!(report.open.0 <= 4 && report.open.1 == 0, "{report:?}");
    assert!(report.growth < 32 * 1024, "memory grows: {report:?}");
    assert!(
        report.recoveries.iter().all(|recovery| *recovery < PATIENCE),
        "it does not come back: {report:?}"
    );
}

#[test]
fn futures_dropped_at_random_points_never_give_a_foreign_reply() {
    let report = within(PATIENCE, cancel::<Ours>(50_000));
    assert!(report.cancelled >= 50_000 && report.finished > 5_000, "{report:?}");
    assert_eq!((report.failed, report.foreign), (0, 0), "{report:?}");
}
