//! Shared code of the test suites: the harness, a macro that runs a test on both servers, and
//! attacks on a client.
//!
//! Servers, proxies and waiting are in the harness, which does not depend on the library under
//! test.

mod available;
mod both;
mod clients;
mod command_log;
mod own_pool;

pub mod chaos;
pub mod cluster_chaos;
mod load;
pub mod scripted;
pub mod sentinel_chaos;

pub use available::{is_available, is_known};
pub use both::{on_embedded, on_real, raw, wire, wired};
pub use clients::clients_of_program;
pub use command_log::{CommandLog, ServerAbilities};
pub use load::{Promise, Verdict};
pub use own_pool::{manager, pool_builder};
pub use redis_keyspace_harness::{
    ChildTest, Executed, Failover, Fault, Gate, Monitor, PATIENCE, Party, Promotion, Proxy, RealCluster,
    RealClusterBuilder, RealSentinels, RealSentinelsBuilder, RealServer, RealServerBuilder, RunningTest,
    SlotMove, Stepper, Switch, Switches, TlsFiles, Traffic, child_test, eventually, eventually_blocking,
    eventually_rises, require_command, require_forgotten_entries, require_in_scripts, require_ipv6,
    require_no_command, require_private_script_debug, require_reply_to_auth, require_setting, require_tls,
    require_value, resp, secrets, server_program, shared_cluster, shared_server, slot_tag, unique_namespace,
    within,
};
