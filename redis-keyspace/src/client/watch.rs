//! Deadlines of requests that are polled on a runtime other than the one of their connection.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::{Handle, Id};
use tokio::time::{Sleep, sleep_until};

use crate::error::{Budget, Error, Result};
use crate::time::Deadline;

/// Watches the deadline of a request while it is polled on a foreign runtime.
///
/// The driver of a connection ends requests at their deadlines. It runs on the runtime of its pool,
/// which may be stopped while another runtime polls the request: after `block_on` returned, or in a
/// test that creates a runtime per step. On a foreign runtime, the request therefore watches its
/// own deadline. On the home runtime, no timer is needed.
pub(crate) struct DeadlineWatch {
    home: Id,
    deadline: Deadline,
    /// The timer, and the runtime that drives it.
    foreign: Option<(Id, Pin<Box<Sleep>>)>,
}

impl DeadlineWatch {
    /// `home` is the runtime of the pool.
    pub(crate) fn new(home: Id, deadline: Deadline) -> Self {
        Self { home, deadline, foreign: None }
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Returns the error of a deadline that passed on a foreign runtime. Poll it whenever the
    /// request is pending.
    pub(crate) fn poll_passed(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        let Ok(here) = Handle::try_current().map(|runtime| runtime.id()) else { return Poll::Pending };
        if here == self.home {
            self.foreign = None;
            return Poll::Pending;
        }
        if self.foreign.as_ref().is_none_or(|(runtime, _)| *runtime != here) {
            self.foreign = Some((here, Box::pin(sleep_until(self.deadline.at()))));
        }
        match &mut self.foreign {
            Some((_, timer)) => timer.as_mut().poll(context).map(|()| self.deadline.passed(Budget::Reply)),
            None => Poll::Pending,
        }
    }

    /// Awaits a request within its deadline, on any runtime.
    pub(crate) async fn bound<T>(mut self, request: impl Future<Output = Result<T>>) -> Result<T> {
        let mut request = std::pin::pin!(request);
        std::future::poll_fn(move |context| match request.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => self.poll_passed(context).map(Err),
        })
        .await
    }
}

impl fmt::Debug for DeadlineWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineWatch").field("home", &self.home).finish_non_exhaustive()
    }
}
