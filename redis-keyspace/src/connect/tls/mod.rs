//! Encrypted connections. Only these modules name rustls.
//!
//! Both directions of a TLS connection share one session, so the halves of a lane share it behind a
//! mutex. The mutex is held while bytes are encrypted or decrypted, and for non-blocking writes to
//! the socket, and never while waiting.

mod any_certificate;
mod client_config;
mod context;
mod failure;
mod pem;
mod session;
#[cfg(test)]
mod session_tests;

pub(crate) use client_config::check_tls;
pub(in crate::connect) use context::TlsContext;
pub(in crate::connect) use failure::failure_of;
pub(in crate::connect) use session::{TlsReader, TlsStream, TlsWriter};
