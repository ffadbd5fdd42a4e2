//! Every behaviour on both servers: one body, two tests.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use redis_keyspace::{Key, Redis, RedisBuilder};
use redis_keyspace_embedded::Server;

use crate::{shared_server, unique_namespace};

/// Nothing a test does takes this long: what hangs fails.
const PATIENCE: Duration = Duration::from_secs(120);

tokio::task_local! {
    static NAMESPACE: String;
}

/// Makes two tests of each function, `name::embedded` and `name::real`: the handle that it is given is of a namespace of
/// its own and in scope, the runtime has several threads.
///
/// ```ignore
/// both_servers! {
///     async fn a_value_is_read_back(redis: Redis) {
///         Keys::name(7).set("Ada").await.unwrap();
///     }
/// }
/// ```
#[macro_export]
macro_rules! both_servers {
    ($($(#[$meta:meta])* async fn $name:ident($redis:ident: $type:ty) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports, reason = "not every test needs what is imported for the others")]
            use super::*;

            async fn body($redis: $type) $body

            #[test]
            $(#[$meta])*
            fn embedded() {
                $crate::on_embedded(body);
            }

            #[test]
            $(#[$meta])*
            fn real() {
                $crate::on_real(body);
            }
        }
    )*};
}

/// Runs a body on an embedded server of its own.
pub fn on_embedded<F: Future<Output = ()>>(body: impl FnOnce(Redis) -> F) {
    run(Redis::builder().embedded(Server::new()), body);
}

/// Runs a body on the shared real server.
pub fn on_real<F: Future<Output = ()>>(body: impl FnOnce(Redis) -> F) {
    run(Redis::builder().url(&shared_server().url()).expect("the harness makes good URLs"), body);
}

fn run<F: Future<Output = ()>>(builder: RedisBuilder, body: impl FnOnce(Redis) -> F) {
    let namespace = unique_namespace();
    let redis = builder.namespace(&namespace).expect("a good namespace").build().expect("a good builder");
    let test = NAMESPACE.scope(namespace, redis.scope(body(redis.clone())));
    within(PATIENCE, test);
}

/// Runs a future on a runtime of several threads; panics when it takes longer than the limit.
pub fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let outcome = runtime.block_on(async { tokio::time::timeout(limit, future).await });
    // A task that a failed test left behind must not hold up the end.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|_| panic!("the test was not done within {limit:?}"))
}

/// The key as it stands on the server, with the namespace of the running test.
pub fn wire<S, V>(key: &Key<S, V>) -> String {
    wired(key)
}

/// A key in text form as it stands on the server, with the namespace of the running test.
pub fn wired(key: impl fmt::Display) -> String {
    NAMESPACE.with(|namespace| format!("{namespace}:{key}"))
}

/// Runs one command by way of the raw access, on the database of the handle; panics when it fails.
pub async fn raw<T: redis::FromRedisValue + Send>(handle: &Redis, command: &[&str]) -> T {
    let mut sent = redis::cmd(command[0]);
    sent.arg(&command[1..]);
    let reply = handle.raw(|mut connection| async move { sent.query_async(&mut connection).await }).await;
    reply.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Waits for what has no event to wait for, such as what a server does on its own; panics after ten seconds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}: not within 10 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
