//! Finds the module that defines the item of a path, through imports, re-exports and globs.

use std::collections::HashMap;

use syn::Item;
use syn::ext::IdentExt;

use crate::path::Path;
use crate::scope::{Entry, Namespace, Scope, Wanted, is_exported};
use crate::source::{ModuleId, Source};

/// The target of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Module(ModuleId),
    /// An item that this module defines. If no such item is visible, a macro may generate it. The
    /// module is then the last one that the path names.
    Item(ModuleId),
    Foreign(String),
}

/// The place where a path is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) module: ModuleId,
    /// The enclosing blocks, outermost first. They can have their own items and imports.
    pub(crate) blocks: &'a [Scope],
}

#[derive(Debug)]
pub(crate) struct Names<'s> {
    source: &'s Source,
    scopes: HashMap<ModuleId, Scope>,
    /// The modules that define a `macro_rules!`, by its name.
    macros: HashMap<String, Vec<ModuleId>>,
    /// The names of the crate in its own code: `extern crate self as name`.
    own_names: Vec<String>,
}

impl<'s> Names<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        let scopes = source.module_ids().map(|id| (id, Scope::of_module(source, id))).collect();
        let mut names = Self { source, scopes, macros: HashMap::new(), own_names: Vec::new() };
        for id in source.module_ids() {
            for item in &source.module(id).items {
                names.add_unscoped(item, id);
            }
        }
        names
    }

    /// Returns all possible targets of a path. A name can have a different target in each
    /// namespace.
    pub(crate) fn resolve(&self, place: Place<'_>, path: &Path, wanted: Wanted) -> Vec<Target> {
        Search { names: self, followed: Vec::new() }.path(place, path, wanted)
    }

    /// Adds names that other modules see without importing them.
    fn add_unscoped(&mut self, item: &Item, module: ModuleId) {
        match item {
            Item::Macro(item) => {
                let Some(name) = item.ident.as_ref().map(|ident| ident.unraw().to_string()) else { return };
                self.macros.entry(name.clone()).or_default().push(module);
                if is_exported(&item.attrs)
                    && module != ModuleId::ROOT
                    && let Some(root) = self.scopes.get_mut(&ModuleId::ROOT)
                {
                    root.add(name, Entry::Item(Namespace::Macro, module));
                }
            }
            Item::ExternCrate(item) if item.ident == "self" => {
                self.own_names.extend(item.rename.as_ref().map(|(_, name)| name.unraw().to_string()));
            }
            _ => {}
        }
    }

    /// Finds a macro by textual scope: in the module or an enclosing module, else the only macro of
    /// that name.
    fn textual_macro(&self, module: ModuleId, name: &str) -> Option<Target> {
        let defining = self.macros.get(name)?;
        let around = self.source.ancestors(module).find(|ancestor| defining.contains(ancestor));
        let only = if let [only] = defining.as_slice() { Some(*only) } else { None };
        around.or(only).map(Target::Item)
    }
}

/// The state of one resolution.
struct Search<'n> {
    names: &'n Names<'n>,
    /// The imports that are being followed, to detect cycles.
    followed: Vec<*const Path>,
}

impl<'n> Search<'n> {
    fn path(&mut self, place: Place<'_>, path: &Path, wanted: Wanted) -> Vec<Target> {
        let (mut targets, rest) = self.start(place, path, wanted);
        for (nth, segment) in rest.iter().enumerate() {
            let wanted = if nth + 1 == rest.len() { wanted } else { Wanted::Container };
            targets = targets.into_iter().flat_map(|target| self.step(target, segment, wanted)).collect();
        }
        targets
    }

    /// Resolves the first segment, or the leading keywords. Also returns the remaining segments.
    fn start<'p>(&mut self, place: Place<'_>, path: &'p Path, wanted: Wanted) -> (Vec<Target>, &'p [String]) {
        let Some((first, mut rest)) = path.segments.split_first() else { return (Vec::new(), &[]) };
        let own = self.names.own_names.contains(first).then_some(Target::Module(ModuleId::ROOT));
        if path.absolute {
            return (vec![own.unwrap_or_else(|| Target::Foreign(first.clone()))], rest);
        }
        let mut module = match first.as_str() {
            "crate" | "$crate" => ModuleId::ROOT,
            "self" => place.module,
            "super" => self.parent(place.module),
            "Self" => return (Vec::new(), &[]),
            name => {
                let wanted = if rest.is_empty() { wanted } else { Wanted::Container };
                let mut targets = self.visible(place, name, wanted).unwrap_or_default();
                if targets.is_empty() && matches!(wanted, Wanted::Macro | Wanted::Everything) {
                    targets.extend(self.names.textual_macro(place.module, name));
                }
                if targets.is_empty() && wanted != Wanted::Macro {
                    targets.push(own.unwrap_or_else(|| Target::Foreign(first.clone())));
                }
                return (targets, rest);
            }
        };
        while let Some((segment, others)) = rest.split_first()
            && segment == "super"
        {
            module = self.parent(module);
            rest = others;
        }
        (vec![Target::Module(module)], rest)
    }

    fn step(&mut self, target: Target, segment: &str, wanted: Wanted) -> Vec<Target> {
        match target {
            Target::Module(module) => {
                self.member(module, segment, wanted).unwrap_or_else(|| vec![Target::Item(module)])
            }
            // Variants and associated items belong to the module of their type.
            target => vec![target],
        }
    }

    fn parent(&self, module: ModuleId) -> ModuleId {
        self.names.source.module(module).parent.unwrap_or(ModuleId::ROOT)
    }

    /// Looks up a name in the blocks, innermost first, then in the module.
    fn visible(&mut self, place: Place<'_>, name: &str, wanted: Wanted) -> Option<Vec<Target>> {
        let mut blocks = place.blocks;
        while let Some((innermost, outer)) = blocks.split_last() {
            let found = self.within(innermost, Place { blocks, ..place }, name, wanted);
            if found.is_some() {
                return found;
            }
            blocks = outer;
        }
        self.member(place.module, name, wanted)
    }

    fn member(&mut self, module: ModuleId, name: &str, wanted: Wanted) -> Option<Vec<Target>> {
        let scope = self.names.scopes.get(&module)?;
        self.within(scope, Place { module, blocks: &[] }, name, wanted)
    }

    /// Returns `None` if the scope does not have the name, and an empty list if it has the name
    /// only in other namespaces.
    fn within(&mut self, scope: &Scope, place: Place<'_>, name: &str, wanted: Wanted) -> Option<Vec<Target>> {
        let mut found: Option<Vec<Target>> = None;
        for entry in scope.entries(name) {
            let targets = match entry {
                Entry::Import(path) => match self.follow(place, path, wanted) {
                    Some(targets) => targets,
                    None => continue,
                },
                entry if !entry.matches(wanted) => Vec::new(),
                Entry::Module(module) => vec![Target::Module(*module)],
                Entry::Item(_, module) => vec![Target::Item(*module)],
            };
            found.get_or_insert_default().extend(targets);
        }
        if found.as_ref().is_some_and(|targets| !targets.is_empty()) {
            return found;
        }
        for glob in scope.globs() {
            for target in self.follow(place, glob, Wanted::Container).unwrap_or_default() {
                if let Target::Module(module) = target
                    && let Some(targets) = self.member(module, name, wanted)
                {
                    found.get_or_insert_default().extend(targets);
                }
            }
        }
        found
    }

    /// Resolves the path of an import. Returns `None` if that import is already being followed.
    fn follow(&mut self, place: Place<'_>, import: &Path, wanted: Wanted) -> Option<Vec<Target>> {
        if self.followed.iter().any(|followed| std::ptr::eq(*followed, import)) {
            return None;
        }
        self.followed.push(import);
        let targets = self.path(place, import, wanted);
        self.followed.pop();
        Some(targets)
    }
}
