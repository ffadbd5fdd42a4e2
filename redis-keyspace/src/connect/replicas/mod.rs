//! Replicas that reads may use: finding them, checking them, and choosing one.

mod check;
mod choose;
pub(super) mod condition;
mod set;

pub(super) use check::ReplicaGroup;
pub(super) use choose::choose;
pub(super) use set::Replicas;
