//! From a configuration to connections.

pub(crate) mod builder;
mod environment;
pub(crate) mod exclusive;
pub(crate) mod external;
pub(crate) mod lane;
mod login;
mod manager;
pub(crate) mod pool;
pub(crate) mod registry;
pub(crate) mod settings;
mod stream;
mod url;
