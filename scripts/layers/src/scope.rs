//! The names that a module or a block declares or imports.

use std::collections::HashMap;

use syn::ext::IdentExt;
use syn::{Attribute, Fields, Ident, Item};

use crate::attributes::{self, is_test_only};
use crate::path::{Import, Imported, Path};
use crate::source::{ModuleId, Source};

/// Rust's namespaces. A name can refer to a different item in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    Type,
    Value,
    Macro,
}

/// The kind of item that a path refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Any item: a `use` imports a name from all namespaces.
    Everything,
    /// The module or type before `::`.
    Container,
    TypeOrValue,
    Macro,
}

impl Wanted {
    fn includes(self, namespace: Namespace) -> bool {
        match self {
            Self::Everything => true,
            Self::Container => namespace == Namespace::Type,
            Self::TypeOrValue => namespace != Namespace::Macro,
            Self::Macro => namespace == Namespace::Macro,
        }
    }
}

#[derive(Debug)]
pub(crate) enum Entry {
    Module(ModuleId),
    Item(Namespace, ModuleId),
    Import(Path),
}

impl Entry {
    /// Returns whether the entry can be of the wanted kind. Imports always match, because their
    /// target is not known yet.
    pub(crate) fn matches(&self, wanted: Wanted) -> bool {
        match self {
            Self::Module(_) => wanted.includes(Namespace::Type),
            Self::Item(namespace, _) => wanted.includes(*namespace),
            Self::Import(_) => true,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Scope {
    names: HashMap<String, Vec<Entry>>,
    globs: Vec<Path>,
}

impl Scope {
    /// Creates the scope of these items, which are in `module` or in one of its blocks.
    pub(crate) fn of_items<'a>(items: impl IntoIterator<Item = &'a Item>, module: ModuleId) -> Self {
        let mut scope = Self::default();
        for item in items {
            if !is_test_only(attributes::of_item(item)) {
                scope.add_item(item, module);
            }
        }
        scope
    }

    pub(crate) fn of_module(source: &Source, id: ModuleId) -> Self {
        let module = source.module(id);
        // The loop below adds the `mod` items.
        let mut scope = Self::of_items(module.items.iter().filter(|item| !matches!(item, Item::Mod(_))), id);
        for child in &module.children {
            scope.add(source.module(*child).name.clone(), Entry::Module(*child));
        }
        scope
    }

    pub(crate) fn entries(&self, name: &str) -> &[Entry] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn globs(&self) -> &[Path] {
        &self.globs
    }

    pub(crate) fn add(&mut self, name: String, entry: Entry) {
        self.names.entry(name).or_default().push(entry);
    }

    fn add_item(&mut self, item: &Item, module: ModuleId) {
        use Namespace::{Macro, Type, Value};

        let (ident, namespaces): (&Ident, &[Namespace]) = match item {
            Item::Const(item) => (&item.ident, &[Value]),
            Item::Static(item) => (&item.ident, &[Value]),
            Item::Fn(item) => (&item.sig.ident, &[Value]),
            Item::Enum(item) => (&item.ident, &[Type]),
            Item::Struct(item) if matches!(item.fields, Fields::Named(_)) => (&item.ident, &[Type]),
            Item::Struct(item) => (&item.ident, &[Type, Value]),
            Item::Trait(item) => (&item.ident, &[Type]),
            Item::TraitAlias(item) => (&item.ident, &[Type]),
            Item::Type(item) => (&item.ident, &[Type]),
            Item::Union(item) => (&item.ident, &[Type]),
            Item::Mod(item) => (&item.ident, &[Type]),
            Item::Macro(item) => match &item.ident {
                Some(ident) => (ident, &[Macro]),
                None => return,
            },
            Item::Use(item) => {
                return Import::all_of(item).into_iter().for_each(|import| self.add_import(import));
            }
            Item::ExternCrate(item) => {
                return Import::of_extern_crate(item).into_iter().for_each(|import| self.add_import(import));
            }
            _ => return,
        };
        for namespace in namespaces {
            self.add(ident.unraw().to_string(), Entry::Item(*namespace, module));
        }
    }

    fn add_import(&mut self, import: Import) {
        match import.imported {
            Imported::Name(name) => self.add(name, Entry::Import(import.path)),
            Imported::Everything => self.globs.push(import.path),
        }
    }
}

/// Returns whether a macro has `#[macro_export]`, which moves it to the crate root.
pub(crate) fn is_exported(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("macro_export"))
}
