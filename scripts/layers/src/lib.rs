//! Checks that the modules of a crate form layers, and a few rules that keep the crate readable.
//!
//! `scripts/test` runs it on the crates of this repository:
//!
//! ```text
//! cargo run -q -p redis-keyspace-layers -- redis-keyspace redis-keyspace-embedded
//! ```
//!
//! With `--list`, it prints all imports as well.
//!
//! # Rules
//!
//! - **Layers.** `lib.rs` declares its modules in groups, lowest layer first. A group is a run of `mod` items without
//!   blank lines, directly below a plain comment that names the layer (up to a colon). A module uses only modules of
//!   lower layers or of its own. What `lib.rs` itself defines is above all layers. A crate without such comments has one
//!   layer.
//! - **Cycles.** Neither files nor top-level modules use each other in a circle.
//! - **Foreign crates.** The manifest lists the modules that may name a crate:
//!   `[package.metadata.layers] foreign.redis = ["connect", "error::driver"]`.
//! - **Names.** Two types (`struct`, `enum`, `union`, `trait`, `type`) do not share a name, unless the manifest lists
//!   it in `same-names`.
//! - **Length.** A file of more than 450 lines, without unit tests, says why: its first comment has the words "long
//!   because".
//!
//! # What is an import
//!
//! All `use` items and all paths in code, in attributes, in the arguments of macros and in the bodies of
//! `macro_rules!`. A path leads to the file that *defines* the item: re-exports, globs and renamed imports are
//! followed. Variants and associated items are where their type is. A macro is where its `macro_rules!` is. If an item
//! is not found, since a macro makes it, the path leads to the last module that it names. A re-export of another crate's
//! item leads out of the crate.
//!
//! A re-export of a module's own parts (`pub use text::KeyText` in `key/mod.rs`) is no import: other modules that use
//! it import from the part. If the module uses the name in its own code, that is an import. A `mod` item is no import.
//!
//! Every `cfg` is taken to be on, except `test`: code for tests is left out.
//!
//! # Limitations
//!
//! The check reads syntax, not types. It does not see a call of a method that a higher layer defines on a type of a
//! lower one, nor the code that a derive or another crate's macro makes. In the arguments of macros, a lone lower-case
//! name is only read if it is called. A variable hides the functions of its name in its whole function.

// what is read
mod attributes;
mod error;
mod path;
mod rules;
mod source;

// what names mean
mod resolve;
mod scope;
mod tokens;

// what is found
mod graph;
mod imports;
mod layers;
mod violation;

// the rules
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

/// What the check says about a crate.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The number of layers.
    pub layers: usize,
    /// The number of top-level modules.
    pub modules: usize,
    /// The number of files.
    pub files: usize,
    /// The number of pairs of files of which one imports from the other.
    pub edges: usize,
    /// The number of files in cycles.
    pub files_in_cycles: usize,
    /// All imports from other files and other top-level modules.
    pub imports: Vec<Link>,
    /// What breaks a rule.
    pub violations: Vec<Violation>,
}

/// Checks the crate in a package directory.
///
/// # Errors
///
/// If a file cannot be read or parsed, or the manifest is invalid.
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
