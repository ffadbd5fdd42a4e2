//! The examples are in the files beside this one; run one with `cargo run --example quickstart`.
