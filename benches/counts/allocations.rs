//! Counts of allocations, which are the same on every machine and in every run.

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::Future;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use redis::AsyncConnectionConfig;
use redis_keyspace::Redis;
use redis_keyspace::command::IntoCommand;
use redis_keyspace_benches::{Cart, Error, FIRST_ID, IDS, Server, TTL};

use crate::{CartKeys, PLAIN, RUDE};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

fn count(size: usize) {
    ALLOCATIONS.fetch_add(1, Relaxed);
    BYTES.fetch_add(size, Relaxed);
}

// SAFETY: all calls are forwarded to the system allocator; this only counts. A buffer that grows
// counts each time.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller upholds the contract of the same method of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Prints the table. Fails if a key takes more than one allocation.
pub fn report(operations: u64) -> Result<(), Error> {
    println!("| what | allocations | bytes |\n| --- | --- | --- |");
    let cart = Cart::of(FIRST_ID);
    let mut worst_key: f64 = 0.0;
    let mut key = |what, work: &dyn Fn()| {
        worst_key = worst_key.max(print(what, 1, work));
    };
    key("key of a u64", &|| drop(black_box(CartKeys::user(black_box(1234)))));
    key("key of a text without escapes", &|| drop(black_box(CartKeys::note(black_box(PLAIN)))));
    key("key of a text with escapes", &|| drop(black_box(CartKeys::note(black_box(RUDE)))));
    key("key without arguments", &|| drop(black_box(CartKeys::featured())));
    key("key cloned", &{
        let original = CartKeys::user(1);
        move || drop(black_box(original.clone()))
    });
    print("key of a u64 by format!", 1, || drop(black_box(format!("cart:user:{}", black_box(1234_u64)))));
    print("GET command", 1, || drop(black_box(CartKeys::user(black_box(1234)).get_json())));
    print("SET command with its value", 1, || {
        drop(black_box(CartKeys::user(black_box(1234)).set_json(black_box(&cart)).into_command()));
    });
    let json = serde_json::to_vec(&cart)?;
    print("decoding the value", 1, || drop(black_box(serde_json::from_slice::<Cart>(black_box(&json)))));

    // A single-threaded runtime: no other thread adds allocations. The server is another process.
    let server = Server::start(None)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(round_trips(&server, operations))?;
    println!();
    if worst_key > 1.0 {
        Err(format!("a key took {worst_key} allocations, at most 1 is allowed").into())
    } else {
        Ok(())
    }
}

/// Counts whole operations, including encoding and decoding.
async fn round_trips(server: &Server, operations: u64) -> Result<(), Error> {
    Redis::open(&server.url())?.install().connect().await?;
    let client = redis::Client::open(server.url())?;
    let config = AsyncConnectionConfig::new();
    let driver = client.get_multiplexed_async_connection_with_config(&config).await?;

    repeat("SET, redis-keyspace", operations, async |user| {
        Ok(CartKeys::user(user).set_json(&Cart::of(user)).await?)
    })
    .await?;
    repeat("SET, redis-rs", operations, async |user| {
        let json = serde_json::to_vec(&Cart::of(user))?;
        let mut command = redis::cmd("SET");
        command.arg(format!("cart:user:{user}")).arg(json).arg("EX").arg(TTL);
        Ok(command.query_async(&mut driver.clone()).await?)
    })
    .await?;
    repeat("(constructing the cart of each SET)", operations, async |user| {
        black_box(Cart::of(user));
        Ok(())
    })
    .await?;
    repeat("GET and decode, redis-keyspace", operations, async |user| {
        black_box(CartKeys::user(user).get_json().await?);
        Ok(())
    })
    .await?;
    repeat("GET and decode, redis-rs", operations, async |user| {
        let mut command = redis::cmd("GET");
        command.arg(format!("cart:user:{user}"));
        let bytes: Option<Vec<u8>> = command.query_async(&mut driver.clone()).await?;
        black_box(serde_json::from_slice::<Cart>(&bytes.unwrap_or_default())?);
        Ok(())
    })
    .await
}

async fn repeat<F: Future<Output = Result<(), Error>>>(
    what: &str,
    operations: u64,
    work: impl Fn(u64) -> F,
) -> Result<(), Error> {
    let user = |operation| FIRST_ID + operation % IDS;
    // After a first pass, buffers have grown and every key exists.
    for operation in 0..IDS {
        work(user(operation)).await?;
    }
    let (allocations, bytes) = counters();
    for operation in 0..operations {
        work(user(operation)).await?;
    }
    print_row(what, allocations, bytes, operations);
    Ok(())
}

fn print(what: &str, operations: u64, work: impl Fn()) -> f64 {
    work();
    let (allocations, bytes) = counters();
    for _ in 0..operations {
        work();
    }
    print_row(what, allocations, bytes, operations)
}

fn counters() -> (usize, usize) {
    (ALLOCATIONS.load(Relaxed), BYTES.load(Relaxed))
}

fn print_row(what: &str, allocations: usize, bytes: usize, operations: u64) -> f64 {
    let (allocations_now, bytes_now) = counters();
    let each = |now: usize, before: usize| (now - before) as f64 / operations as f64;
    let allocations = each(allocations_now, allocations);
    println!("| {what} | {allocations:.2} | {:.0} |", each(bytes_now, bytes));
    allocations
}
