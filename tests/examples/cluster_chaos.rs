//! The attacks on real clusters of three masters and three replicas.
//!
//! Run it with `cargo run --release -p redis-keyspace-tests --example cluster_chaos`. It prints
//! each run, then a table of all, then a verdict on each fault. It fails if something happened that
//! must never happen, or if an operation exceeded its deadline. A missed goal for the time of the
//! recovery is printed, and no failure. Options:
//!
//! - `--runs 20`: how often each fault happens
//! - `--fault kill`: only this fault; see `ClusterFault` for the others
//! - `--cancellations 100000`: how many futures are dropped at random points, without a fault

use std::process::ExitCode;

use redis_keyspace_tests::chaos::{Ours, cancel_at};
use redis_keyspace_tests::cluster_chaos::{Attacked, ClusterFault, Report};
use redis_keyspace_tests::{Verdict, shared_cluster};

/// Returns the word after a name on the command line.
fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let runs = option("--runs").map_or(20, |runs| runs.parse().expect("--runs takes a number"));
    let only = option("--fault");
    let is_chosen = |fault: &ClusterFault| only.as_ref().is_none_or(|only| *only == fault.to_string());
    let faults: Vec<_> = ClusterFault::ALL.into_iter().filter(is_chosen).collect();
    assert!(
        !faults.is_empty(),
        "--fault takes one of {:?}",
        ClusterFault::ALL.map(|fault| fault.to_string())
    );
    let number = |text: String| text.parse().expect("--cancellations takes a number");
    let cancellations = option("--cancellations").map_or(if only.is_some() { 0 } else { 100_000 }, number);
    let mut reports = Vec::new();
    for fault in faults {
        let attacked = Attacked::start(fault).await;
        let mut report = Report::new(fault);
        for nth in 0..runs {
            let run = attacked.run(nth).await;
            print!("{run}");
            report.add(run);
        }
        reports.push(report);
    }
    println!("\n{}", Report::HEAD);
    for report in &reports {
        println!("{report}");
    }
    let verdicts: Vec<_> = reports.iter().map(Report::verdict).collect();
    println!();
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
    let mut is_clean = verdicts.iter().all(Verdict::is_clean);
    if cancellations > 0 {
        let cancelled = cancel_at::<Ours>(&shared_cluster().url(), cancellations).await;
        println!("\n{cancelled:?}");
        is_clean &= cancelled.failed + cancelled.foreign == 0;
    }
    if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
