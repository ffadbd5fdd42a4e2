//! Prints the results as Markdown.

use std::fmt::Write as _;

use redis_keyspace_benches::Server;

use crate::measure::{Cell, Op, Plan, Round};
use crate::peer::BASELINE;

pub struct Setup {
    pub pinned: bool,
    pub unix: bool,
    pub workers: usize,
}

pub fn markdown(plan: &Plan, cells: &[Cell], server: &Server, setup: &Setup) -> String {
    let mut out = String::new();
    let place = if setup.pinned { "server on core 1, client on core 0" } else { "not pinned" };
    let way = if setup.unix { "unix socket" } else { "loopback TCP, TCP_NODELAY on for all" };
    let runtime = match setup.workers {
        0 => "single-threaded runtime".to_owned(),
        workers => format!("runtime of {workers} workers"),
    };
    let _ = writeln!(
        out,
        "{}; {way}; {place}; {runtime}; medians of {} interleaved rounds of {} ms; values of 224 bytes of JSON, decoded \
         and encoded with serde_json; SET with EX. Response timeouts: 5 s for redis-keyspace and for redis-rs where it is \
         shared, the driver's default of 500 ms in the pools, none by default in fred and rustis.\n",
        server.version(),
        plan.rounds,
        plan.time.as_millis(),
    );
    let _ = writeln!(
        out,
        "k ops/s · p50/p99 us · client CPU/server CPU in us per op · ratio of ops/s to {BASELINE} in the same round\n"
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
                let _ = write!(out, " {} |", describe(cell, find(cells, BASELINE, op, tasks)));
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
    }
}

fn describe(cell: &Cell, baseline: Option<&Cell>) -> String {
    let middle = |value: fn(&Round) -> f64| median(cell.rounds.iter().map(value));
    let mut text = format!(
        "{:.0} · {:.0}/{:.0} · {:.1}/{:.1}",
        middle(|round| round.ops_per_second) / 1e3,
        middle(|round| round.p50_us),
        middle(|round| round.p99_us),
        middle(|round| round.client_cpu_us),
        middle(|round| round.server_cpu_us),
    );
    if let Some(baseline) = baseline {
        let _ = write!(text, " · **{:.2}**", median(ratios(cell, baseline, |round| round.ops_per_second)));
    }
    text
}

/// Compares the library with the other peers and with the budgets of the design. Ratios are
/// computed within a round. The smallest and the largest show how reliable the median is.
fn budgets(out: &mut String, plan: &Plan, cells: &[Cell]) {
    let speed = |round: &Round| round.ops_per_second;
    let cpu = |round: &Round| round.client_cpu_us;
    let mut rows = Vec::new();
    for ours in cells.iter().filter(|cell| cell.peer.starts_with("keyspace")) {
        let mut row =
            |what: &str, peer: &str, budget: Option<f64>, at_most: bool, value: fn(&Round) -> f64| {
                let Some(theirs) = find(cells, peer, ours.op, ours.tasks) else { return };
                let mut all: Vec<f64> = ratios(ours, theirs, value).collect();
                all.sort_by(f64::total_cmp);
                let middle = median(all.iter().copied());
                let verdict = match budget {
                    None => String::new(),
                    Some(budget) if (at_most && middle <= budget) || (!at_most && middle >= budget) => {
                        format!("{} {budget}: ok", if at_most { "at most" } else { "at least" })
                    }
                    Some(budget) => {
                        format!("{} {budget}: **missed**", if at_most { "at most" } else { "at least" })
                    }
                };
                rows.push(format!(
                    "| {} | {:?} | {} | {what} / {peer} | {middle:.2} | {:.2}..{:.2} | {verdict} |",
                    ours.peer,
                    ours.op,
                    ours.tasks,
                    all[0],
                    all[all.len() - 1],
                ));
            };
        let crowd = ours.tasks >= 64;
        if ours.op == Op::Fill {
            row("client CPU", "keyspace-get", Some(1.1), true, cpu);
            row("ops/s", "keyspace-get", Some(0.91), false, speed);
            row("client CPU", BASELINE, None, true, cpu);
            row("ops/s", BASELINE, None, false, speed);
            row("ops/s", "cached", None, false, speed);
            continue;
        }
        row("client CPU", BASELINE, Some(1.05), true, cpu);
        let driver = match ours.tasks {
            1 => Some(0.95),
            _ if crowd => Some(1.2),
            _ => None,
        };
        row("ops/s", BASELINE, driver, false, speed);
        for (peer, budget) in [("fred", 1.5), ("rustis", 1.5), ("deadpool-16", 4.0), ("bb8-10", 4.0)] {
            let budget = match ours.tasks {
                1 => Some(1.0),
                _ if crowd => Some(budget),
                _ => None,
            };
            row("ops/s", peer, budget, false, speed);
        }
    }
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "| peer | op | tasks | ratio of | median | of {} rounds | budget |", plan.rounds);
    let _ = writeln!(out, "| --- | --- | --- | --- | --- | --- | --- |\n{}\n", rows.join("\n"));
}

fn find<'c>(cells: &'c [Cell], peer: &str, op: Op, tasks: usize) -> Option<&'c Cell> {
    cells.iter().find(|cell| cell.peer == peer && cell.op == op && cell.tasks == tasks)
}

fn ratios<'c>(ours: &'c Cell, theirs: &'c Cell, value: fn(&Round) -> f64) -> impl Iterator<Item = f64> + 'c {
    ours.rounds.iter().zip(&theirs.rounds).map(move |(ours, theirs)| value(ours) / value(theirs))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[length / 2],
        length => (values[length / 2 - 1] + values[length / 2]) / 2.0,
    }
}
