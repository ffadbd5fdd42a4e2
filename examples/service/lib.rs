//! Empty: the example is `health.rs`. Run it with `cargo run --example health`.
