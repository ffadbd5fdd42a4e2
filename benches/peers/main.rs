//! Compares the typed API with other clients in one run; see the README of this package.

mod bound;
#[cfg(feature = "cluster")]
mod clusters;
mod driver;
mod measure;
mod others;
mod peer;
mod report;
#[cfg(feature = "telemetry")]
mod telemetry;
mod typed;
mod typed_writes;
mod write;

use std::time::Duration;

use measure::{Cell, Op, Plan};
use redis_keyspace_benches::{Args, Error, Server, pin_process};

fn main() -> Result<(), Error> {
    #[cfg(feature = "tls")]
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "rustls has a provider already")?;
    let mut args = Args::from_env();
    let smoke = args.smoke();
    let json = args.flag("--json");
    let pinned = !args.flag("--no-pin");
    let unix = args.flag("--unix");
    let count = args.option::<usize>("--count")?;
    #[cfg(feature = "telemetry")]
    telemetry::start(args.flag("--metrics"), args.flag("--spans"))?;
    let workers = args.option("--workers")?.unwrap_or(2_usize);
    let plan = Plan {
        ops: args.list("--ops")?.unwrap_or_else(|| vec![Op::Get, Op::Set]),
        tasks: args
            .list("--tasks")?
            .unwrap_or_else(|| if smoke { vec![1, 16] } else { vec![1, 16, 64, 256, 1024] }),
        rounds: args.option("--rounds")?.unwrap_or(if smoke { 1 } else { 5 }).max(1),
        time: Duration::from_millis(args.option("--millis")?.unwrap_or(if smoke { 20 } else { 400 })),
    };
    let named = args.list::<String>("--peers")?;
    let words = args.words()?;
    let peers: Vec<_> = peer::NAMES
        .iter()
        .filter(|(name, by_default)| match &named {
            Some(named) => named.iter().any(|wanted| wanted == name),
            None if words.is_empty() => *by_default,
            None => words.iter().any(|word| name.contains(word.as_str())),
        })
        .map(|(name, _)| *name)
        .collect();
    if let Some(unknown) = named.iter().flatten().find(|wanted| peers.iter().all(|name| name != wanted)) {
        let known: Vec<_> = peer::NAMES.iter().map(|(name, _)| *name).collect();
        return Err(format!("unknown peer {unknown}; the peers are {}", known.join(", ")).into());
    }

    // The server is pinned explicitly; otherwise it would inherit the client's core.
    let pinned = pinned && pin_process(0);
    let server = Server::start(pinned.then_some(1))?;
    let mut runtime = match workers {
        0 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(workers.max(1)).enable_all().build()?;
    let cells: Vec<Cell> = runtime.block_on(async {
        let peers = peer::connect(&peers, &server, unix).await?;
        peer::preload(&server).await?;
        if let Some(operations) = count {
            measure::count(&plan, &peers, operations).await;
            return Ok(Vec::new());
        }
        measure::run(&plan, &peers, &server).await
    })?;
    if count.is_some() {
        return Ok(());
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&cells)?);
    } else {
        print!("{}", report::markdown(&plan, &cells, &server, &report::Setup { pinned, unix, workers }));
    }
    let errors: usize = cells.iter().flat_map(|cell| &cell.rounds).map(|round| round.errors).sum();
    if smoke && errors > 0 { Err(format!("{errors} operations failed").into()) } else { Ok(()) }
}
