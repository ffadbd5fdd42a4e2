//! Checks that the modules of a crate form layers, and some rules that keep the crate readable.
//!
//! `scripts/test` runs the check on the crates of this repository:
//!
//! ```text
//! cargo run -q -p redis-keyspace-layers -- redis-keyspace redis-keyspace-embedded
//! ```
//!
//! With `--list`, it also prints all imports.
//!
//! # Rules
//!
//! - **Layers.** `lib.rs` declares its modules in groups, lowest layer first. A group is a run of
//!   `mod` items without blank lines, directly below a plain comment that names the layer (up to a
//!   colon). A module uses only modules of the same layer or of lower layers. Items that `lib.rs`
//!   itself defines are above all layers. A crate without such comments has one layer.
//! - **Cycles.** Neither files nor top-level modules import each other in a cycle.
//! - **Foreign crates.** The manifest lists the modules that may name a crate:
//!   `[package.metadata.layers] foreign.redis = ["connect", "error::driver"]`.
//! - **Names.** Two types (`struct`, `enum`, `union`, `trait`, `type`) must not share a name,
//!   unless the manifest lists the name in `same-names`.
//! - **Length.** A file of more than 450 lines, without comments and unit tests, gives a reason:
//!   its first comment contains the words "long because".
//!
//! # What is an import
//!
//! All `use` items, and all paths in code, in attributes, in the arguments of macros and in the
//! bodies of `macro_rules!`. A path leads to the file that *defines* the item: re-exports, globs
//! and renamed imports are followed.
//!
//! - Variants and associated items belong to the file of their type.
//! - A macro belongs to the file of its `macro_rules!`.
//! - If an item is not found, because a macro generates it, the path leads to the last module that
//!   it names.
//! - A re-export of another crate's item leads to that crate.
//!
//! A re-export of a module's own parts (`pub use text::KeyText` in `key/mod.rs`) is not an import.
//! Other modules that use the re-export import from the part. If the module itself uses the name in
//! its code, that is an import. A `mod` item is not an import.
//!
//! Every `cfg` counts as enabled except `test`: test code is ignored.
//!
//! # Limitations
//!
//! The check reads syntax, not types. It does not see a call of a method that a higher layer
//! defines on a type of a lower layer, nor code that a derive or another crate's macro generates.
//! In the arguments of macros, a single lower-case name counts only if it is called. A variable
//! hides functions of the same name in its whole function.

// input
mod attributes;
mod error;
mod path;
mod rules;
mod source;

// name resolution
mod resolve;
mod scope;
mod tokens;

// findings
mod graph;
mod imports;
mod layers;
mod violation;

// rules
mod check;

use std::path::Path;

use check::{Check, link};
pub use error::LoadError;
use graph::Graph;
use imports::Imports;
use layers::Layers;
use rules::Rules;
use source::{ModuleId, Source};
pub use violation::{Link, Location, Violation};

/// The result of the check of a crate.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The number of layers.
    pub layers: usize,
    /// The number of top-level modules.
    pub modules: usize,
    /// The number of files.
    pub files: usize,
    /// The number of ordered pairs of files in which the first imports from the second.
    pub edges: usize,
    /// The number of files in cycles.
    pub files_in_cycles: usize,
    /// All imports from other files and other top-level modules.
    pub imports: Vec<Link>,
    /// The violations of the rules.
    pub violations: Vec<Violation>,
}

/// Checks the crate in a package directory.
///
/// # Errors
///
/// Returns an error if a file cannot be read or parsed, or if the manifest is invalid.
pub fn check(package: &Path) -> Result<Report, LoadError> {
    let rules = Rules::load(package)?;
    let source = Source::load(package)?;
    let imports = Imports::of(&source);
    let layers = Layers::of(&source);
    let file = |module| source.module(module).file;
    let graph = Graph::new(imports.edges.iter().map(|edge| (file(edge.from), file(edge.to))));
    Ok(Report {
        layers: layers.names.len().max(1),
        modules: source.module(ModuleId::ROOT).children.len(),
        files: source.files.len(),
        edges: graph.edges(),
        files_in_cycles: graph.nodes_in_cycles(),
        imports: imports.edges.iter().map(|edge| link(&source, edge)).collect(),
        violations: Check::run(package, &source, &imports, &rules, &layers),
    })
}
