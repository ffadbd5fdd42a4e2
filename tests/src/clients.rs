//! Counts connections.

use redis_keyspace_harness::RealServer;

/// Returns how many connections a server has from handles of this program that have no
/// `client_name`. They are named after the program.
///
/// # Panics
///
/// Panics if the program has no file name.
#[must_use]
pub fn clients_of_program(server: &RealServer) -> usize {
    let program = std::env::current_exe().expect("the program has a path");
    let name = program.file_stem().expect("the program has a name").display();
    server.redis_cli(&["CLIENT", "LIST"]).matches(&format!(" name={name} ")).count()
}
