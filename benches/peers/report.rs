//! Prints the results as Markdown.

use std::fmt::Write as _;

use redis_keyspace_benches::{Server, median};

use crate::measure::{Cell, Op, Plan, Round};
use crate::peer::{BOUNDS, DRIVERS, TLS_DRIVERS};

pub struct Setup {
    pub pinned: bool,
    pub unix: bool,
    pub workers: usize,
}

pub fn markdown(plan: &Plan, cells: &[Cell], server: &Server, setup: &Setup) -> String {
    let mut out = String::new();
    let place = if setup.pinned { "server on core 1, client on core 0" } else { "not pinned" };
    let way = if setup.unix { "unix socket" } else { "loopback TCP" };
    let runtime = match setup.workers {
        0 => "single-threaded runtime".to_owned(),
        workers => format!("runtime of {workers} workers"),
    };
    let _ = writeln!(
        out,
        "{}; {way}; {place}; {runtime}; medians of {} interleaved rounds of {} ms; values of 224 bytes of JSON, decoded \
         and encoded with serde_json; SET with EX. Every client has its default configuration, except `-nodelay`, which \
         sets TCP_NODELAY, and names that end in a number of connections.\n",
        server.version(),
        plan.rounds,
        plan.time.as_millis(),
    );
    let _ = writeln!(
        out,
        "k ops/s · p50/p99 us · client CPU/server CPU in us per op · ratio of ops/s to the better redis-rs · to the better \
         bound, in the same round\n"
    );
    for &op in &plan.ops {
        let _ = writeln!(
            out,
            "| {} |{}",
            title(op),
            plan.tasks.iter().map(|n| format!(" {n} |")).collect::<String>()
        );
        let _ = writeln!(out, "| --- |{}", " --- |".repeat(plan.tasks.len()));
        for first in cells.iter().filter(|cell| cell.op == op && cell.tasks == plan.tasks[0]) {
            let _ = write!(out, "| {} |", first.peer);
            for &tasks in &plan.tasks {
                let Some(cell) = find(cells, first.peer, op, tasks) else { continue };
                let [driver, bound] = [DRIVERS, BOUNDS].map(|names| better(cells, names, op, tasks));
                let _ = write!(out, " {} |", describe(cell, driver, bound));
            }
            out.push('\n');
        }
        out.push('\n');
    }
    budgets(&mut out, plan, cells);
    let errors: usize = cells.iter().flat_map(|cell| &cell.rounds).map(|round| round.errors).sum();
    if errors > 0 {
        let _ = writeln!(out, "{errors} operations failed; see above.");
    }
    out
}

fn title(op: Op) -> &'static str {
    match op {
        Op::Get => "GET and decode",
        Op::Set => "encode and SET",
        Op::Fill => "get or set, on a hit",
        Op::Del => "DEL of a missing key",
        Op::Mget => "MGET of 100 keys and decode",
        Op::Batch => "100 GETs in a batch and decode",
        Op::LargeGet => "GET of 1 MB",
        Op::LargeSet => "SET of 1 MB",
        Op::Write(write) => write.title(),
    }
}

fn name(op: Op) -> String {
    match op {
        Op::Write(write) => write.name().to_owned(),
        op => format!("{op:?}"),
    }
}

fn describe(cell: &Cell, driver: Option<&Cell>, bound: Option<&Cell>) -> String {
    let middle = |value: fn(&Round) -> f64| median(cell.rounds.iter().map(value));
    let mut text = format!(
        "{:.0} · {:.0}/{:.0} · {:.1}/{:.1}",
        middle(|round| round.ops_per_second) / 1e3,
        middle(|round| round.p50_us),
        middle(|round| round.p99_us),
        middle(|round| round.client_cpu_us),
        middle(|round| round.server_cpu_us),
    );
    for other in [driver, bound] {
        let _ = match other {
            Some(other) => {
                write!(text, " · **{:.2}**", median(ratios(cell, other, |round| round.ops_per_second)))
            }
            None => write!(text, " · -"),
        };
    }
    text
}

/// Compares the library with the other peers and with the budgets of the design. Ratios are
/// computed within a round. The smallest and the largest show how reliable the median is.
fn budgets(out: &mut String, plan: &Plan, cells: &[Cell]) {
    let mut rows = Vec::new();
    for ours in cells.iter().filter(|cell| cell.peer.starts_with("keyspace")) {
        for Budget { what, other, limit } in budgets_of(ours, cells) {
            let Some(theirs) = other else { continue };
            let value: fn(&Round) -> f64 = match what {
                Figure::Speed => |round| round.ops_per_second,
                Figure::Cpu => |round| round.client_cpu_us,
            };
            let mut all: Vec<f64> = ratios(ours, theirs, value).collect();
            all.sort_by(f64::total_cmp);
            let middle = median(all.iter().copied());
            let (what, words, is_met) = match what {
                Figure::Speed => ("ops/s", "at least", middle >= limit),
                Figure::Cpu => ("client CPU", "at most", middle <= limit),
            };
            rows.push(format!(
                "| {} | {} | {} | {what} / {} | {middle:.2} | {:.2}..{:.2} | {words} {limit:.2}: {} |",
                ours.peer,
                name(ours.op),
                ours.tasks,
                theirs.peer,
                all[0],
                all[all.len() - 1],
                if is_met { "ok" } else { "**missed**" },
            ));
        }
    }
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "| peer | op | tasks | ratio of | median | of {} rounds | budget |", plan.rounds);
    let _ = writeln!(out, "| --- | --- | --- | --- | --- | --- | --- |\n{}\n", rows.join("\n"));
}

#[derive(Clone, Copy)]
enum Figure {
    Speed,
    Cpu,
}

struct Budget<'c> {
    what: Figure,
    other: Option<&'c Cell>,
    limit: f64,
}

fn budgets_of<'c>(ours: &Cell, cells: &'c [Cell]) -> Vec<Budget<'c>> {
    let (op, tasks) = (ours.op, ours.tasks);
    let speed = |other, limit| Budget { what: Figure::Speed, other, limit };
    let cpu = |other, limit| Budget { what: Figure::Cpu, other, limit };
    if ours.peer == "keyspace-tls" {
        let driver = better(cells, TLS_DRIVERS, op, tasks);
        return vec![cpu(driver, 1.05), speed(driver, if tasks == 1 { 0.97 } else { 1.0 })];
    }
    if ours.peer == "keyspace-cluster-3" {
        let driver = find(cells, "redis-rs-cluster-3", op, tasks);
        let one_master = find(cells, "keyspace-cluster-1", op, tasks);
        return vec![cpu(one_master, 1.15), speed(driver, if tasks >= 64 { 1.5 } else { 1.0 })];
    }
    let driver = better(cells, DRIVERS, op, tasks);
    let bound = better(cells, BOUNDS, op, tasks);
    match op {
        Op::Get | Op::Set => {
            let mut all = vec![cpu(driver, 1.05), speed(driver, if tasks == 1 { 0.97 } else { 1.0 })];
            if tasks > 1 {
                all.push(speed(bound, 0.8));
            }
            let others = [
                ("fred", 1.5),
                ("fred-nodelay", 1.5),
                ("rustis", 1.5),
                ("deadpool-16", 4.0),
                ("bb8-10", 4.0),
            ];
            let others = others.into_iter().filter(|_| tasks >= 64);
            all.extend(others.map(|(name, limit)| speed(find(cells, name, op, tasks), limit)));
            all
        }
        Op::Fill if ours.peer == "keyspace-get" => Vec::new(),
        Op::Fill => vec![speed(find(cells, "keyspace-get", op, tasks), 1.0 / 1.1)],
        Op::Del => vec![speed(driver, 1.0 / 1.1)],
        Op::Mget | Op::Batch | Op::LargeGet | Op::LargeSet => vec![speed(driver, 1.0), speed(bound, 0.9)],
        Op::Write(_) => {
            let limit = match tasks {
                1 => 0.95,
                64.. => 1.2,
                _ => 1.0,
            };
            vec![speed(driver, limit)]
        }
    }
}

/// Returns the faster of two peers.
fn better<'c>(cells: &'c [Cell], names: [&str; 2], op: Op, tasks: usize) -> Option<&'c Cell> {
    let speed = |cell: &&Cell| median(cell.rounds.iter().map(|round| round.ops_per_second));
    let found = names.into_iter().filter_map(|name| find(cells, name, op, tasks));
    found.max_by(|a, b| speed(a).total_cmp(&speed(b)))
}

fn find<'c>(cells: &'c [Cell], peer: &str, op: Op, tasks: usize) -> Option<&'c Cell> {
    cells.iter().find(|cell| cell.peer == peer && cell.op == op && cell.tasks == tasks)
}

fn ratios<'c>(ours: &'c Cell, theirs: &'c Cell, value: fn(&Round) -> f64) -> impl Iterator<Item = f64> + 'c {
    ours.rounds.iter().zip(&theirs.rounds).map(move |(ours, theirs)| value(ours) / value(theirs))
}
