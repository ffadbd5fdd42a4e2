//! The nodes of a cluster: which of them serves a slot, and the connections of each.
//!
//! Each node has its own connections, limits and circuit breaker, so a node that is down does not
//! affect commands for the others. A task asks the nodes for the slots when a redirection or a
//! failed connection shows that the map is outdated. It asks over the shared connections of the
//! nodes, so it never waits for a connection that a caller holds. No lock is held while anything is
//! awaited.

mod base;
mod follow;
mod layout;
mod left;
mod map;
mod refresh;
mod report;
mod route;
mod shared;
mod view;

pub(crate) use base::Cluster;
pub(in crate::connect) use base::MapStamp;
pub(crate) use layout::ClusterLayout;
pub(crate) use left::NodeTotals;
pub(crate) use route::{NextStep, Route};
