//! What the suites stand on: private real servers, a proxy that fails on command, and waiting with a limit.
//!
//! Nothing here knows the library under test or the embedded server, so a fault of theirs can't hide in its own referee.

mod child;
mod frame;
mod gate;
mod namespace;
mod proxy;
mod server;
mod sync;
mod wait;
mod watchdog;

pub mod resp;
pub mod secrets;

#[cfg(test)]
mod tests;

pub use child::{ChildTest, RunningTest};
pub use gate::{Gate, Stepper};
pub use namespace::unique_namespace;
pub use proxy::{Fault, Proxy, Traffic};
pub use server::{RealServer, RealServerBuilder, shared_server};
pub use wait::{PATIENCE, eventually, eventually_blocking, eventually_rises, within};
