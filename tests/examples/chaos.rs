//! The attacks of the fault suite on the library and on a stock bb8-redis pool, side by side in one
//! run.
//!
//! Run it with `cargo run --release -p redis-keyspace-tests --example chaos`. It takes minutes, and
//! with `-- --long` an hour, mostly because the stock pool recovers slowly. It fails if something
//! happened to the library that must never happen, or if a command exceeded its deadline. Other
//! options:
//!
//! - `--rounds 1` and `--cancellations 1000000`: how often to attack and to cancel
//! - `--span 3000`: the duration of each attack, in milliseconds
//! - `--seed 7`: selects the order of the attacks
//! - `--ours`: leaves out the stock pool

use std::process::ExitCode;
use std::time::Duration;

use redis_keyspace_tests::chaos::{Cancelled, Ours, Plan, Report, Stock, attack, cancel};

/// Returns the number after a name on the command line.
fn number(name: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments.next().map(|number| number.parse().unwrap_or_else(|_| panic!("{name} takes a number")))
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let long = std::env::args().any(|argument| argument == "--long");
    let (rounds, cancellations) = if long { (20, 1_000_000) } else { (2, 100_000) };
    let rounds = number("--rounds").map_or(rounds, |rounds| usize::try_from(rounds).expect("few rounds"));
    let cancellations = number("--cancellations").unwrap_or(cancellations);
    let span = Duration::from_millis(number("--span").unwrap_or(300));
    let plan = Plan { seed: number("--seed").unwrap_or(1), rounds, span, given_up: Duration::from_secs(40) };
    let ours_only = std::env::args().any(|argument| argument == "--ours");
    let mut violations = Vec::new();
    if rounds > 0 {
        println!("{}", Report::HEAD);
        let report = attack::<Ours>(plan).await;
        println!("{report}");
        violations = report.violations();
        if !ours_only {
            println!("{}\n", attack::<Stock>(plan).await);
        }
    }
    if cancellations > 0 {
        println!(
            "| client | cancelled | finished | failed | foreign replies |\n| --- | --- | --- | --- | --- |"
        );
        let mut reports = vec![cancel::<Ours>(cancellations).await];
        violations.push(("foreign replies after cancellations".to_owned(), reports[0].foreign));
        violations.push(("failures after cancellations".to_owned(), reports[0].failed));
        if !ours_only {
            reports.push(cancel::<Stock>(cancellations).await);
        }
        for report in reports {
            let Cancelled { client, cancelled, finished, failed, foreign } = report;
            println!("| {client} | {cancelled} | {finished} | {failed} | {foreign} |");
        }
    }
    violations.retain(|(_, count)| *count > 0);
    for (what, count) in &violations {
        println!("{what}: {count}");
    }
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
