//! Paths as written in code, and the leaves of `use` items.

use std::fmt;

use syn::ext::IdentExt;
use syn::{ItemExternCrate, ItemUse, UseTree, Visibility};

use crate::source::line_of;

/// A path without its generic arguments: `super::reply::Reply`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path {
    /// Whether it starts with `::`. The first segment is then a crate.
    pub(crate) absolute: bool,
    pub(crate) segments: Vec<String>,
}

impl Path {
    pub(crate) fn first(&self) -> &str {
        self.segments.first().map_or("", String::as_str)
    }

    pub(crate) fn is_single(&self) -> bool {
        !self.absolute && self.segments.len() == 1
    }

    pub(crate) fn starts_with_keyword(&self) -> bool {
        !self.absolute && matches!(self.first(), "crate" | "$crate" | "self" | "super")
    }

    pub(crate) fn join(&self, segment: String) -> Self {
        let mut joined = self.clone();
        joined.segments.push(segment);
        joined
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.absolute {
            f.write_str("::")?;
        }
        f.write_str(&self.segments.join("::"))
    }
}

impl From<&syn::Path> for Path {
    fn from(path: &syn::Path) -> Self {
        Self {
            absolute: path.leading_colon.is_some(),
            segments: path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect(),
        }
    }
}

/// The name or names that a leaf of a `use` item brings into scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Imported {
    Name(String),
    Everything,
}

/// One import of a `use` item. An item with groups has several.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) path: Path,
    pub(crate) imported: Imported,
    /// Whether it has a visibility, such as `pub(crate)`.
    pub(crate) is_reexport: bool,
    pub(crate) line: usize,
}

impl Import {
    /// Returns the path as written. The path of a glob ends with `::*`.
    pub(crate) fn spelling(&self) -> String {
        match self.imported {
            Imported::Name(_) => self.path.to_string(),
            Imported::Everything => format!("{}::*", self.path),
        }
    }

    pub(crate) fn all_of(item: &ItemUse) -> Vec<Self> {
        let mut leaves =
            Leaves { is_reexport: !matches!(item.vis, Visibility::Inherited), imports: Vec::new() };
        let root = Path { absolute: item.leading_colon.is_some(), segments: Vec::new() };
        leaves.collect(&item.tree, &root);
        leaves.imports
    }

    /// Returns the import of an `extern crate` item; `None` for `extern crate self`, which imports
    /// nothing.
    pub(crate) fn of_extern_crate(item: &ItemExternCrate) -> Option<Self> {
        let name = item.ident.unraw().to_string();
        if name == "self" {
            return None;
        }
        let alias = item.rename.as_ref().map_or(&item.ident, |(_, alias)| alias);
        Some(Self {
            path: Path { absolute: true, segments: vec![name] },
            imported: Imported::Name(alias.unraw().to_string()),
            is_reexport: !matches!(item.vis, Visibility::Inherited),
            line: line_of(item.ident.span()),
        })
    }
}

struct Leaves {
    is_reexport: bool,
    imports: Vec<Import>,
}

impl Leaves {
    fn collect(&mut self, tree: &UseTree, prefix: &Path) {
        match tree {
            UseTree::Path(tree) => self.collect(&tree.tree, &prefix.join(tree.ident.unraw().to_string())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.collect(tree, prefix)),
            UseTree::Name(leaf) => self.push(prefix, &leaf.ident, &leaf.ident),
            UseTree::Rename(leaf) => self.push(prefix, &leaf.ident, &leaf.rename),
            UseTree::Glob(glob) => self.imports.push(Import {
                path: prefix.clone(),
                imported: Imported::Everything,
                is_reexport: self.is_reexport,
                line: line_of(glob.star_token.span),
            }),
        }
    }

    fn push(&mut self, prefix: &Path, ident: &syn::Ident, alias: &syn::Ident) {
        // `use a::b::{self}` and `use a::b::{self as c}` import `a::b`.
        let is_prefix = ident == "self" && !prefix.segments.is_empty();
        let path = if is_prefix { prefix.clone() } else { prefix.join(ident.unraw().to_string()) };
        let name =
            if alias == "self" { path.segments.last().cloned() } else { Some(alias.unraw().to_string()) };
        self.imports.push(Import {
            path,
            imported: Imported::Name(name.unwrap_or_default()),
            is_reexport: self.is_reexport,
            line: line_of(ident.span()),
        });
    }
}
