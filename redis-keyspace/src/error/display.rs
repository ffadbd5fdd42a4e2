//! The formatting of errors.

use std::error::Error as StdError;
use std::fmt;

use super::base::{Error, TemplateName};
use super::short_name::short_name;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(context) = &self.inner.context {
            f.write_str(context.command)?;
            if let Some(key) = &context.key {
                write!(f, " {:?}", short_name(key))?;
            }
            if let Some(TemplateName { keyspace, field, .. }) = context.template {
                write!(f, " ({keyspace}::{field})")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.inner.message)?;
        if let Some((budget, limit)) = self.inner.budget {
            write!(f, " (the limit of {limit:?} passed while {})", budget.words())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.kind())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}
