//! The promises under attack: see `redis_keyspace_tests::chaos`. The long version, beside a stock pool, is
//! `cargo run --release -p redis-keyspace-tests --example chaos -- --long`.

use std::time::Duration;

use redis_keyspace_tests::chaos::{Attack, Ours, attack, cancel};
use redis_keyspace_tests::within;

#[test]
fn what_was_acknowledged_is_there_and_nothing_counts_twice() {
    let report = within(Duration::from_secs(180), attack::<Ours>(2, Duration::from_millis(150)));
    println!("{report}");
    assert_eq!(report.attacks, 2 * Attack::ALL.len());
    let tally = &report.tally;
    assert!(tally.acknowledged > 1000, "{report:?}");
    assert!(tally.failed > 0, "the attacks had no effect: {report:?}");
    assert_eq!((tally.lost, tally.doubled, tally.foreign), (0, 0, 0), "{report:?}");
    // Two lanes, and the proxy's view of one that was just given up.
    assert!(report.open.0 <= 4 && report.open.1 == 0, "{report:?}");
    assert!(report.growth < 32 * 1024, "memory grows: {report:?}");
    assert!(report.recoveries.iter().all(|recovery| *recovery < Duration::from_secs(20)), "{report:?}");
}

#[test]
fn futures_dropped_at_random_points_never_give_a_foreign_reply() {
    let report = within(Duration::from_secs(120), cancel::<Ours>(50_000));
    assert!(report.cancelled >= 50_000 && report.finished > 5_000, "{report:?}");
    assert_eq!((report.failed, report.foreign), (0, 0), "{report:?}");
}
