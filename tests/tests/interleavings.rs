//! Coalescing under thousands of schedules. The scheduler picks the next task at every lock,
//! counter and wait of the library's flights. The rest of a fill is simulated here, with a store, a
//! lease and a database.

// The library's module, with the locks of the scheduler.
#[allow(dead_code, unreachable_pub, reason = "the library uses the rest")]
#[path = "../../redis-keyspace/src/local"]
mod local {
    pub(crate) mod sync {
        pub(crate) use shuttle::sync::atomic::{AtomicU64, Ordering};
        pub(crate) use shuttle::sync::{Mutex, MutexGuard};
        pub(crate) use std::sync::PoisonError;
        pub(crate) use tokio::sync::watch;
    }
    pub(crate) mod flights;
}

use std::collections::VecDeque;
use std::sync::Arc;

use local::flights::{Flights, Follower, LoadRole, LoadStage};
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::sync::Mutex;

const SCHEDULES: usize = 3000;

/// A failure of a leader.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Fails,
    IsDropped,
}

/// A server with one key, and a database.
#[derive(Default)]
struct World {
    flights: Flights,
    database: Mutex<u64>,
    server: Mutex<Server>,
    loads: Mutex<u32>,
    fates: Mutex<VecDeque<Fate>>,
}

#[derive(Default)]
struct Server {
    value: Option<u64>,
    lease: Option<u64>,
    leases: u64,
}

impl World {
    /// Returns the value, like `get_or_set`.
    async fn get_or_set(&self) -> u64 {
        loop {
            let came = self.flights.now();
            if let Some(value) = self.server.lock().unwrap().value {
                return value;
            }
            let part = match self.flights.join("k", came) {
                LoadRole::Latecomer(follower) if !self.joins(&follower) => {
                    self.flights.supersede("k", &follower)
                }
                part => part,
            };
            let leader = match part {
                LoadRole::Leader(leader) => leader,
                LoadRole::Follower(mut follower) | LoadRole::Latecomer(mut follower) => {
                    match follower.wait(false).await {
                        Some(LoadStage::Done { value: Some(bytes), .. }) => return number(&bytes),
                        _ => continue,
                    }
                }
            };
            // One atomic step of the server: it reads the value and grants the lease.
            let (there, token) = {
                let mut server = self.server.lock().unwrap();
                if server.value.is_none() && server.lease.is_none() {
                    server.leases += 1;
                    server.lease = Some(server.leases);
                }
                (server.value, server.lease)
            };
            if let Some(value) = there {
                leader.tell(done(value));
                return value;
            }
            leader.loads(token.map(|token| token.to_string().into()), None);
            yield_now().await;
            let fate = self.fates.lock().unwrap().pop_front();
            match fate {
                Some(Fate::Fails) => {
                    leader.finish(|| None);
                    continue;
                }
                Some(Fate::IsDropped) => {
                    drop(leader);
                    continue;
                }
                None => {}
            }
            *self.loads.lock().unwrap() += 1;
            let value = *self.database.lock().unwrap();
            // Long enough for other tasks to run to their end.
            for _ in 0..10 {
                yield_now().await;
            }
            {
                let mut server = self.server.lock().unwrap();
                if server.lease == token && server.value.is_none() {
                    (server.value, server.lease) = (Some(value), None);
                }
            }
            leader.finish(|| Some(done(value)));
            return value;
        }
    }

    fn joins(&self, follower: &Follower) -> bool {
        match follower.stage() {
            LoadStage::Beginning => true,
            LoadStage::Loading { token: Some(token), .. } => {
                self.server.lock().unwrap().lease.is_some_and(|lease| lease.to_string() == *token)
            }
            _ => false,
        }
    }

    /// Writes the database, then deletes the key, as two steps.
    async fn write(&self) -> u64 {
        let now = {
            let mut database = self.database.lock().unwrap();
            *database += 1;
            *database
        };
        yield_now().await;
        self.server.lock().unwrap().lease = None;
        yield_now().await;
        self.server.lock().unwrap().value = None;
        now
    }
}

fn done(value: u64) -> LoadStage {
    LoadStage::Done { value: Some(value.to_be_bytes().as_slice().into()), degraded: false }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().unwrap())
}

fn callers(world: &Arc<World>, count: usize) -> Vec<shuttle::future::JoinHandle<u64>> {
    (0..count)
        .map(|_| {
            let world = Arc::clone(world);
            spawn(async move { world.get_or_set().await })
        })
        .collect()
}

fn under_many_schedules(test: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(test, SCHEDULES);
    // Few task switches, at every position. Random schedules rarely find these.
    shuttle::check_pct(test, SCHEDULES, 3);
}

#[test]
fn concurrent_misses_load_once() {
    under_many_schedules(|| {
        block_on(async {
            let world = Arc::new(World::default());
            for caller in callers(&world, 5) {
                assert_eq!(caller.await.unwrap(), 0);
            }
            assert_eq!(*world.loads.lock().unwrap(), 1);
        });
    });
}

#[test]
fn a_dropped_leader_causes_one_more_load() {
    for fates in [vec![Fate::Fails], vec![Fate::IsDropped], vec![Fate::Fails, Fate::IsDropped]] {
        under_many_schedules_of(&fates);
    }
}

fn under_many_schedules_of(fates: &[Fate]) {
    let fates: Arc<[Fate]> = fates.into();
    let test = move || {
        let fates = Arc::clone(&fates);
        block_on(async move {
            let world = Arc::new(World::default());
            world.fates.lock().unwrap().extend(fates.iter());
            for caller in callers(&world, 4) {
                assert_eq!(caller.await.unwrap(), 0);
            }
            assert_eq!(*world.loads.lock().unwrap(), 1, "completed loads");
            assert!(world.fates.lock().unwrap().is_empty());
        });
    };
    shuttle::check_random(test.clone(), SCHEDULES);
    shuttle::check_pct(test, SCHEDULES, 3);
}

/// A read after a write gets no earlier value, and no earlier value stays cached.
#[test]
fn a_read_after_a_write_gets_nothing_loaded_before_it() {
    under_many_schedules(|| {
        block_on(async {
            let world = Arc::new(World::default());
            let before = callers(&world, 2);
            let writer = {
                let world = Arc::clone(&world);
                spawn(async move {
                    let written = world.write().await;
                    let after = callers(&world, 2);
                    for caller in after {
                        let got = caller.await.unwrap();
                        assert!(got >= written, "{got} is older than {written}");
                    }
                })
            };
            for caller in before {
                caller.await.unwrap();
            }
            writer.await.unwrap();
            let there = world.server.lock().unwrap().value;
            assert!(there.is_none_or(|there| there == 1), "{there:?} stays");
        });
    });
}
