//! What the check finds, as messages.

use std::fmt;
use std::path::PathBuf;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file, below the package directory as the caller spelled it.
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
    /// Where the import is written.
    pub location: Location,
    /// The top-level module around it.
    pub module: String,
    /// The path as written.
    pub path: String,
    /// The file that defines what the path names.
    pub defined_in: PathBuf,
    /// The top-level module of that file.
    pub defining_module: String,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} imports `{}` from {}", self.location, self.path, self.defined_in.display())
    }
}

/// Something that breaks a rule. `Display` is the message for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A `mod` item of `lib.rs` is not in a group, although others are.
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
    /// Files use each other in a circle. The last import leads to the file of the first.
    FileCycle(Vec<Link>),
    /// Top-level modules use each other in a circle. The last import leads to the module of the first.
    ModuleCycle(Vec<Link>),
    /// A module names a foreign crate that only others may name.
    Foreign {
        /// Where the name is.
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
    /// A file is long, and does not say why.
    TooLong {
        /// The file.
        file: PathBuf,
        /// Its lines, without unit tests.
        lines: usize,
        /// How many lines are allowed.
        limit: usize,
    },
    /// The manifest allows something that does not occur.
    StaleRule {
        /// The manifest.
        manifest: PathBuf,
        /// What is allowed in vain.
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
