//! From a configuration to connections.

pub(crate) mod breaker;
pub(crate) mod builder;
mod environment;
pub(crate) mod exclusive;
pub(crate) mod external;
pub(crate) mod health;
pub(crate) mod lane;
mod login;
mod manager;
mod own;
pub(crate) mod pool;
#[cfg(feature = "profiles")]
pub(crate) mod profiles;
pub(crate) mod registry;
pub(crate) mod settings;
mod slot;
mod stream;
mod url;
