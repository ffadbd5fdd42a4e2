//! Empty: the examples are the other files here. Run one with `cargo run --example quickstart`.
