//! Subscriptions: the connections that receive messages, and who receives them.
//!
//! A pool has one connection for all its subscriptions, opened for the first one and closed after
//! the last one. On a cluster, it has one for each node that is needed: any node for ordinary
//! channels, the owner of the slot for sharded ones, and every master for notifications about keys.
//! They are not the connections of commands: a server closes a connection whose messages are not
//! read fast enough.
//!
//! What is wanted and what a server has confirmed are two sets. A connection compares them until
//! they are equal, also after it was lost. So it does not matter how often it is lost meanwhile.

mod entry;
mod hub;
#[cfg(test)]
mod hub_tests;
mod inbox;
mod link;
#[cfg(feature = "embedded")]
#[cfg(test)]
mod link_tests;
mod listener;
mod nodes;
mod patience;
mod places;
mod progress;
mod reauthentication;
mod session;
#[cfg(feature = "embedded")]
#[cfg(test)]
mod session_tests;
mod start;
mod state;
#[cfg(test)]
mod state_tests;
mod topic;

pub(in crate::connect) use hub::Hub;
pub(crate) use hub::SubscriptionStatus;
pub(crate) use inbox::Delivery;
pub(crate) use listener::Listener;
pub(in crate::connect) use nodes::SubscriptionNodes;
pub(in crate::connect) use start::subscribe;
pub(crate) use topic::{Reach, Topic};
