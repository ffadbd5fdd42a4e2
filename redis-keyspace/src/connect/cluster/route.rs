//! How a request reaches its node.

use std::sync::Arc;

use crate::connect::node::Node;

/// How a request reaches its node.
#[derive(Clone, Default)]
pub(crate) enum Route {
    /// By the slot of its keys.
    #[default]
    BySlot,
    /// To the node that the slot is being moved to, after `ASKING`.
    Asking(Arc<Node>),
}

/// What to do after a failure.
pub(crate) enum NextStep {
    /// Send it again at once.
    Follow(Route),
    /// Send it again after a short pause: the keys of the command are being moved.
    Soon,
    /// Send it again after a pause, or when the map changes.
    Later,
}
