//! The one error type: a stable kind, the command and key that it concerns, and what to do.

mod base;
mod carried;
mod driver;
mod kind;
mod redact;
mod server;
mod slots;

pub(crate) use base::TemplateName;
pub use base::{Error, Result};
pub use kind::{Budget, ErrorKind};
pub(crate) use redact::{redacted, without_arguments, without_quoted};
pub(crate) use slots::SlotConflict;
