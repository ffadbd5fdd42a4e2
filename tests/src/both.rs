//! Runs one test body on both servers, as two tests.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use redis_keyspace::{Key, Redis, RedisBuilder};
use redis_keyspace_embedded::Server;

use crate::{PATIENCE, shared_server, unique_namespace, within};

/// The default timeout of commands, long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

tokio::task_local! {
    static NAMESPACE: String;
}

/// Turns each function into two tests, `name::embedded` and `name::real`. The handle argument has
/// its own namespace and is in scope. The runtime is multi-threaded.
///
/// The module `both_servers` of the suite `operations` is an example.
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

/// Runs a body on a private embedded server.
pub fn on_embedded<F: Future<Output = ()>>(body: impl FnOnce(Redis) -> F) {
    run(Redis::builder().embedded(Server::new()), body);
}

/// Runs a body on the shared real server.
pub fn on_real<F: Future<Output = ()>>(body: impl FnOnce(Redis) -> F) {
    run(Redis::builder().url(&shared_server().url()).expect("the harness returns valid URLs"), body);
}

fn run<F: Future<Output = ()>>(builder: RedisBuilder, body: impl FnOnce(Redis) -> F) {
    let namespace = unique_namespace();
    let builder = builder.namespace(&namespace).expect("a valid namespace").timeout(LIMIT);
    let redis = builder.build().expect("a valid builder");
    run_in(&redis, namespace, Box::pin(body(redis.clone())));
}

/// Not generic, so that it is compiled once and not for every test.
fn run_in(redis: &Redis, namespace: String, body: Pin<Box<dyn Future<Output = ()> + '_>>) {
    within(PATIENCE, NAMESPACE.scope(namespace, redis.scope(body)));
}

/// Returns the key as the server stores it, with the namespace of the running test.
pub fn wire<S, V>(key: &Key<S, V>) -> String {
    wired(key)
}

/// Returns a key in text form as the server stores it, with the namespace of the running test.
pub fn wired(key: impl fmt::Display) -> String {
    NAMESPACE.with(|namespace| format!("{namespace}:{key}"))
}

/// Runs one command through raw access, on the database of the handle. On a cluster, it must have
/// one master. Panics if it fails.
pub async fn raw<T: redis::FromRedisValue + Send>(handle: &Redis, command: &[&str]) -> T {
    let mut sent = redis::cmd(command[0]);
    sent.arg(&command[1..]);
    let send = |mut connection| {
        let sent = sent.clone();
        async move { sent.query_async(&mut connection).await }
    };
    let mut replies = handle.raw_each(send).await.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert_eq!(replies.len(), 1, "the cluster has several masters");
    replies.remove(0)
}
