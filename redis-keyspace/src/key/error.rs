//! The error when a key cannot be parsed.

use std::fmt;

use crate::error::short_name;

/// An error from [`Keyspace::parse`](crate::Keyspace::parse): no template of the keyspace produces
/// this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyParseError {
    message: String,
}

impl KeyParseError {
    pub(crate) fn new<'t>(keyspace: &str, templates: impl Iterator<Item = &'t str>, key: &str) -> Self {
        let templates: Vec<_> = templates.map(|template| format!("`{template}`")).collect();
        let message = format!(
            "`{}` is not a key of {keyspace}; its templates are {}",
            short_name(key).escape_debug(),
            templates.join(", "),
        );
        Self { message }
    }
}

impl fmt::Display for KeyParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for KeyParseError {}
