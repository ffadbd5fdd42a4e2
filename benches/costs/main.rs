//! What a server sees of each operation: commands, bytes and CPU time. For servers billed by these.

use std::future::Future;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis_keyspace::config::LoginMode;
use redis_keyspace::{Counter, Json, Key, Keyspace, Lock, Redis, RedisBuilder};
use redis_keyspace_benches::{Args, Cart, Error, FIRST_ID, IDS, Server, TTL};

#[derive(Keyspace)]
#[keyspace(prefix = "cart", ttl = 3600)]
pub struct CartKeys {
    user: fn(id: u64) -> Json<Cart>,
    #[key("plain:{id}", fills = false)]
    plain: fn(id: u64) -> Json<Cart>,
    views: fn(id: u64) -> Counter,
    #[key("total:{id}", ttl = none)]
    total: fn(id: u64) -> Counter,
    checkout: fn(id: u64) -> Lock,
}

/// How long an idle connection is observed.
const IDLE: Duration = Duration::from_secs(2);
/// The ping interval of that connection.
const PING_INTERVAL: Duration = Duration::from_millis(10);

fn main() -> Result<(), Error> {
    let mut args = Args::from_env();
    let smoke = args.smoke();
    let operations = args.option("--operations")?.unwrap_or(if smoke { 20 } else { 10_000 });
    args.words()?;
    let server = Server::start(None)?;
    println!("{operations} operations of each kind, one after the other, on {}\n", server.version());
    println!("| operation | commands | bytes to the server | bytes from it | server CPU, us |");
    println!("| --- | --- | --- | --- | --- |");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let meter = Meter::new(&server, operations).await?;
        reads_and_writes(&meter).await?;
        fills(&meter).await?;
        connections(&meter, if smoke { 2 } else { 200 }).await
    })
}

/// What a server has counted since it started.
#[derive(Clone, Copy)]
struct Counters {
    commands: u64,
    received: u64,
    sent: u64,
    connections: u64,
    cpu: Duration,
}

struct Meter<'s> {
    server: &'s Server,
    operations: u64,
    connection: MultiplexedConnection,
}

impl<'s> Meter<'s> {
    async fn new(server: &'s Server, operations: u64) -> Result<Self, Error> {
        let client = redis::Client::open(server.url())?;
        let connection = client.get_multiplexed_async_connection().await?;
        Ok(Self { server, operations, connection })
    }

    async fn counters(&self) -> Result<Counters, Error> {
        let info: String = redis::cmd("INFO").arg("stats").query_async(&mut self.connection.clone()).await?;
        let number = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse().ok()).ok_or(format!("no `{name}` in INFO"))
        };
        Ok(Counters {
            commands: number("total_commands_processed")?,
            received: number("total_net_input_bytes")?,
            sent: number("total_net_output_bytes")?,
            connections: number("total_connections_received")?,
            cpu: self.server.cpu().unwrap_or_default(),
        })
    }

    /// Runs an operation on each key in turn, and prints what the server counted for one.
    async fn row<F: Future<Output = Result<(), Error>>>(
        &self,
        what: &str,
        operation: impl Fn(u64) -> F,
    ) -> Result<(), Error> {
        // The first operations connect and load scripts.
        for id in 0..10 {
            operation(FIRST_ID + id).await?;
        }
        self.measured(what, async || {
            for nth in 0..self.operations {
                operation(FIRST_ID + nth % IDS).await?;
            }
            Ok(self.operations)
        })
        .await
    }

    /// Prints what the server counted, divided by the number that `work` returns.
    async fn measured<F: Future<Output = Result<u64, Error>>>(
        &self,
        what: &str,
        work: impl FnOnce() -> F,
    ) -> Result<(), Error> {
        // The cost of reading the counters is subtracted.
        let earlier = self.counters().await?;
        let before = self.counters().await?;
        let count = work().await?.max(1) as f64;
        let after = self.counters().await?;
        let each = |of: fn(&Counters) -> u64| {
            let total = of(&after) - of(&before);
            total.saturating_sub(of(&before) - of(&earlier)) as f64 / count
        };
        let cpu = (after.cpu - before.cpu).as_secs_f64() * 1e6 / count;
        println!(
            "| {what} | {:.1} | {:.0} | {:.0} | {cpu:.1} |",
            each(|it| it.commands),
            each(|it| it.received),
            each(|it| it.sent),
        );
        Ok(())
    }
}

/// Drops the result of an operation: only its costs matter.
fn done<T>(_: T) -> Result<(), Error> {
    Ok(())
}

async fn reads_and_writes(meter: &Meter<'_>) -> Result<(), Error> {
    let redis = Redis::open(&meter.server.url())?;
    redis.clone().install().connect().await?;
    let driver = || meter.connection.clone();
    let json = serde_json::to_vec(&Cart::of(FIRST_ID))?;
    let name = |id: u64| format!("cart:user:{id}");

    meter.row("`get`, no value", async |id| done(CartKeys::user(id).get().await?)).await?;
    meter.row("`set`", async |id| Ok(CartKeys::user(id).set(&Cart::of(id)).await?)).await?;
    meter.row("`set`, `fills = false`", async |id| Ok(CartKeys::plain(id).set(&Cart::of(id)).await?)).await?;
    meter
        .row("redis-rs: `SET` with `EX`", async |id| {
            let mut set = redis::cmd("SET");
            set.arg(name(id)).arg(&json).arg("EX").arg(TTL);
            Ok(set.query_async(&mut driver()).await?)
        })
        .await?;
    meter.row("`get`", async |id| done(CartKeys::user(id).get().await?)).await?;
    meter
        .row("redis-rs: `GET`", async |id| {
            done(redis::cmd("GET").arg(name(id)).query_async::<Vec<u8>>(&mut driver()).await?)
        })
        .await?;
    meter
        .row("`get_many` of 100 keys", async |first| {
            let keys = (0..100).map(|nth| CartKeys::user(FIRST_ID + (first + nth) % IDS));
            done(Key::get_many(keys).await?)
        })
        .await?;
    meter
        .row("`set(..).only_if_absent()`, the value exists", async |id| {
            done(CartKeys::user(id).set(&Cart::of(id)).only_if_absent().await?)
        })
        .await?;
    CartKeys::plain(FIRST_ID).set(&Cart::of(FIRST_ID)).await?;
    meter
        .row("the same, `fills = false`", async |id| {
            done(CartKeys::plain(id).set(&Cart::of(id)).only_if_absent().await?)
        })
        .await?;
    meter
        .row("`expire`", async |id| done(CartKeys::user(id).expire(Duration::from_secs(TTL)).await?))
        .await?;
    meter.row("`update`", async |id| done(CartKeys::user(id).update(|cart| cart.user += 1).await?)).await?;
    meter
        .row("`update`, `fills = false`", async |id| {
            done(CartKeys::plain(id).update(|cart| cart.user += 1).await?)
        })
        .await?;
    meter.row("`del`, no value", async |id| done(CartKeys::user(id + IDS).del().await?)).await?;
    meter
        .row("`del`, no value, `fills = false`", async |id| done(CartKeys::plain(id + IDS).del().await?))
        .await?;
    meter
        .row("redis-rs: `DEL`, no value", async |id| {
            Ok(redis::cmd("DEL").arg(name(id + IDS)).query_async(&mut driver()).await?)
        })
        .await?;
    meter.row("`incr` of a counter with a TTL", async |id| done(CartKeys::views(id).incr().await?)).await?;
    meter.row("`incr`, `ttl = none`", async |id| done(CartKeys::total(id).incr().await?)).await?;
    meter
        .row("redis-rs: `INCR`", async |id| {
            Ok(redis::cmd("INCR").arg(format!("total:{id}")).query_async(&mut driver()).await?)
        })
        .await?;
    meter
        .row("a lock, taken and released", async |id| {
            if let Some(guard) = CartKeys::checkout(id).try_lock().await? {
                guard.release().await?;
            }
            Ok(())
        })
        .await
}

async fn fills(meter: &Meter<'_>) -> Result<(), Error> {
    meter
        .row("`get_or_set`, a hit", async |id| {
            CartKeys::user(id).get_or_set(|| async move { Cart::of(id) }).await?;
            Ok(())
        })
        .await?;
    // Each operation needs a missing value, so it starts with a `del`. Subtract the row above.
    meter
        .row("`del`, then `get_or_set`, a miss", async |id| {
            CartKeys::user(id).del().await?;
            CartKeys::user(id).get_or_set(|| async move { Cart::of(id) }).await?;
            Ok(())
        })
        .await?;
    meter
        .row("`del`, then `get_or_set` across processes, a miss", async |id| {
            CartKeys::user(id).del().await?;
            CartKeys::user(id).get_or_set(|| async move { Cart::of(id) }).across_processes().await?;
            Ok(())
        })
        .await?;
    let json = serde_json::to_vec(&Cart::of(FIRST_ID))?;
    meter
        .row("redis-rs: `DEL`, `GET`, `SET` with `EX`", async |id| {
            let (mut driver, name) = (meter.connection.clone(), format!("cart:user:{id}"));
            redis::cmd("DEL").arg(&name).query_async::<()>(&mut driver).await?;
            redis::cmd("GET").arg(&name).query_async::<Option<Vec<u8>>>(&mut driver).await?;
            let mut set = redis::cmd("SET");
            set.arg(&name).arg(&json).arg("EX").arg(TTL);
            Ok(set.query_async(&mut driver).await?)
        })
        .await
}

async fn connections(meter: &Meter<'_>, times: u64) -> Result<(), Error> {
    let builder = || Redis::builder().url(&meter.server.url());
    let logins = async |configure: fn(RedisBuilder) -> RedisBuilder| {
        let before = meter.counters().await?.connections;
        for nth in 0..times {
            // Another name, so that the pool is not shared with the one before.
            let named = configure(builder()?.shared_connections(1)).client_name(format!("login-{nth}"));
            let redis = named.build()?;
            redis.connect().await?;
            redis.close().await;
        }
        Ok(meter.counters().await?.connections - before)
    };
    meter.measured("a login", async || logins(|builder| builder).await).await?;
    meter
        .measured("a login, `LoginMode::Minimal`", async || {
            logins(|builder| builder.login(LoginMode::Minimal)).await
        })
        .await?;
    meter
        .measured("redis-rs: a login", async || {
            let client = redis::Client::open(meter.server.url())?;
            for _ in 0..times {
                drop(client.get_multiplexed_async_connection().await?);
            }
            Ok(times)
        })
        .await?;
    let idle = builder()?.shared_connections(1).ping_interval(PING_INTERVAL).build()?;
    idle.connect().await?;
    meter
        .measured("a check of an idle connection", async || {
            let before = meter.counters().await?.commands;
            tokio::time::sleep(IDLE).await;
            Ok(meter.counters().await?.commands - before - 1)
        })
        .await
}
