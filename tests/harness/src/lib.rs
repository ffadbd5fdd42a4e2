//! Shared test tools: private real servers, clusters and sentinels, a proxy that injects faults,
//! and waiting with a limit.
//!
//! Nothing here depends on the library under test or on the embedded server, so their bugs cannot
//! hide in the tools that look for them.

mod child;
mod cluster;
mod frame;
mod gate;
mod monitor;
mod namespace;
mod ports;
mod program;
mod proxy;
mod requirements;
mod sentinel;
mod server;
mod sync;
mod wait;
mod watchdog;

pub mod resp;
pub mod secrets;

#[cfg(test)]
mod tests;

pub use child::{ChildTest, RunningTest};
pub use cluster::{Failover, RealCluster, RealClusterBuilder, SlotMove, shared_cluster, slot_tag};
pub use gate::{Gate, Stepper};
pub use monitor::{Executed, Monitor};
pub use namespace::unique_namespace;
pub use program::server_program;
pub use proxy::{Fault, Proxy, Traffic};
pub use requirements::{
    require_accepted, require_command, require_forgotten_entries, require_in_scripts, require_ipv6,
    require_no_command, require_private_script_debug, require_reply_to_auth, require_setting, require_tls,
    require_value,
};
pub use sentinel::{Party, Promotion, RealSentinels, RealSentinelsBuilder, Switch, Switches};
pub use server::{RealServer, RealServerBuilder, TlsFiles, shared_server};
pub use wait::{PATIENCE, eventually, eventually_blocking, eventually_rises, within};
