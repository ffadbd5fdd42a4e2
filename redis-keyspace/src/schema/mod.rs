//! Declarations: keyspaces and templates as data, the `Keyspace` trait, and typed keys.

mod conflict;
mod declared;
mod key;
mod keyspace;
mod lifetime;
mod policy;
mod sweep_mark;
mod template;
mod ttl_value;

pub(crate) use conflict::conflict_of;
pub use conflict::{Message, conflict};
pub use declared::{FilledKeyspace, Identified, Keyspace};
pub(crate) use key::Pinned;
pub use key::{Key, KeyBuilder};
pub use keyspace::{KeyspaceMeta, Overrides};
pub use lifetime::Lifetime;
pub use policy::{FillPolicy, OnUnavailable, Reads};
pub(crate) use sweep_mark::{is_sweep_mark, sweep_mark};
pub use template::TemplateMeta;
pub use ttl_value::TtlValue;
