//! The rules that a crate declares in its manifest, under `[package.metadata.layers]`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::error::{LoadError, Result};

/// The rules of a crate.
///
/// ```toml
/// [package.metadata.layers]
/// foreign.redis = ["connect", "error::driver"] # the only modules that may name the crate `redis`
/// same-names = ["Sealed"]                      # type names that may be defined more than once
/// ```
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Rules {
    /// The modules that may name a foreign crate. Modules below them may name it, too. `crate` is
    /// the root.
    pub(crate) foreign: BTreeMap<String, Vec<String>>,
    pub(crate) same_names: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    layers: Rules,
}

impl Rules {
    /// Loads the rules of a package directory. A package without a manifest has no rules.
    pub(crate) fn load(package: &Path) -> Result<Self> {
        let path = package.join("Cargo.toml");
        if !path.exists() {
            return Ok(Self::default());
        }
        let text =
            fs::read_to_string(&path).map_err(|source| LoadError::Read { path: path.clone(), source })?;
        let manifest: Manifest = toml::from_str(&text)
            .map_err(|error| LoadError::Manifest { path, message: error.to_string() })?;
        Ok(manifest.package.metadata.layers)
    }
}
