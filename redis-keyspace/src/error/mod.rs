//! The one error type: a stable kind, the command and key that it concerns, and what to do.

mod base;
mod carried;
mod driver;
mod kind;
mod server;
mod slots;

pub(crate) use base::TemplateName;
pub use base::{Error, Result};
pub use kind::{Budget, ErrorKind};
pub(crate) use server::without_arguments;
pub(crate) use slots::SlotConflict;
