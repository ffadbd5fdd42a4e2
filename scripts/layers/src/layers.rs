//! Reads the layers that `lib.rs` declares: groups of `mod` items, lowest layer first, each below a
//! comment that names it.

use std::collections::HashMap;

use crate::source::{Declaration, ModuleId, Source};

/// The layers of a crate, lowest first.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    pub(crate) names: Vec<String>,
    layer_of: HashMap<ModuleId, usize>,
    /// Modules without a layer, with the line of their `mod` item.
    pub(crate) ungrouped: Vec<(ModuleId, usize)>,
}

impl Layers {
    pub(crate) fn of(source: &Source) -> Self {
        let text: Vec<&str> = source.file_of(ModuleId::ROOT).text.lines().collect();
        let mut layers = Self::default();
        let mut previous: Option<(&Declaration, Option<usize>)> = None;
        for declaration in &source.declarations {
            let start = *declaration.lines.start();
            let layer = match previous {
                Some((above, layer)) if is_run(&text, *above.lines.end(), start) => layer,
                _ => group_name(&text, start).map(|name| layers.add(name)),
            };
            if let Some(module) = declaration.module {
                match layer {
                    Some(layer) => {
                        layers.layer_of.insert(module, layer);
                    }
                    None => layers.ungrouped.push((module, *declaration.lines.end())),
                }
            }
            previous = Some((declaration, layer));
        }
        if layers.names.is_empty() {
            layers.ungrouped.clear(); // a crate without comments has one layer
        }
        layers
    }

    /// Returns the layer of a top-level module. The crate root is above all layers, since it
    /// declares them.
    pub(crate) fn layer_of(&self, module: ModuleId) -> Option<usize> {
        if module == ModuleId::ROOT { Some(self.names.len()) } else { self.layer_of.get(&module).copied() }
    }

    pub(crate) fn name(&self, layer: usize) -> &str {
        self.names.get(layer).map_or("crate root", String::as_str)
    }

    fn add(&mut self, name: String) -> usize {
        self.names.push(name);
        self.names.len() - 1
    }
}

/// Returns whether only comments are between two items, without a blank line.
fn is_run(text: &[&str], end: usize, start: usize) -> bool {
    // Lines are counted from one, so `end` is the index of the line after the first item.
    text.get(end..start.saturating_sub(1))
        .is_some_and(|between| between.iter().all(|line| comment(line).is_some()))
}

/// Returns the name in the comment directly above a line: its first line, up to a colon.
fn group_name(text: &[&str], line: usize) -> Option<String> {
    let above = text.get(..line.saturating_sub(1))?;
    let first = above.iter().rev().map_while(|line| comment(line)).last()?;
    let name = first.split_once(':').map_or(first, |(name, _)| name);
    Some(name.trim().to_owned())
}

/// Returns the text of a plain comment. Doc comments do not count.
fn comment(line: &str) -> Option<&str> {
    let text = line.strip_prefix("//")?;
    (!text.starts_with(['/', '!'])).then_some(text)
}
