//! The harness of the suites: private real servers, a proxy that fails on command, and small helpers.
//!
//! Nothing here but [`both_servers`] and what [`chaos`] attacks uses the library under test, so a fault of the library can't
//! hide in its own referee.

mod both;
mod frame;
mod gate;
mod namespace;
mod proxy;
mod server;
mod watchdog;

pub mod chaos;
pub mod resp;
pub mod secrets;

pub use both::{eventually, on_embedded, on_real, raw, wire, wired, within};
pub use gate::{Gate, Stepper};
pub use namespace::unique_namespace;
pub use proxy::{Fault, Proxy, Traffic};
pub use server::{RealServer, RealServerBuilder, shared_server};
