//! Encrypted connections, on the embedded server and on a real one. The certificates are made by
//! the tests.

mod authority;
mod clusters;
mod commands;
mod failures;
mod options;
mod rotation;
mod sentinels;
mod traffic;
