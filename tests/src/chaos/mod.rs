//! Attacks on a client that check its guarantees: acknowledged writes are stored, nothing is
//! counted twice, and each command gets its own reply. For the library, also what it promises of
//! fills, groups, locks, `Once`, updates and scans.

mod client;
mod ledger;

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

pub use client::{Client, Ours, Stock};
use ledger::Ledger;
pub use ledger::Tally;

use crate::load::{Kept, Promises};
use crate::resp::Reply;
use crate::{Fault, PATIENCE, Proxy, RealServer, eventually};

/// Starts a server that never loses an acknowledged write, not even in a crash.
pub fn durable_server() -> RealServer {
    let builder = RealServer::builder().arg("--appendonly").arg("yes");
    builder.arg("--appendfsync").arg("always").start()
}

/// What a network does to commands and replies.
pub const FAULTS: [Fault; 7] = [
    Fault::Delay(Duration::from_millis(5)),
    Fault::CutRequest,
    Fault::CutReply,
    Fault::TruncateReply(3),
    Fault::CorruptReply,
    Fault::BlackHole,
    Fault::BlackHoleReply,
];

/// A fault that lasts for a while.
#[derive(Clone, Copy, Debug)]
pub enum Attack {
    /// The proxy applies this fault to commands, with pauses.
    Fault(Fault),
    /// The proxy cuts connections and refuses new ones.
    Refuse,
    /// The server crashes and restarts.
    Kill,
    /// The server freezes.
    Pause,
    /// The server becomes a replica, then a master again.
    Demote,
    /// Another process takes over the data and the name of the server.
    Failover,
}

/// A master and its replica, which can take over.
struct Pair {
    servers: [RealServer; 2],
    second_is_master: AtomicBool,
}

impl Pair {
    fn start() -> Self {
        let pair =
            Self { servers: [durable_server(), durable_server()], second_is_master: AtomicBool::new(false) };
        pair.other().redis_cli(&["REPLICAOF", "127.0.0.1", &pair.master().port().to_string()]);
        pair
    }

    fn place(&self, is_master: bool) -> &RealServer {
        let second = self.second_is_master.load(Ordering::Relaxed) == is_master;
        &self.servers[usize::from(second)]
    }

    fn master(&self) -> &RealServer {
        self.place(true)
    }

    fn other(&self) -> &RealServer {
        self.place(false)
    }

    /// Waits for the replica to catch up, then swaps the roles. No acknowledged write is lost.
    async fn fail_over(&self) {
        let ask = |server: &RealServer, command: &[&str]| {
            server.client().call(command).map(|reply| reply.to_string()).unwrap_or_default()
        };
        // FAILOVER is refused until the replica is in sync, and an accepted one can end without
        // effect. So repeat it until the replica is the master. It has a timeout, because Redis 8.6
        // waits without end if the replica disconnects just then, and accepts none meanwhile.
        let takes_over = async || {
            ask(self.other(), &["INFO", "replication"]).contains("role:master") || {
                ask(self.master(), &["FAILOVER", "TIMEOUT", "2000"]);
                false
            }
        };
        eventually("the replica takes over", takes_over).await;
        self.second_is_master.fetch_xor(true, Ordering::Relaxed);
    }
}

impl Attack {
    /// Every kind of attack, once.
    pub const ALL: [Self; 12] = [
        Self::Fault(FAULTS[0]),
        Self::Fault(FAULTS[1]),
        Self::Fault(FAULTS[2]),
        Self::Fault(FAULTS[3]),
        Self::Fault(FAULTS[4]),
        Self::Fault(FAULTS[5]),
        Self::Fault(FAULTS[6]),
        Self::Refuse,
        Self::Kill,
        Self::Pause,
        Self::Demote,
        Self::Failover,
    ];

    async fn run(self, pair: &Pair, proxies: &[Proxy], span: Duration) {
        const MOMENT: Duration = Duration::from_millis(20);
        let server = pair.master();
        match self {
            Self::Fault(fault) => {
                let end = Instant::now() + span;
                while Instant::now() < end {
                    proxies.iter().for_each(|proxy| proxy.set(fault));
                    tokio::time::sleep(MOMENT).await;
                    proxies.iter().for_each(|proxy| proxy.set(Fault::Pass));
                    tokio::time::sleep(MOMENT).await;
                }
            }
            Self::Refuse => {
                for proxy in proxies {
                    proxy.refuse(true);
                    proxy.cut_all();
                }
                tokio::time::sleep(span).await;
                proxies.iter().for_each(|proxy| proxy.refuse(false));
            }
            Self::Kill => {
                server.kill();
                tokio::time::sleep(span).await;
                server.restart();
            }
            Self::Pause => {
                server.pause();
                tokio::time::sleep(span).await;
                server.resume();
            }
            Self::Demote => {
                server.redis_cli(&["REPLICAOF", "127.0.0.1", "1"]);
                tokio::time::sleep(span).await;
                server.redis_cli(&["REPLICAOF", "NO", "ONE"]);
            }
            Self::Failover => {
                pair.fail_over().await;
                // For a while, the name still points to the old server.
                tokio::time::sleep(span).await;
                for proxy in proxies {
                    proxy.redirect(pair.master().address());
                    // A sentinel does the same to the clients of a demoted master.
                    proxy.cut_all();
                }
            }
        }
    }
}

/// The number, order and duration of attacks.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The seed of the order of the attacks. Equal seeds give equal orders.
    pub seed: u64,
    /// How often each of the attacks happens.
    pub rounds: usize,
    /// How long one attack lasts.
    pub span: Duration,
    /// How long the client may take to recover after an attack.
    pub given_up: Duration,
}

impl Plan {
    /// Returns the attacks of each round, in order.
    fn rounds(self) -> impl Iterator<Item = [Attack; Attack::ALL.len()]> {
        let mut random = Random(self.seed.max(1));
        std::iter::repeat_with(move || {
            let mut attacks = Attack::ALL;
            for place in (1..attacks.len()).rev() {
                let other = random.below(place as u64 + 1);
                attacks.swap(place, usize::try_from(other).expect("few attacks"));
            }
            attacks
        })
        .take(self.rounds)
    }
}

/// The result of the attacks on one client.
#[derive(Clone, Debug)]
pub struct Report {
    /// The client.
    pub client: &'static str,
    /// The planned attacks.
    pub plan: Plan,
    /// The number of attacks.
    pub attacks: usize,
    /// The counts of all workers, compared with the server.
    pub tally: Tally,
    /// The time from the end of each attack until every worker had a success, sorted.
    pub recoveries: Vec<Duration>,
    /// The attack with the longest recovery.
    pub slowest: Option<Attack>,
    /// The open connections at the end, before and after closing the client.
    pub open: (usize, usize),
    /// How often the promises were checked and broken.
    pub promises: Kept,
    /// The growth of the process' memory from the first quarter of the attacks to the end, in KiB.
    pub growth: i64,
}

/// The number of concurrent workers, which write, read and count.
pub const WORKERS: u64 = 16;

/// The timeout of a command during an attack.
const LIMIT: Duration = Duration::from_secs(1);
/// How much later than its deadline a command may end, because a busy machine is late.
const SLACK: Duration = Duration::from_millis(500);

/// Attacks a client as planned while workers write, read and count, and other tasks check the
/// promises of the library. After each attack, waits until all workers have a success again, for
/// [`Plan::given_up`] at most.
pub async fn attack<C: Client>(plan: Plan) -> Report {
    let Plan { rounds, span, given_up, .. } = plan;
    let pair = Pair::start();
    // The second one is for the tasks that check the promises: the connections of the first one are
    // counted.
    let proxies = [pair.master().address(); 2].map(Proxy::start);
    let [proxy, other] = &proxies;
    let client = C::new(&pair.master().url_through(proxy), LIMIT).await;
    let (stop, start) = (Arc::new(AtomicBool::new(false)), Instant::now());
    let successes: Arc<Vec<AtomicU64>> = Arc::new((0..WORKERS).map(|_| AtomicU64::new(0)).collect());
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (client, stop, successes) = (client.clone(), Arc::clone(&stop), Arc::clone(&successes));
            tokio::spawn(async move {
                let mut ledger = Ledger::new(worker, WORKERS);
                let place = &successes[usize::try_from(worker).expect("few workers")];
                while !stop.load(Ordering::Relaxed) {
                    let writing = client.set(ledger.cell, ledger.next_value());
                    let written = ledger.tally.timed(writing).await;
                    ledger.wrote(&written);
                    let reading = client.get(ledger.cell);
                    let read = ledger.tally.timed(reading).await;
                    ledger.read(&read);
                    let counting = client.incr(ledger.counter);
                    let counted = ledger.tally.timed(counting).await;
                    ledger.counted(&counted);
                    if written.is_ok() && read.is_ok() && counted.is_ok() {
                        let now = u64::try_from(start.elapsed().as_nanos()).expect("hours");
                        place.store(now, Ordering::Relaxed);
                    } else {
                        // Like a program that waits before it retries.
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                }
                ledger
            })
        })
        .collect();
    let programs = C::programs(&pair.master().url_through(other), LIMIT);
    let promises = match &programs {
        Some(programs) => Some(Promises::start(programs, &stop).await),
        None => None,
    };
    let (mut recoveries, mut slowest, mut attacks, mut memory) = (Vec::new(), None, 0, None);
    for (round, order) in plan.rounds().enumerate() {
        for attack in order {
            attack.run(&pair, &proxies, span).await;
            attacks += 1;
            let end = start.elapsed();
            let end_nanos = u64::try_from(end.as_nanos()).expect("hours");
            let back = || successes.iter().all(|success| success.load(Ordering::Relaxed) > end_nanos);
            while !back() && start.elapsed() - end < given_up {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let recovery = start.elapsed() - end;
            if recoveries.iter().all(|earlier| *earlier < recovery) {
                slowest = Some(attack);
            }
            recoveries.push(recovery);
        }
        if round >= rounds / 4 && memory.is_none() {
            memory = Some(resident());
        }
    }
    let growth = resident() - memory.unwrap_or_default();
    stop.store(true, Ordering::Relaxed);
    let mut tally = Tally::default();
    for worker in workers {
        let mut ledger = worker.await.expect("workers do not panic");
        ledger.audit(pair.master());
        tally.add(&ledger.tally);
    }
    let mut kept = Kept::default();
    if let (Some(promises), Some(programs)) = (promises, programs) {
        let (_, mut checked) = promises.stopped().await;
        checked.audit(&mut |keys| read(pair.master(), keys), &programs[0]);
        checked.broken.iter().for_each(|broken| eprintln!("{broken:?}"));
        // The server loses no write.
        kept = Kept::new(&checked, |_, _| false);
        for redis in programs {
            redis.close().await;
        }
    }
    let open = proxy.traffic().open;
    client.close().await;
    drop(client);
    let closing = Instant::now();
    let still_open = || proxies.iter().map(|proxy| proxy.traffic().open).sum();
    while still_open() > 0 && closing.elapsed() < given_up {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    recoveries.sort();
    let open = (open, still_open());
    Report { client: C::NAME, plan, attacks, tally, recoveries, slowest, open, promises: kept, growth }
}

/// Reads keys, without the client.
pub(crate) fn read(master: &RealServer, keys: &[String]) -> Vec<Option<String>> {
    if keys.is_empty() {
        return Vec::new();
    }
    let command: Vec<&str> = std::iter::once("MGET").chain(keys.iter().map(String::as_str)).collect();
    match master.client().call(&command).expect("the master answers") {
        Reply::Array(values) => values
            .into_iter()
            .map(|value| if value == Reply::Nil { None } else { Some(value.to_string()) })
            .collect(),
        other => panic!("MGET: {other}"),
    }
}

/// Returns the resident memory of the process in KiB, or 0 if it is unknown.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}

/// The result of random cancellations.
#[derive(Clone, Debug)]
pub struct Cancelled {
    /// The client.
    pub client: &'static str,
    /// Futures that were dropped before they completed.
    pub cancelled: u64,
    /// Futures that ran to completion.
    pub finished: u64,
    /// Completed futures that failed.
    pub failed: u64,
    /// Futures that got the reply of another command.
    pub foreign: u64,
}

/// Drops `cancellations` futures at random points while others run to completion, and checks that
/// each future gets its own reply.
pub async fn cancel<C: Client>(cancellations: u64) -> Cancelled {
    let server = RealServer::start();
    cancel_at::<C>(&server.url(), cancellations).await
}

/// The same on a server that runs already.
pub async fn cancel_at<C: Client>(url: &str, cancellations: u64) -> Cancelled {
    const TASKS: u64 = 64;
    const CELLS: u64 = 1000;
    let client = C::new(url, PATIENCE).await;
    for id in 0..CELLS {
        client.set(id, format!("{id}#1")).await.expect("nothing disturbs this");
    }
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut random = Random(task + 1);
                let (mut cancelled, mut finished, mut failed, mut foreign) = (0, 0, 0, 0);
                while cancelled < cancellations.div_ceil(TASKS) {
                    let id = random.below(CELLS);
                    let polls = if random.below(8) == 0 { u64::MAX } else { random.below(4) };
                    match polled(client.get(id), polls).await {
                        None => cancelled += 1,
                        Some(Ok(value)) => {
                            finished += 1;
                            foreign += u64::from(value != Some(format!("{id}#1")));
                        }
                        Some(Err(_)) => failed += 1,
                    }
                }
                (cancelled, finished, failed, foreign)
            })
        })
        .collect();
    let mut report = Cancelled { client: C::NAME, cancelled: 0, finished: 0, failed: 0, foreign: 0 };
    for task in tasks {
        let (cancelled, finished, failed, foreign) = task.await.expect("tasks do not panic");
        report.cancelled += cancelled;
        report.finished += finished;
        report.failed += failed;
        report.foreign += foreign;
    }
    client.close().await;
    report
}

/// Polls a future at most `polls` times, then drops it.
async fn polled<T>(future: impl Future<Output = T>, polls: u64) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        if polls < u64::MAX {
            // Woken to be polled again or dropped, not by a reply.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

/// Reproducible pseudo-random numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, plan, attacks, tally, recoveries, slowest, open, promises, growth } = self;
        let (seed, span) = (plan.seed, plan.span.as_millis());
        let Tally { tried, failed, acknowledged, lost, doubled, foreign, longest } = tally;
        let longest = longest.as_millis();
        let at = |part: usize| recoveries.get(recoveries.len() * part / 100).copied().unwrap_or_default();
        let most = recoveries.last().copied().unwrap_or_default();
        write!(
            f,
            "| {client} | {seed} | {span} | {attacks} | {tried} | {failed} | {acknowledged} | {lost} | {doubled} | {foreign} | {longest} | {:.0} / {:.0} / {:.0} ({}) | {} / {} | {promises} | {growth} |",
            at(50).as_secs_f64() * 1000.0,
            at(90).as_secs_f64() * 1000.0,
            most.as_secs_f64() * 1000.0,
            slowest.map(|attack| format!("{attack:?}")).unwrap_or_default(),
            open.0,
            open.1,
        )
    }
}

impl Report {
    /// The header of a table of reports.
    pub const HEAD: &'static str = "| client | seed | ms per attack | attacks | commands | failed | acknowledged | lost | doubled | foreign replies | longest command, ms | \
        back after, ms (median / 90 % / most, after which attack) | connections at the end / after closing | promises | memory grown, KiB |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

    /// Returns what must not happen, and how often it did.
    pub fn violations(&self) -> Vec<(String, u64)> {
        let Tally { lost, doubled, foreign, longest, .. } = &self.tally;
        let late = u64::from(*longest > LIMIT + SLACK);
        let open = self.open.1 as u64;
        let counts = [
            ("lost", *lost),
            ("doubled", *doubled),
            ("foreign replies", *foreign),
            ("longest command past its deadline", late),
            ("connections left open", open),
        ];
        let counts = counts.map(|(what, count)| (what.to_owned(), count)).into_iter();
        let promises = self.promises.violations().into_iter();
        counts.chain(promises.map(|(promise, count)| (promise.to_string(), count))).collect()
    }
}
