//! Finds the imports of a crate: the items of other modules and crates that each module uses.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{
    Arm, Attribute, Block, Expr, Field, FieldValue, ImplItem, ImplItemFn, Item, ItemExternCrate, ItemFn,
    ItemUse, Local, Macro, Meta, PatIdent, Stmt, StmtMacro, TraitItem, TraitItemFn, Variant, Visibility,
};

use crate::attributes::{self, is_test_only};
use crate::path::{Import, Imported, Path};
use crate::resolve::{Names, Place, Target};
use crate::scope::{Scope, Wanted};
use crate::source::{ModuleId, Source, line_of};
use crate::tokens;

/// A place where one module uses an item of another module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) from: ModuleId,
    pub(crate) to: ModuleId,
    pub(crate) line: usize,
    /// As written.
    pub(crate) path: String,
    /// Whether it is a `use` item.
    pub(crate) is_import: bool,
}

/// A place where a module names another crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignName {
    pub(crate) module: ModuleId,
    pub(crate) package: String,
    pub(crate) line: usize,
    pub(crate) path: String,
}

#[derive(Debug, Default)]
pub(crate) struct Imports {
    pub(crate) edges: Vec<Edge>,
    pub(crate) foreign: Vec<ForeignName>,
}

impl Imports {
    pub(crate) fn of(source: &Source) -> Self {
        let names = Names::new(source);
        let mut imports = Self::default();
        for module in source.module_ids() {
            let mut reader =
                Reader { source, names: &names, module, blocks: Vec::new(), variables: Vec::new(), imports };
            for item in &source.module(module).items {
                reader.visit_item(item);
            }
            imports = reader.imports;
        }
        imports.edges.sort_by_key(|edge| (source.module(edge.from).file, edge.line));
        imports
    }
}

/// How a path is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Import,
    Reexport,
    Code,
    Macro,
}

/// Reads one module.
struct Reader<'s> {
    source: &'s Source,
    names: &'s Names<'s>,
    module: ModuleId,
    blocks: Vec<Scope>,
    /// The variables of the enclosing functions, which hide functions of the same name.
    variables: Vec<HashSet<String>>,
    imports: Imports,
}

impl Reader<'_> {
    fn resolve(&mut self, path: &Path, usage: Use, line: usize) {
        let wanted = match usage {
            Use::Import | Use::Reexport => Wanted::Everything,
            Use::Code => Wanted::TypeOrValue,
            Use::Macro => Wanted::Macro,
        };
        let place = Place { module: self.module, blocks: &self.blocks };
        for target in self.names.resolve(place, path, wanted) {
            match target {
                // A lone name in code is never a module.
                Target::Module(_) if usage == Use::Code && path.is_single() => {}
                Target::Module(to) | Target::Item(to) => self.add_edge(to, path, usage, line),
                Target::Foreign(package) => self.add_foreign(package, path, usage, line),
            }
        }
    }

    fn add_edge(&mut self, to: ModuleId, path: &Path, usage: Use, line: usize) {
        let from = self.module;
        let is_import = matches!(usage, Use::Import | Use::Reexport);
        let is_bare = !is_import && !path.absolute && !path.starts_with_keyword();
        let path = path.to_string();
        // A module that re-exports its own parts does not depend on them.
        let is_facade = usage == Use::Reexport && self.source.is_within(to, from);
        let is_own = self.source.module(from).file == self.source.module(to).file
            && self.source.top_level(from) == self.source.top_level(to);
        // A name without a path is reported once, and at the import if there is one.
        let is_reported = self
            .imports
            .edges
            .iter()
            .filter(|edge| (edge.from, edge.to) == (from, to))
            .any(|edge| edge.path == path && (is_bare || edge.line == line) || is_bare && edge.is_import);
        if !is_facade && !is_own && !is_reported {
            self.imports.edges.push(Edge { from, to, line, path, is_import });
        }
    }

    fn add_foreign(&mut self, package: String, path: &Path, usage: Use, line: usize) {
        // Otherwise, the path starts with a name that a `use` item imports, and that item names the
        // crate.
        let is_named = matches!(usage, Use::Import | Use::Reexport)
            || path.first() == package
            || path.starts_with_keyword();
        let name = ForeignName { module: self.module, package, line, path: path.to_string() };
        if is_named && !self.imports.foreign.contains(&name) {
            self.imports.foreign.push(name);
        }
    }

    fn import(&mut self, import: &Import) {
        let usage = if import.is_reexport { Use::Reexport } else { Use::Import };
        let first_edge = self.imports.edges.len();
        self.resolve(&import.path, usage, import.line);
        if import.imported == Imported::Everything {
            for edge in self.imports.edges.iter_mut().skip(first_edge) {
                edge.path = import.spelling();
            }
        }
    }

    fn is_variable(&self, path: &Path) -> bool {
        path.is_single() && self.variables.iter().any(|variables| variables.contains(path.first()))
    }

    fn read_tokens(&mut self, tokens: TokenStream, is_code: bool) {
        for found in tokens::paths(tokens) {
            let usage = if found.is_macro { Use::Macro } else { Use::Code };
            let is_code = is_code || !found.path.is_single();
            if is_code && (found.is_macro || !self.is_variable(&found.path)) {
                self.resolve(&found.path, usage, found.line);
            }
        }
    }

    /// Reads a function with its variables in scope.
    fn with_variables(&mut self, variables: Variables, read: impl FnOnce(&mut Self)) {
        self.variables.push(variables.names);
        read(self);
        self.variables.pop();
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for import in Import::all_of(item) {
            self.import(&import);
        }
    }

    fn visit_item_extern_crate(&mut self, item: &'ast ItemExternCrate) {
        if let Some(import) = Import::of_extern_crate(item) {
            self.import(&import);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let written = Path::from(path);
        if !self.is_variable(&written) {
            let line = path.segments.first().map_or(0, |first| line_of(first.ident.span()));
            self.resolve(&written, Use::Code, line);
        }
        visit::visit_path(self, path); // the generic arguments
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        let line = invocation.path.segments.first().map_or(0, |first| line_of(first.ident.span()));
        self.resolve(&Path::from(&invocation.path), Use::Macro, line);
        self.read_tokens(invocation.tokens.clone(), true);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let is_read = ["derive", "doc", "cfg"].iter().all(|name| !attribute.path().is_ident(name));
        if let Meta::List(list) = &attribute.meta
            && is_read
        {
            self.read_tokens(list.tokens.clone(), false);
        }
    }

    /// Does nothing: the path of `pub(in ..)` is not an import.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_block(&mut self, block: &'ast Block) {
        let items = block.stmts.iter().filter_map(|statement| match statement {
            Stmt::Item(item) => Some(item),
            _ => None,
        });
        self.blocks.push(Scope::of_items(items, self.module));
        visit::visit_block(self, block);
        self.blocks.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        let mut variables = Variables::default();
        variables.visit_item_fn(function);
        self.with_variables(variables, |reader| visit::visit_item_fn(reader, function));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        let mut variables = Variables::default();
        variables.visit_impl_item_fn(function);
        self.with_variables(variables, |reader| visit::visit_impl_item_fn(reader, function));
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        let mut variables = Variables::default();
        variables.visit_trait_item_fn(function);
        self.with_variables(variables, |reader| visit::visit_trait_item_fn(reader, function));
    }

    // The methods below skip code that is compiled only for tests.

    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test_only(attributes::of_item(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !is_test_only(attributes::of_impl_item(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        if !is_test_only(attributes::of_trait_item(item)) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast Field) {
        if !is_test_only(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'ast FieldValue) {
        if !is_test_only(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast Variant) {
        if !is_test_only(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        if !is_test_only(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if !is_test_only(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_stmt_macro(&mut self, statement: &'ast StmtMacro) {
        if !is_test_only(&statement.attrs) {
            visit::visit_stmt_macro(self, statement);
        }
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        if !is_test_only(attributes::of_expression(expression)) {
            visit::visit_expr(self, expression);
        }
    }
}

/// The names that the patterns of a function bind.
#[derive(Default)]
struct Variables {
    names: HashSet<String>,
}

impl<'ast> Visit<'ast> for Variables {
    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        let name = pattern.ident.unraw().to_string();
        // Constants and unit variants, as in `LIMIT =>` and `None =>`, parse as the same pattern.
        if !name.starts_with(char::is_uppercase) {
            self.names.insert(name);
        }
        visit::visit_pat_ident(self, pattern);
    }
}
