//! Applies the rules to a crate.

use std::collections::BTreeMap;
use std::path::Path;

use syn::ext::IdentExt;
use syn::{Ident, Item};

use crate::attributes::{self, is_test_only};
use crate::graph::{Graph, edges_of};
use crate::imports::{Edge, Imports};
use crate::layers::Layers;
use crate::rules::Rules;
use crate::source::{ModuleId, Source, line_of};
use crate::violation::{Link, Location, Violation};

/// Files with more lines must give a reason.
const MAX_LINES: usize = 450;

pub(crate) struct Check<'s> {
    package: &'s Path,
    source: &'s Source,
    imports: &'s Imports,
    rules: &'s Rules,
    layers: &'s Layers,
    violations: Vec<Violation>,
}

impl<'s> Check<'s> {
    pub(crate) fn run(
        package: &'s Path,
        source: &'s Source,
        imports: &'s Imports,
        rules: &'s Rules,
        layers: &'s Layers,
    ) -> Vec<Violation> {
        let mut check = Self { package, source, imports, rules, layers, violations: Vec::new() };
        check.grouping();
        // Each error is reported once: an upward import is not reported as part of a cycle.
        let (upward, edges): (Vec<_>, Vec<_>) = imports.edges.iter().partition(|edge| check.is_upward(edge));
        check.directions(&upward);
        check.cycles(&edges);
        check.foreign_crates();
        check.type_names();
        check.lengths();
        check.violations
    }

    fn grouping(&mut self) {
        for (module, line) in &self.layers.ungrouped {
            let location = location(self.source, ModuleId::ROOT, *line);
            self.violations.push(Violation::Ungrouped { location, module: self.source.path_of(*module) });
        }
    }

    /// Returns the layers of both ends of an import.
    fn layers_of(&self, edge: &Edge) -> Option<(usize, usize)> {
        let layer_of = |module| self.layers.layer_of(self.source.top_level(module));
        Some((layer_of(edge.from)?, layer_of(edge.to)?))
    }

    fn is_upward(&self, edge: &Edge) -> bool {
        self.layers_of(edge).is_some_and(|(from, to)| from < to)
    }

    fn directions(&mut self, upward: &[&Edge]) {
        for edge in upward {
            let Some((layer, higher_layer)) = self.layers_of(edge) else { continue };
            self.violations.push(Violation::Upward {
                link: link(self.source, edge),
                layer: self.layers.name(layer).to_owned(),
                higher_layer: self.layers.name(higher_layer).to_owned(),
            });
        }
    }

    fn cycles(&mut self, edges: &[&Edge]) {
        let files = |edge: &Edge| (self.source.module(edge.from).file, self.source.module(edge.to).file);
        let modules = |edge: &Edge| (self.source.top_level(edge.from), self.source.top_level(edge.to));
        let of_files = self.cycles_between(edges, files).map(Violation::FileCycle);
        let of_modules = self.cycles_between(edges, modules).map(Violation::ModuleCycle);
        let found: Vec<_> = of_files.chain(of_modules).collect();
        self.violations.extend(found);
    }

    /// Returns the imports of each cycle.
    fn cycles_between<N: Copy + Ord>(
        &self,
        edges: &[&Edge],
        ends: impl Fn(&Edge) -> (N, N),
    ) -> impl Iterator<Item = Vec<Link>> {
        let graph = Graph::new(edges.iter().map(|edge| ends(edge)));
        let first_between = move |pair| edges.iter().find(|edge| ends(edge) == pair);
        graph.into_cycles().into_iter().map(move |cycle| {
            edges_of(&cycle).filter_map(&first_between).map(|edge| link(self.source, edge)).collect()
        })
    }

    fn foreign_crates(&mut self) {
        for (package, allowed) in &self.rules.foreign {
            let mut unused: Vec<_> = allowed.iter().collect();
            for name in self.imports.foreign.iter().filter(|name| name.package == *package) {
                let module = self.source.path_of(name.module);
                let permits = |prefix: &str| {
                    module.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
                };
                unused.retain(|prefix| !permits(prefix));
                if !allowed.iter().any(|prefix| permits(prefix)) {
                    let location = location(self.source, name.module, name.line);
                    let (path, package, allowed) = (name.path.clone(), package.clone(), allowed.clone());
                    self.violations.push(Violation::Foreign { location, path, package, allowed });
                }
            }
            for prefix in unused {
                let rule = format!("`foreign.{package}` lists `{prefix}`, which does not name that crate");
                self.violations.push(self.stale_rule(rule));
            }
        }
    }

    fn type_names(&mut self) {
        let mut definitions = BTreeMap::<String, Vec<(ModuleId, Location)>>::new();
        for module in self.source.module_ids() {
            let items = self.source.module(module).items.iter();
            for ident in items.filter_map(type_name) {
                let of_name = definitions.entry(ident.unraw().to_string()).or_default();
                // Types of the same name in one module are alternatives by `cfg`.
                if of_name.iter().all(|(other, _)| *other != module) {
                    of_name.push((module, location(self.source, module, line_of(ident.span()))));
                }
            }
        }
        definitions.retain(|_, of_name| of_name.len() > 1);
        for name in self.rules.same_names.iter().filter(|name| !definitions.contains_key(*name)) {
            let rule = format!("`same-names` lists `{name}`, which is not the name of several types");
            self.violations.push(self.stale_rule(rule));
        }
        for (name, of_name) in definitions {
            if !self.rules.same_names.contains(&name) {
                let locations = of_name.into_iter().map(|(_, location)| location).collect();
                self.violations.push(Violation::SameName { name, locations });
            }
        }
    }

    fn lengths(&mut self) {
        for file in &self.source.files {
            if file.length > MAX_LINES && !gives_reason(&file.text) {
                let (file, lines) = (file.path.clone(), file.length);
                self.violations.push(Violation::TooLong { file, lines, limit: MAX_LINES });
            }
        }
    }

    fn stale_rule(&self, rule: String) -> Violation {
        Violation::StaleRule { manifest: self.package.join("Cargo.toml"), rule }
    }
}

/// Describes both ends of an import for messages.
pub(crate) fn link(source: &Source, edge: &Edge) -> Link {
    let top_level = |module| source.path_of(source.top_level(module));
    Link {
        location: location(source, edge.from, edge.line),
        module: top_level(edge.from),
        path: edge.path.clone(),
        defined_in: source.file_of(edge.to).path.clone(),
        defining_module: top_level(edge.to),
    }
}

fn location(source: &Source, module: ModuleId, line: usize) -> Location {
    Location { file: source.file_of(module).path.clone(), line }
}

fn type_name(item: &Item) -> Option<&Ident> {
    let ident = match item {
        Item::Enum(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    (!is_test_only(attributes::of_item(item))).then_some(ident)
}

/// Returns whether the comments at the top of a file say why it is long.
fn gives_reason(text: &str) -> bool {
    let top = text.lines().map_while(|line| match line.trim() {
        "" => Some(""),
        line => line.strip_prefix("//").map(|comment| comment.trim_start_matches(['!', '/'])),
    });
    let words: Vec<_> = top.flat_map(str::split_whitespace).collect();
    words.windows(2).any(|pair| pair == ["long", "because"])
}
