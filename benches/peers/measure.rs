//! Runs the rounds. Each round runs every peer once, for a short time, so a disturbance of the
//! machine affects all peers.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis_keyspace::bytes::Bytes;
use redis_keyspace_benches::{Cart, Error, FIRST_ID, IDS, LARGE_SIZE, Server};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::write::Write;

/// The number of keys of an MGET or a batch.
const MANY: usize = 100;
/// The number of different elements that are written to a collection.
const ELEMENTS: u64 = 100;

/// The operations, numbers of tasks and rounds to run.
pub struct Plan {
    pub ops: Vec<Op>,
    pub tasks: Vec<usize>,
    pub rounds: usize,
    pub time: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// GET and decode.
    Get,
    /// Encode and SET with EX.
    Set,
    /// Read, or load and store. All keys exist.
    Fill,
    /// DEL of a key that does not exist, so that the other operations still find theirs.
    Del,
    /// MGET of 100 keys, and decode.
    Mget,
    /// 100 GETs in one round trip, and decode.
    Batch,
    /// GET of 1 MB of bytes.
    #[serde(rename = "large-get")]
    LargeGet,
    /// SET with EX of 1 MB of bytes.
    #[serde(rename = "large-set")]
    LargeSet,
    /// A write to a collection.
    #[serde(untagged)]
    Write(Write),
}

impl FromStr for Op {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "get" => Self::Get,
            "set" => Self::Set,
            "fill" => Self::Fill,
            "del" => Self::Del,
            "mget" => Self::Mget,
            "batch" => Self::Batch,
            "large-get" => Self::LargeGet,
            "large-set" => Self::LargeSet,
            _ => Self::Write(text.parse().map_err(|_| {
                "expected get, set, fill, del, mget, batch, large-get, large-set, zadd, hset, lpush, xadd, or writes; the \
                 last four also with -ttl"
            })?),
        })
    }
}

/// A client under test. Every task has its own clone, as in a real program.
pub trait Peer: Clone + Send + 'static {
    /// The operations that it has. The others are not called.
    const OPS: &'static [Op] = &[Op::Get, Op::Set, Op::Fill];

    fn get(&mut self, user: u64) -> impl Future<Output = Result<Cart, Error>> + Send;
    fn set(&mut self, cart: &Cart) -> impl Future<Output = Result<(), Error>> + Send;

    /// Returns the value from the cache, or loads and stores it. The default is a plain `get`, the
    /// lower bound of a hit.
    fn fill(&mut self, user: u64) -> impl Future<Output = Result<Cart, Error>> + Send {
        self.get(user)
    }

    fn del(&mut self, _user: u64) -> impl Future<Output = Result<(), Error>> + Send {
        async { Err(not_measured()) }
    }

    fn mget(&mut self, _users: &[u64]) -> impl Future<Output = Result<Vec<Cart>, Error>> + Send {
        async { Err(not_measured()) }
    }

    fn batch(&mut self, _users: &[u64]) -> impl Future<Output = Result<Vec<Cart>, Error>> + Send {
        async { Err(not_measured()) }
    }

    /// Returns the size of the large value.
    fn large_get(&mut self) -> impl Future<Output = Result<usize, Error>> + Send {
        async { Err(not_measured()) }
    }

    fn large_set(&mut self, _value: &Bytes) -> impl Future<Output = Result<(), Error>> + Send {
        async { Err(not_measured()) }
    }

    /// Writes the element to the collection of the user.
    fn write(
        &mut self,
        _write: Write,
        _user: u64,
        _element: u64,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Err(not_measured()) }
    }
}

fn not_measured() -> Error {
    "this client is not measured with this operation".into()
}

/// Runs the tasks of any peer. Boxed once per round; the calls inside are static.
pub trait Runner {
    fn name(&self) -> &'static str;
    fn has(&self, op: Op) -> bool;
    fn run(&self, op: Op, tasks: usize, span: Span) -> Pin<Box<dyn Future<Output = Tally> + '_>>;
}

/// How long the tasks run.
#[derive(Debug, Clone, Copy)]
pub enum Span {
    Time(Duration),
    /// The number of operations of all tasks together.
    Count(usize),
}

pub struct Named<P>(pub &'static str, pub P);

/// The results of the tasks of one peer in one round.
#[derive(Default)]
pub struct Tally {
    nanoseconds: Vec<u32>,
    errors: usize,
    first_error: Option<Error>,
}

/// One round of one cell.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Round {
    pub ops_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub client_cpu_us: f64,
    /// 0 if the system does not report it.
    pub server_cpu_us: f64,
    pub errors: usize,
}

/// The results of one peer for one operation and one number of tasks.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    pub peer: &'static str,
    pub op: Op,
    pub tasks: usize,
    pub rounds: Vec<Round>,
}

impl<P: Peer + Sync> Runner for Named<P> {
    fn name(&self) -> &'static str {
        self.0
    }

    fn has(&self, op: Op) -> bool {
        P::OPS.contains(&op)
    }

    fn run(&self, op: Op, tasks: usize, span: Span) -> Pin<Box<dyn Future<Output = Tally> + '_>> {
        Box::pin(async move {
            let stop = Arc::new(AtomicBool::new(false));
            let limit = match span {
                Span::Time(_) => usize::MAX,
                Span::Count(operations) => operations / tasks,
            };
            let start = |task| tokio::spawn(work(self.1.clone(), op, task, limit, Arc::clone(&stop)));
            let started: Vec<_> = (0..tasks).map(start).collect();
            if let Span::Time(time) = span {
                tokio::time::sleep(time).await;
                stop.store(true, Ordering::Relaxed);
            }
            let mut tally = Tally::default();
            for task in started {
                match task.await {
                    Ok(done) => tally.add(done),
                    Err(error) => tally.fail(error.into()),
                }
            }
            tally
        })
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.nanoseconds.extend(other.nanoseconds);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    fn fail(&mut self, error: Error) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}

/// Runs one task, which starts the next operation as soon as the last one has finished.
async fn work<P: Peer>(mut peer: P, op: Op, task: usize, limit: usize, stop: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    let mut cart = Cart::of(FIRST_ID);
    let large = Bytes::from(vec![b'x'; if op == Op::LargeSet { LARGE_SIZE } else { 0 }]);
    // Each task visits the ids in a different random order.
    let mut random = (task as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut last = Instant::now();
    while !stop.load(Ordering::Relaxed) && tally.nanoseconds.len() + tally.errors < limit {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let user = FIRST_ID + random % IDS;
        let check = |found: Cart| {
            assert_eq!(found.user, user, "a reply reached the wrong caller");
            black_box(&found);
        };
        let outcome = match op {
            Op::Get => peer.get(user).await.map(check),
            Op::Fill => peer.fill(user).await.map(check),
            Op::Set => {
                cart.user = user;
                peer.set(&cart).await
            }
            Op::Del => peer.del(user + IDS).await,
            Op::Mget | Op::Batch => {
                let users: [u64; MANY] = std::array::from_fn(|nth| FIRST_ID + (user + nth as u64 * 7) % IDS);
                let carts = if op == Op::Mget { peer.mget(&users).await } else { peer.batch(&users).await };
                carts.map(|carts| {
                    assert!(users.iter().copied().eq(carts.iter().map(|cart| cart.user)), "wrong values");
                    black_box(&carts);
                })
            }
            Op::LargeGet => peer.large_get().await.map(|size| assert_eq!(size, LARGE_SIZE)),
            Op::LargeSet => peer.large_set(&large).await,
            Op::Write(write) => peer.write(write, user, random % ELEMENTS).await,
        };
        let now = Instant::now();
        match outcome {
            Ok(()) => tally.nanoseconds.push(u32::try_from((now - last).as_nanos()).unwrap_or(u32::MAX)),
            Err(error) => tally.fail(error),
        }
        last = now;
    }
    tally
}

/// Runs all cells of the plan. Every peer runs once in each round; each round starts with a
/// different peer.
pub async fn run(plan: &Plan, peers: &[Box<dyn Runner>], server: &Server) -> Result<Vec<Cell>, Error> {
    let mut cells = Vec::new();
    for &op in &plan.ops {
        for &tasks in &plan.tasks {
            let peers: Vec<&dyn Runner> =
                peers.iter().map(|peer| &**peer).filter(|peer| peer.has(op)).collect();
            let mut rounds = vec![Vec::new(); peers.len()];
            for peer in &peers {
                // Fills pools and buffers, and fails early if a peer does not work at all.
                let tally = peer.run(op, tasks, Span::Time(plan.time / 4)).await;
                if tally.nanoseconds.is_empty() {
                    let why = tally.first_error.map(|error| error.to_string()).unwrap_or_default();
                    return Err(format!("no operation of {} succeeded: {why}", peer.name()).into());
                }
            }
            for round in 0..plan.rounds {
                for turn in 0..peers.len() {
                    let index = (turn + round) % peers.len();
                    rounds[index].push(one(peers[index], op, tasks, plan.time, server).await);
                }
            }
            eprintln!("{op:?} at {tasks} done"); // otherwise nothing is printed for minutes
            for (peer, rounds) in peers.iter().zip(rounds) {
                cells.push(Cell { peer: peer.name(), op, tasks, rounds });
            }
        }
    }
    Ok(cells)
}

/// Runs a fixed number of operations without a clock, for profilers and instruction counters.
pub async fn count(plan: &Plan, peers: &[Box<dyn Runner>], operations: usize) {
    for &op in &plan.ops {
        for &tasks in &plan.tasks {
            for peer in peers.iter().filter(|peer| peer.has(op)) {
                let tally = peer.run(op, tasks, Span::Count(operations)).await;
                let (done, errors) = (tally.nanoseconds.len(), tally.errors);
                println!("{} {op:?} at {tasks}: {done} done, {errors} failed", peer.name());
            }
        }
    }
}

async fn one(peer: &dyn Runner, op: Op, tasks: usize, time: Duration, server: &Server) -> Round {
    let (server_before, client_before, start) = (server.cpu(), client_cpu(), Instant::now());
    let mut tally = peer.run(op, tasks, Span::Time(time)).await;
    let (elapsed, client, server) = (start.elapsed(), client_cpu(), server.cpu());
    if let Some(error) = &tally.first_error {
        eprintln!("{} failed {} times, first with: {error}", peer.name(), tally.errors);
    }
    let ops = tally.nanoseconds.len().max(1) as f64;
    let per_op = |time: Duration| time.as_secs_f64() * 1e6 / ops;
    Round {
        ops_per_second: ops / elapsed.as_secs_f64(),
        p50_us: percentile(&mut tally.nanoseconds, 50),
        p99_us: percentile(&mut tally.nanoseconds, 99),
        client_cpu_us: per_op(client - client_before),
        server_cpu_us: server.zip(server_before).map_or(0.0, |(after, before)| per_op(after - before)),
        errors: tally.errors,
    }
}

fn client_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn percentile(nanoseconds: &mut [u32], percent: usize) -> f64 {
    if nanoseconds.is_empty() {
        return f64::NAN;
    }
    let rank = (nanoseconds.len() * percent / 100).min(nanoseconds.len() - 1);
    f64::from(*nanoseconds.select_nth_unstable(rank).1) / 1000.0
}
