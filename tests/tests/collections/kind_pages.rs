//! The page of each kind lists all of its operations.

use std::collections::BTreeSet;

use crate::source::{ANY, source};

/// The traits that several kinds have, each with the kinds whose pages list its operations. The
/// page of `Key` lists those of all of them.
const SHARED: &[(&str, &[&str])] = &[
    ("SingleValue", &["Text", "Bytes", "Json"]),
    ("Readable", &["Text", "Bytes", "Json", "Counter"]),
    ("FilledKind", &["Text", "Bytes", "Json", "List", "Set", "SortedSet", "Hash", "Record"]),
    ("Stored", &[]),
    ("Kind", &[]),
    (ANY, &[]),
];

/// The names that the tables in a section link to.
fn linked(text: &str) -> BTreeSet<&str> {
    let section = text.split("# Operations").nth(1).unwrap_or_default();
    let section = section.split("\n # ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.trim_start().starts_with('|'));
    let links = rows.flat_map(|row| row.split("[`").skip(1));
    links.filter_map(|link| link.split('`').next()).collect()
}

fn page(name: &str) -> &'static str {
    let found: Vec<_> = source().types.iter().filter(|documented| documented.name == name).collect();
    let [documented] = found[..] else { panic!("{} types named {name}", found.len()) };
    &documented.text
}

/// The kinds that have operations of their own.
fn kinds() -> BTreeSet<&'static str> {
    let kinds = source().methods_of("Key").into_iter().map(|(kind, _)| kind);
    kinds.filter(|kind| SHARED.iter().all(|(shared, _)| shared != kind)).collect()
}

/// The names of the operations of a kind, or of a trait.
fn operations(kind: &str) -> BTreeSet<&'static str> {
    let operations = source().methods_of("Key").into_iter();
    operations.filter(|(of, _)| *of == kind).map(|(_, name)| name).collect()
}

#[test]
fn the_page_of_each_kind_lists_its_operations() {
    let kinds = kinds();
    assert!(kinds.len() > 15, "{kinds:?}");
    for kind in kinds {
        let shared = SHARED.iter().filter(|(_, kinds)| kinds.contains(&kind)).map(|(shared, _)| *shared);
        let mut expected: BTreeSet<&str> = shared.chain([kind]).flat_map(operations).collect();
        if kind == "Stream" {
            let source = source();
            let of_groups = [source.methods_of("ConsumerGroup"), source.methods_of("XAck")];
            expected.extend(of_groups.into_iter().flatten().map(|(_, name)| name));
        }
        let listed = linked(page(kind));
        let missing: Vec<_> = expected.difference(&listed).collect();
        assert!(missing.is_empty(), "the page of {kind} does not list {missing:?}");
        assert!(page(kind).contains("```"), "the page of {kind} has no example");
    }
}

#[test]
fn the_page_of_keys_lists_the_operations_of_several_kinds() {
    let listed = linked(page("Key"));
    for (shared, _) in SHARED {
        let operations = operations(shared);
        assert!(!operations.is_empty(), "{shared}");
        let missing: Vec<_> = operations.difference(&listed).collect();
        assert!(missing.is_empty(), "the page of keys does not list {missing:?} of {shared}");
    }
}

/// A builder that stores its result, or waits, sends another command.
#[test]
fn the_pages_of_kinds_link_to_what_stores_or_waits() {
    let pages: String = kinds().into_iter().map(page).collect();
    let methods = source().methods.iter();
    let others: Vec<String> = methods
        .filter(|method| method.name.starts_with("store") || method.name == "block")
        .map(|method| format!("::{}::{}", method.owner, method.name))
        .collect();
    assert!(others.len() >= 8, "{others:?}");
    let missing: Vec<_> = others.iter().filter(|other| !pages.contains(other.as_str())).collect();
    assert!(missing.is_empty(), "no page of a kind links to {missing:?}");
}
