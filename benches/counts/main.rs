//! Measures one operation without the network: the time of the parts without I/O, and the
//! allocations of all parts.

mod allocations;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use redis_keyspace::command::IntoCommand;
use redis_keyspace::kind::SingleValue;
use redis_keyspace::{Json, Keyspace, Text};
use redis_keyspace_benches::{Args, Cart, Error};

/// Shopping carts.
#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = 3600)]
pub struct CartKeys {
    #[key("user:{id}")]
    user: fn(id: u64) -> Json<Cart>,
    #[key("of:{name}:note")]
    note: fn(name: &str) -> Text,
    featured: Json<Cart>,
}

const PLAIN: &str = "alice.the.second";
const RUDE: &str = "alice:the:second";

fn main() -> Result<(), Error> {
    let mut args = Args::from_env();
    let mut criterion = if args.smoke() {
        args.words()?;
        allocations::report(200)?;
        let brief = Duration::from_millis(5);
        Criterion::default().without_plots().sample_size(10).warm_up_time(brief).measurement_time(brief)
    } else {
        allocations::report(10_000)?;
        Criterion::default().without_plots().configure_from_args()
    };
    keys(&mut criterion);
    values(&mut criterion);
    commands(&mut criterion);
    criterion.final_summary();
    Ok(())
}

fn keys(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("key");
    group.bench_function("u64, typed", |bench| bench.iter(|| CartKeys::user(black_box(1234))));
    group.bench_function("u64, format!", |bench| bench.iter(|| format!("cart:user:{}", black_box(1234_u64))));
    for (what, name) in [("text without escapes", PLAIN), ("text with escapes", RUDE)] {
        group.bench_with_input(BenchmarkId::new(what, "typed"), name, |bench, name| {
            bench.iter(|| CartKeys::note(black_box(name)));
        });
        // `format!` escapes nothing: the difference is the cost of escaping.
        group.bench_with_input(BenchmarkId::new(what, "format!"), name, |bench, name| {
            bench.iter(|| format!("cart:of:{}:note", black_box(name)));
        });
    }
    group.bench_function("without arguments, typed", |bench| bench.iter(CartKeys::featured));
    group.finish();
}

fn values(criterion: &mut Criterion) {
    let cart = Cart::of(1234);
    let json = serde_json::to_vec(&cart).unwrap_or_default();
    let mut group = criterion.benchmark_group("value");
    group.bench_function("decode, typed", |bench| bench.iter(|| Json::<Cart>::decode(black_box(&json))));
    group.bench_function("decode, serde_json", |bench| {
        bench.iter(|| serde_json::from_slice::<Cart>(black_box(&json)));
    });
    let mut out = Vec::with_capacity(1024);
    group.bench_function("encode, typed", |bench| {
        bench.iter(|| {
            out.clear();
            Json::<Cart>::encode(black_box(&cart), &mut out)
        });
    });
    group.bench_function("encode, serde_json", |bench| {
        bench.iter(|| {
            out.clear();
            serde_json::to_writer(&mut out, black_box(&cart))
        });
    });
    group.finish();
}

fn commands(criterion: &mut Criterion) {
    let cart = Cart::of(1234);
    let mut group = criterion.benchmark_group("command");
    group.bench_function("GET, typed", |bench| bench.iter(|| CartKeys::user(black_box(1234)).get_json()));
    group.bench_function("GET, redis-rs", |bench| {
        bench.iter(|| {
            let mut command = redis::cmd("GET");
            command.arg(format!("cart:user:{}", black_box(1234_u64)));
            command
        });
    });
    group.bench_function("SET with EX, typed", |bench| {
        bench.iter(|| CartKeys::user(black_box(1234)).set_json(black_box(&cart)).into_command());
    });
    group.bench_function("SET with EX, redis-rs", |bench| {
        bench.iter(|| {
            let json = serde_json::to_vec(black_box(&cart));
            let mut command = redis::cmd("SET");
            command.arg(format!("cart:user:{}", black_box(1234_u64)));
            command.arg(json.unwrap_or_default()).arg("EX").arg(3600);
            command
        });
    });
    group.finish();
}
