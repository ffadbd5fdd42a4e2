//! Every behaviour on both servers: one body, two tests.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use redis_keyspace::{Key, Redis, RedisBuilder};
use redis_keyspace_embedded::Server;

use crate::{PATIENCE, shared_server, unique_namespace, within};

/// The limit of a command that states none: what is to work has time on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

tokio::task_local! {
    static NAMESPACE: String;
}

/// Makes two tests of each function, `name::embedded` and `name::real`: the handle that it is given is of a namespace of
/// its own and in scope, the runtime has several threads.
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
    let builder = builder.namespace(&namespace).expect("a good namespace").timeout(LIMIT);
    let redis = builder.build().expect("a good builder");
    let test = NAMESPACE.scope(namespace, redis.scope(body(redis.clone())));
    within(PATIENCE, test);
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
