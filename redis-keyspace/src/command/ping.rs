//! Asking the server for a sign of life.

use std::time::Duration;

use tokio::time::Instant;

use super::base::Command;
use crate::client::{CallOptions, Redis, Subject};
use crate::error::Result;
use crate::protocol::{Keys, Packet, Request, read};

impl Redis {
    /// Sends a `PING` and returns how long the answer took.
    ///
    /// # Errors
    ///
    /// Those of any command, at the latest after the configured timeout.
    pub async fn ping(&self) -> Result<Duration> {
        let started = Instant::now();
        let ping = Command {
            request: Ok(Request::One(Packet::new("PING", Keys::None))),
            subject: Subject::new(None, None, "PING"),
            repeatable: true,
            decode: read::pong,
            call: CallOptions::default(),
            unreadable: None,
        };
        ping.on(self).await?;
        Ok(started.elapsed())
    }
}
