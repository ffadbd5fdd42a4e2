//! Connections: opening them from a configuration, pooling them, and running requests on them.

mod abilities;
mod atomicity;
mod attempt;
mod breaker;
mod callers;
mod cluster;
mod credentials;
mod demotion;
mod dial;
mod exclusive;
mod external;
mod facts;
mod hello;
mod lane;
mod login;
mod login_history;
mod manager;
mod node;
mod open;
mod own;
mod pool;
mod raw;
mod raw_session;
mod reauthentication;
mod redact;
mod registry;
mod replicas;
mod resolve;
mod search;
mod sentinel;
mod server;
mod server_run;
mod slot;
mod stream;
mod subscription;
#[cfg(feature = "tls")]
mod tls;
mod value;
mod wait;

pub use breaker::BreakerState;
pub(crate) use cluster::{Cluster, ClusterLayout, NextStep, NodeTotals, Route};
pub(crate) use facts::{ServerFacts, ServerRun};
pub(crate) use lane::{Receiver, Submitted};
pub(crate) use node::Node;
pub(crate) use pool::Pool;
pub use raw::RawConnection;
pub(crate) use registry::PoolRef;
pub(crate) use sentinel::SentinelStatus;
pub(crate) use subscription::{Delivery, Listener, Reach, Topic};
#[cfg(feature = "tls")]
pub(crate) use tls::check_tls;
pub(crate) use value::to_driver;
pub(crate) use wait::{ReplicaWait, ServerWait, run_and_wait};
