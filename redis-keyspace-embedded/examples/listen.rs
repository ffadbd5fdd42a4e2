//! Serves an empty server on a loopback port, until the process ends.
//!
//! ```text
//! cargo run -p redis-keyspace-embedded --example listen -- 7379
//! redis-cli -p 7379
//! ```
//!
//! Without a port, the operating system picks a free one.

#![expect(clippy::print_stdout, reason = "a client needs the port")]

use std::net::{Ipv4Addr, SocketAddr};

use redis_keyspace_embedded::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let server = Server::new();
    let listener = server.listen_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    println!("listening on {}", listener.url());
    std::future::pending().await
}
