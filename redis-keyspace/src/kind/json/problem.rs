//! The reason why a value cannot be encoded as readable JSON, and the position in the value.

use std::fmt::{self, Display};

use super::super::error::EncodeError;

/// The reason why a value cannot be encoded. Boxed, so results of nested calls are small and only
/// failures allocate.
#[derive(Debug)]
pub(super) struct JsonProblem(Box<JsonProblemInner>);

#[derive(Debug)]
struct JsonProblemInner {
    what: What,
    /// The path to the position, innermost step first.
    path: Vec<JsonStep>,
}

#[derive(Debug)]
enum What {
    Message(String),
    TooLong { most: usize },
}

/// A step from a value to a part of it. Map keys may be secret, so they are not kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum JsonStep {
    Name(&'static str),
    Index(usize),
    Entry,
}

impl JsonProblem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self::of(What::Message(message.into()))
    }

    pub(super) fn too_long(most: usize) -> Self {
        Self::of(What::TooLong { most })
    }

    fn of(what: What) -> Self {
        Self(Box::new(JsonProblemInner { what, path: Vec::new() }))
    }

    /// Adds an outer step to the path.
    pub(super) fn within(mut self, step: JsonStep) -> Self {
        self.0.path.push(step);
        self
    }

    pub(super) fn into_error(self) -> EncodeError {
        match &self.0.what {
            What::TooLong { most } => EncodeError::too_large(*most),
            What::Message(_) => EncodeError::new(self.to_string()),
        }
    }
}

impl Display for JsonProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.what {
            What::Message(message) => f.write_str(message)?,
            What::TooLong { most } => write!(f, "longer than {most} bytes")?,
        }
        if self.0.path.is_empty() {
            return Ok(());
        }
        f.write_str(" (at `")?;
        // If the value nests too deeply, the first steps are enough.
        const SHOWN: usize = 16;
        for step in self.0.path.iter().rev().take(SHOWN) {
            match step {
                JsonStep::Name(name) => write!(f, ".{name}")?,
                JsonStep::Index(index) => write!(f, "[{index}]")?,
                JsonStep::Entry => f.write_str("[..]")?,
            }
        }
        f.write_str(if self.0.path.len() > SHOWN { "..`)" } else { "`)" })
    }
}

impl std::error::Error for JsonProblem {}

impl serde::ser::Error for JsonProblem {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}
