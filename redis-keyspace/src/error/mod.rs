//! The error type of this crate. An error has a stable kind, the command and the key that failed,
//! and a message that says what to do where that is known.

mod base;
mod carried;
mod credentials;
mod display;
mod driver;
mod format;
mod in_script;
mod kind;
mod redact;
mod redirect;
mod server;
mod short_name;
mod slots;
mod tls;

pub(crate) use base::TemplateName;
pub use base::{Error, Result};
pub(crate) use format::later_version;
pub(crate) use in_script::unwrapped;
pub use kind::{Budget, ErrorKind, TlsFailure};
pub(crate) use redact::{redacted, without_arguments, without_quoted};
pub(crate) use redirect::Redirect;
pub(crate) use server::is_unknown_script;
pub(crate) use short_name::short_name;
pub(crate) use slots::SlotConflict;
