//! Handles, pools and connections, and commands while a server is unavailable.

mod breaker;
mod closing;
mod credentials;
mod degrading;
mod disabled;
mod foreign_runtimes;
mod handles;
mod health;
mod long_keys;
mod overload;
mod own_pool;
mod plain_login;
mod profiles;
mod recovery;
mod refusals;
mod scopes;
mod server_faults;
mod silent_connections;
mod unix_sockets;
