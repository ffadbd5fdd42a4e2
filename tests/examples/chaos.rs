//! The attacks of the fault suite on the library and on a stock bb8-redis pool, side by side in one run.
//!
//! `cargo run --release -p redis-keyspace-tests --example chaos`, with `-- --long` for minutes instead of seconds.

use std::time::Duration;

use redis_keyspace_tests::chaos::{Cancelled, Ours, Report, Stock, attack, cancel};

#[tokio::main(worker_threads = 2)]
async fn main() {
    let long = std::env::args().any(|argument| argument == "--long");
    let (rounds, cancellations) = if long { (20, 1_000_000) } else { (2, 100_000) };
    let span = Duration::from_millis(300);
    println!("{}", Report::HEAD);
    println!("{}", attack::<Ours>(rounds, span).await);
    println!("{}", attack::<Stock>(rounds, span).await);
    println!(
        "\n| client | cancelled | finished | failed | foreign replies |\n| --- | --- | --- | --- | --- |"
    );
    for report in [cancel::<Ours>(cancellations).await, cancel::<Stock>(cancellations).await] {
        let Cancelled { client, cancelled, finished, failed, foreign } = report;
        println!("| {client} | {cancelled} | {finished} | {failed} | {foreign} |");
    }
}
