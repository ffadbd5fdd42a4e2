//! The violations that the check reports, and their messages.

use std::fmt;
use std::path::PathBuf;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file, starting with the package directory as the caller spelled it.
    pub file: PathBuf,
    /// The line, counted from one.
    pub line: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// An import, with both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The location of the import.
    pub location: Location,
    /// The top-level module that contains the import.
    pub module: String,
    /// The path as written.
    pub path: String,
    /// The file that defines the imported item.
    pub defined_in: PathBuf,
    /// The top-level module of that file.
    pub defining_module: String,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} imports `{}` from {}", self.location, self.path, self.defined_in.display())
    }
}

/// A violation of a rule. `Display` writes the message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A `mod` item of `lib.rs` is not in a group, but others are.
    Ungrouped {
        /// The `mod` item.
        location: Location,
        /// The module.
        module: String,
    },
    /// A module uses a module of a higher layer.
    Upward {
        /// The import.
        link: Link,
        /// The layer of the importing module.
        layer: String,
        /// The layer of the module that it imports from.
        higher_layer: String,
    },
    /// Files import each other in a cycle. The last import leads to the file of the first.
    FileCycle(Vec<Link>),
    /// Top-level modules import each other in a cycle. The last import leads to the module of the
    /// first.
    ModuleCycle(Vec<Link>),
    /// A module names a foreign crate that only other modules may name.
    Foreign {
        /// The location of the path.
        location: Location,
        /// The path as written.
        path: String,
        /// The crate.
        package: String,
        /// The modules that may name it.
        allowed: Vec<String>,
    },
    /// Several types share a name.
    SameName {
        /// The name.
        name: String,
        /// The definitions.
        locations: Vec<Location>,
    },
    /// A file is too long and gives no reason.
    TooLong {
        /// The file.
        file: PathBuf,
        /// The number of lines, without comments and unit tests.
        lines: usize,
        /// The maximum number of lines.
        limit: usize,
    },
    /// The manifest contains an exception that nothing needs.
    StaleRule {
        /// The manifest.
        manifest: PathBuf,
        /// The rule that applies to nothing.
        rule: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ungrouped { location, module } => {
                write!(
                    f,
                    "{location}: module `{module}` is in no layer: move it into a group below a comment"
                )
            }
            Self::Upward { link, layer, higher_layer } => write!(
                f,
                "{}: `{}` (layer `{layer}`) must not use `{}` (higher layer `{higher_layer}`): imports `{}`, defined in {}",
                link.location,
                link.module,
                link.defining_module,
                link.path,
                link.defined_in.display(),
            ),
            Self::FileCycle(links) => {
                write!(f, "cycle of {} files:", links.len())?;
                links.iter().try_for_each(|link| write!(f, "\n    {link}"))
            }
            Self::ModuleCycle(links) => {
                write!(f, "cycle of {} modules:", links.len())?;
                links.iter().try_for_each(|link| {
                    write!(f, "\n    `{}` uses `{}`: {link}", link.module, link.defining_module)
                })
            }
            Self::Foreign { location, path, package, allowed } => {
                write!(f, "{location}: `{path}` names the crate `{package}`; ")?;
                if allowed.is_empty() {
                    return f.write_str("no module may");
                }
                let allowed: Vec<_> = allowed.iter().map(|name| format!("`{name}`")).collect();
                write!(f, "only {} may", allowed.join(", "))
            }
            Self::SameName { name, locations } => {
                let places: Vec<_> = locations.iter().map(Location::to_string).collect();
                write!(f, "{} types are named `{name}`: {}", places.len(), places.join(", "))
            }
            Self::TooLong { file, lines, limit } => write!(
                f,
                "{}: {lines} lines, more than {limit}: split the file, or write \"long because ..\" into its first comment",
                file.display(),
            ),
            Self::StaleRule { manifest, rule } => write!(f, "{}: {rule}", manifest.display()),
        }
    }
}
