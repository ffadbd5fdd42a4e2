//! What the features `tracing` and `metrics` tell of.
//!
//! Without them, nothing of this is compiled. Neither ever holds a value or a password; metrics are labelled by
//! keyspace and template, never by key or tenant, so their number does not grow with the data.
//!
//! # Spans (feature `tracing`, target `redis_keyspace`, level `DEBUG`)
//!
//! One for each command, from when it is sent until its result is there, retries included; one for each batch or
//! transaction; one for each page of a scan. Their fields follow OpenTelemetry's conventions for databases:
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
//! | `otel.status_code` | `ERROR`, for one that failed |
//! | `error.type` | `timeout`, the [kind](crate::ErrorKind) of the error |
//! | `db.response.status_code` | `WRONGTYPE`, the first word of the server's error |
//! | `redis_keyspace.keyspace`, `redis_keyspace.template` | `SessionKeys`, `session:{user}` |
//!
//! # Events (feature `tracing`, target `redis_keyspace`)
//!
//! | level | of what |
//! | --- | --- |
//! | `WARN` | an attempt to connect that failed, a connection that was lost, a breaker that opened |
//! | `WARN` | a read that was answered by a miss, a value that was loaded anew or could not be stored |
//! | `WARN` | a loader that failed, a value that could not be refreshed early |
//! | `WARN` | a lock that could not be renewed, or was lost |
//! | `INFO` | a breaker that closed, the start on the embedded server |
//! | `DEBUG` | a retry, what was loaded and not stored because the key was written, a lease that could not be renewed |
//!
//! # Metrics (feature `metrics`, by the `metrics` crate)
//!
//! | name | type | labels |
//! | --- | --- | --- |
//! | `redis_keyspace_command_duration_seconds` | histogram | `keyspace`, `template`, `command`, `outcome` |
//! | `redis_keyspace_fills_total` | counter | `keyspace`, `template`, `result`: `hit`, `miss`, `coalesced`, `stale`, `absent`, `refresh`, `failed`, `undecodable`, `not_stored`, `superseded` |
//! | `redis_keyspace_degraded_total` | counter | `keyspace`, `template` |
//! | `redis_keyspace_dropped_writes_total` | counter | `keyspace`, `template`: writes on a [disabled](crate::Redis::disabled) handle |
//! | `redis_keyspace_retries_total` | counter | |
//! | `redis_keyspace_connects_total` | counter | `outcome`: `ok`, `error` |
//! | `redis_keyspace_lost_connections_total` | counter | |
//! | `redis_keyspace_breaker_opened_total` | counter | |
//!
//! `outcome` is `ok` or the kind of the error (`timeout`, `unavailable`, ..). The commands of a batch are counted one by one,
//! with the duration of the whole. What `template` and `keyspace` can't be known for, such as `PING`, has them empty.
//!
//! What connections are doing right now is no metric here but data: [`Redis::stats`](crate::Redis::stats).
