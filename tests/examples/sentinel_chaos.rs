//! The attacks on a real master with two replicas and three sentinels.
//!
//! Run it with `cargo run --release -p redis-keyspace-tests --example sentinel_chaos`. It prints
//! each run, then a table of all, then a verdict on each fault. It fails if something happened that
//! must never happen, or if an operation exceeded its deadline. A missed goal for the time of the
//! recovery is printed, and no failure. Options:
//!
//! - `--runs 20`: how often each fault happens
//! - `--fault kill`: only this fault; see `SentinelFault` for the others

use std::process::ExitCode;

use redis_keyspace_tests::Verdict;
use redis_keyspace_tests::sentinel_chaos::{AttackedSentinels, SentinelFault, SentinelReport};

/// Returns the word after a name on the command line.
fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let runs = option("--runs").map_or(20, |runs| runs.parse().expect("--runs takes a number"));
    let only = option("--fault");
    let is_chosen = |fault: &SentinelFault| only.as_ref().is_none_or(|only| *only == fault.to_string());
    let faults: Vec<_> = SentinelFault::ALL.into_iter().filter(is_chosen).collect();
    assert!(
        !faults.is_empty(),
        "--fault takes one of {:?}",
        SentinelFault::ALL.map(|fault| fault.to_string())
    );
    let mut reports = Vec::new();
    for fault in faults {
        let attacked = AttackedSentinels::start(fault).await;
        let mut report = SentinelReport::new(fault);
        for nth in 0..runs {
            let run = attacked.run(nth).await;
            print!("{run}");
            report.add(run);
        }
        reports.push(report);
    }
    println!("\n{}", SentinelReport::HEAD);
    for report in &reports {
        println!("{report}");
    }
    let verdicts: Vec<_> = reports.iter().map(SentinelReport::verdict).collect();
    println!();
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
    if verdicts.iter().all(Verdict::is_clean) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
