//! The spans, events and metrics of the features `tracing` and `metrics`.
//!
//! Without these features, none of this is compiled. Spans, events and metrics never contain a
//! value or a password. Metrics are labelled by keyspace and template, never by key or tenant, so
//! their number does not grow with the data.
//!
//! # Spans (feature `tracing`, target `redis_keyspace`, level `DEBUG`)
//!
//! One span for each command, from sending it to its result, retries included; one for each batch
//! or transaction; one for each page of a scan. Their fields follow the OpenTelemetry conventions
//! for databases:
//!
//! | field | for example |
//! | --- | --- |
//! | `otel.name` | `GET session:{user}`, the command and the template |
//! | `otel.kind` | `client` |
//! | `db.system.name` | `redis` |
//! | `db.operation.name` | `GET`; `PIPELINE` or `MULTI` for batches and transactions |
//! | `db.operation.batch.size` | commands of a batch or transaction |
//! | `db.namespace` | `2`, the database |
//! | `server.address`, `server.port` | `127.0.0.1`, `6379`; the path of a unix socket |
//! | `otel.status_code` | `ERROR`, if the command failed |
//! | `error.type` | `timeout`, the [kind](crate::ErrorKind) of the error |
//! | `db.response.status_code` | `WRONGTYPE`, the first word of the server's error |
//! | `redis_keyspace.keyspace`, `redis_keyspace.template` | `SessionKeys`, `session:{user}` |
//!
//! # Events (feature `tracing`, target `redis_keyspace`)
//!
//! | level | logged for |
//! | --- | --- |
//! | `WARN` | a failed attempt to connect, a lost connection, a circuit breaker that opened |
//! | `WARN` | a read that returned a miss because Redis was unavailable, a value that can't be decoded and is reloaded, a loaded value or the payload hash of a `Once` that could not be stored |
//! | `WARN` | a [slow command](crate::RedisBuilder::slow_command), a [large value](crate::RedisBuilder::large_value) |
//! | `WARN` | a failed loader, a value that could not be refreshed early |
//! | `WARN` | a lock that could not be renewed or released, or was lost |
//! | `WARN` | a job of a [worker](crate::worker) that failed, was lost, deleted or moved to the dead letters; a command of a worker that failed; a consumer group that had to be created again |
//! | `WARN` | a cluster of which no node reports its slots |
//! | `WARN` | a sentinel that does not answer, fewer than a majority of the sentinels that answer |
//! | `INFO` | sentinels that name another master, a majority of sentinels that answers again |
//! | `DEBUG` | a replica that is in sync, or not any more |
//! | `WARN` | a credentials provider that failed, an open connection that could not log in again |
//! | `WARN` | a TLS connection whose certificates are not verified |
//! | `ERROR` | a panic in a job of a worker, or in its `on_event` |
//! | `INFO` | a circuit breaker that closed, the start of the embedded server, a plain login |
//! | `DEBUG` | slots of a cluster that moved, and that are scanned again |
//! | `DEBUG` | new credentials of a provider, an open connection that logged in with them |
//! | `DEBUG` | a command that the server rejects, so that a script replaces it |
//! | `DEBUG` | a write that a [disabled](crate::Redis::disabled) handle dropped, `UNWATCH` that failed, the end of a connection for subscriptions |
//! | `DEBUG` | a retry, a login that is tried again with `AUTH` and `SELECT` only, a loaded value that was not stored because the key was written, a lease that could not be renewed |
//!
//! # Metrics (feature `metrics`, through the `metrics` crate)
//!
//! | name | type | labels |
//! | --- | --- | --- |
//! | `redis_keyspace_command_duration_seconds` | histogram | `keyspace`, `template`, `command`, `outcome` |
//! | `redis_keyspace_fills_total` | counter | `keyspace`, `template`, `result`: `hit`, `miss`, `coalesced`, `stale`, `absent`, `refresh`, `failed`, `undecodable`, `not_stored`, `superseded` |
//! | `redis_keyspace_degraded_total` | counter | `keyspace`, `template` |
//! | `redis_keyspace_dropped_writes_total` | counter | `keyspace`, `template`: writes on a [disabled](crate::Redis::disabled) handle |
//! | `redis_keyspace_slow_commands_total` | counter | `keyspace`, `template`, `command` |
//! | `redis_keyspace_large_values_total` | counter | `keyspace`, `template`, `command`, `direction`: `sent`, `received` |
//! | `redis_keyspace_jobs_total` | counter | `keyspace`, `template` of the stream; `result`, the name of a field of [`WorkerStats`](crate::worker::WorkerStats) |
//! | `redis_keyspace_job_duration_seconds` | histogram | `keyspace`, `template`; `outcome` of the handler of a [worker](crate::worker): `ok`, `error` |
//! | `redis_keyspace_retries_total` | counter | |
//! | `redis_keyspace_redirections_total` | counter | |
//! | `redis_keyspace_master_switches_total` | counter | `master`, the name that sentinels watch |
//! | `redis_keyspace_connects_total` | counter | `server`; `outcome`: `ok`, `error` |
//! | `redis_keyspace_lost_connections_total` | counter | `server` |
//! | `redis_keyspace_breaker_opened_total` | counter | `server` |
//! | `redis_keyspace_credentials_total` | counter | `outcome` of a call of the credentials provider: `ok`, `error` |
//! | `redis_keyspace_reauthentications_total` | counter | `server`; `outcome`: `ok`, `error` |
//!
//! `server` is the address of a server or of a node of a cluster. A pool of the application has
//! none: there it is `the application's pool`. `outcome` is `ok` or the kind of the error
//! (`timeout`, `unavailable`, ..). The commands of a batch are counted one by one, with the
//! duration of the whole batch. For commands without a template, such as `PING`, `template` and
//! `keyspace` are empty.
//!
//! The current state of connections is not a metric. [`Redis::stats`](crate::Redis::stats) returns
//! it as data.
