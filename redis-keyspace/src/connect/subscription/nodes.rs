//! The nodes that subscriptions can use.

use std::sync::Arc;

use crate::connect::cluster::Cluster;
use crate::connect::node::Node;

/// The nodes of a pool.
pub(in crate::connect) trait SubscriptionNodes: Send + Sync + 'static {
    /// The server that the configuration names.
    fn home(&self) -> &Arc<Node>;

    /// The cluster, once the server is known to be a node of one.
    fn cluster(&self) -> Option<&Cluster>;
}
