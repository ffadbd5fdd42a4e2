//! Deletes the keys of one user, by template and by hand, and measures time and peak memory.
//!
//! Every variant runs in a separate process, so its peak memory can be measured.

use std::process::{Command, Stdio};
use std::time::Instant;

use redis_keyspace::{Keyspace, Redis, Text};
use redis_keyspace_benches::{Args, Error, Server, median};

/// Logged-in users and their devices.
#[derive(Keyspace)]
#[keyspace(prefix = "session", ttl = "1d")]
struct SessionKeys {
    #[key("{user}:{device}")]
    session: fn(user: u64, device: u64) -> Text,
}

/// The variants. The second is the baseline of the ratios.
const ARMS: [&str; 4] = ["redis-keyspace", "redis-rs", "redis-rs pipelined", "redis-cli, xargs"];
const PAGE: u32 = 1000;

fn main() -> Result<(), Error> {
    let mut args = Args::from_env();
    let arm = args.option::<String>("--arm")?;
    let url = args.option::<String>("--url")?;
    let smoke = args.smoke();
    let keys = args.option("--keys")?.unwrap_or(if smoke { 2000 } else { 1_000_000_u64 });
    let mine = args.option("--mine")?.unwrap_or(keys / 10);
    let rounds = args.option("--rounds")?.unwrap_or(if smoke { 1 } else { 5_usize }).max(1);
    args.words()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match (arm, url) {
        (Some(arm), Some(url)) => runtime.block_on(run_arm(&arm, &url)),
        _ => runtime.block_on(compare(keys, mine, rounds)),
    }
}

async fn compare(keys: u64, mine: u64, rounds: usize) -> Result<(), Error> {
    let server = Server::start(None)?;
    let mut connection = redis::Client::open(server.url())?.get_multiplexed_async_connection().await?;
    fill(&mut connection, 8, keys - mine).await?;
    let mut results = vec![Vec::new(); ARMS.len()];
    for round in 0..rounds {
        for nth in 0..ARMS.len() {
            let arm = (round + nth) % ARMS.len(); // each round starts with a different one
            fill(&mut connection, 7, mine).await?;
            let Some(result) = measure(ARMS[arm], &server)? else { continue };
            results[arm].push(result);
            // The mark that a sweep leaves must not be counted.
            redis::cmd("UNLINK").arg("session:%swept:{}").query_async::<()>(&mut connection).await?;
            let left: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await?;
            if left != keys - mine {
                return Err(format!("{} left {left} keys instead of {}", ARMS[arm], keys - mine).into());
            }
        }
    }
    println!(
        "Deleting {mine} of {keys} keys by template, COUNT {PAGE}; medians of {rounds} rounds, ratios to redis-rs of the \
         same round.\n\n| | seconds | ratio | peak memory, MB |\n| --- | --- | --- | --- |"
    );
    let by_hand = results[1].clone();
    for (arm, result) in ARMS.iter().zip(&results) {
        if result.is_empty() {
            println!("| {arm} | not on PATH | | |");
            continue;
        }
        let ratios = result.iter().zip(&by_hand).map(|(ours, theirs)| ours.0 / theirs.0);
        println!(
            "| {arm} | {:.2} | {:.2} | {:.1} |",
            median(result.iter().map(|result| result.0)),
            median(ratios),
            median(result.iter().map(|result| result.1)),
        );
    }
    Ok(())
}

async fn fill(
    connection: &mut redis::aio::MultiplexedConnection,
    user: u64,
    devices: u64,
) -> Result<(), Error> {
    for start in (0..devices).step_by(5000) {
        let mut pipeline = redis::pipe();
        for device in start..devices.min(start + 5000) {
            pipeline.set(SessionKeys::session(user, device).as_str(), "x").ignore();
        }
        pipeline.query_async::<()>(connection).await?;
    }
    Ok(())
}

/// Runs a variant in a separate process. Returns seconds and megabytes, or `None` if the variant
/// can't run on this machine.
fn measure(arm: &str, server: &Server) -> Result<Option<(f64, f64)>, Error> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--bench", "--arm", arm, "--url", &server.url()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err(format!("{arm} failed").into());
    }
    let mut words = text.split_whitespace().map(str::parse::<f64>);
    Ok(match (words.next(), words.next()) {
        (Some(Ok(seconds)), Some(Ok(megabytes))) => Some((seconds, megabytes)),
        _ => None,
    })
}

async fn run_arm(arm: &str, url: &str) -> Result<(), Error> {
    let glob = SessionKeys::session_keys().user(7).glob();
    let start;
    match arm {
        "redis-keyspace" => {
            let redis = Redis::open(url)?;
            redis.connect().await?;
            start = Instant::now();
            SessionKeys::session_keys().user(7).on(&redis).page_size(PAGE).delete().await?;
        }
        "redis-rs" | "redis-rs pipelined" => {
            let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
            start = Instant::now();
            if arm == "redis-rs" {
                by_hand(&mut connection, &glob).await?;
            } else {
                pipelined(&mut connection, &glob).await?;
            }
        }
        _ => {
            start = Instant::now();
            let script = format!(
                "redis-cli -u {url} --scan --pattern '{glob}' | xargs -n 1000 redis-cli -u {url} unlink"
            );
            let there =
                Command::new("sh").args(["-c", "command -v redis-cli"]).stdout(Stdio::null()).status()?;
            if !there.success() {
                return Ok(());
            }
            Command::new("sh").args(["-c", &script]).stdout(Stdio::null()).status()?;
        }
    }
    println!("{} {}", start.elapsed().as_secs_f64(), peak_memory());
    Ok(())
}

fn scan(cursor: u64, glob: &str) -> redis::Cmd {
    let mut command = redis::cmd("SCAN");
    command.arg(cursor).arg("MATCH").arg(glob).arg("COUNT").arg(PAGE);
    command
}

/// Scans and deletes one page after the other, as most people write it.
async fn by_hand(connection: &mut redis::aio::MultiplexedConnection, glob: &str) -> Result<(), Error> {
    let mut cursor = 0;
    loop {
        let (next, keys): (u64, Vec<String>) = scan(cursor, glob).query_async(connection).await?;
        if !keys.is_empty() {
            redis::cmd("UNLINK").arg(keys).query_async::<u64>(connection).await?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}

/// Deletes one page and scans the next in the same round trip.
async fn pipelined(connection: &mut redis::aio::MultiplexedConnection, glob: &str) -> Result<(), Error> {
    let (mut cursor, mut keys): (u64, Vec<String>) = scan(0, glob).query_async(connection).await?;
    loop {
        let mut pipeline = redis::pipe();
        if !keys.is_empty() {
            pipeline.cmd("UNLINK").arg(std::mem::take(&mut keys)).ignore();
        }
        if cursor == 0 {
            return Ok(pipeline.query_async(connection).await?);
        }
        pipeline.add_command(scan(cursor, glob));
        ((cursor, keys),) = pipeline.query_async(connection).await?;
    }
}

/// Returns the peak memory of this process in megabytes; 0 if the system does not report it.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}
