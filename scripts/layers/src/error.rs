//! Errors of reading a crate.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

pub(crate) type Result<T> = std::result::Result<T, LoadError>;

/// An error that keeps the check from reading a crate.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// A file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A file is not Rust.
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where parsing failed.
        line: usize,
        /// What the parser expected.
        message: String,
    },
    /// The file of a `mod` item does not exist.
    NoFile {
        /// The file with the `mod` item.
        path: PathBuf,
        /// The line of the item.
        line: usize,
        /// The name of the module.
        module: String,
    },
    /// A manifest is invalid.
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The parser's message.
        message: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Syntax { path, line, message } => write!(f, "{}:{line}: {message}", path.display()),
            Self::NoFile { path, line, module } => {
                write!(f, "{}:{line}: no file for the module `{module}`", path.display())
            }
            Self::Manifest { path, message } => write!(f, "{}: {message}", path.display()),
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}
