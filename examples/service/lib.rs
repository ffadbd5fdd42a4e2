//! The example is in the file beside this one: `cargo run --example health`.
