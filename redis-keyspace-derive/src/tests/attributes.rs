//! The tables of attributes in the documentation are those of the parser.

use std::collections::BTreeMap;

use super::messages;
use crate::attr::{Place, TABLE};
use crate::expand::script;
use crate::script::OF_STRUCT;

/// The rows of the table in the documentation of a derive: name, example, and where the attribute
/// is valid.
fn documented(docs: &str) -> BTreeMap<String, (String, String)> {
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut table = BTreeMap::new();
    for row in rows {
        let mut cells = row.split(" | ");
        let mut cell = || cells.next().expect("three cells").trim_matches('`').to_owned();
        let (name, place, example) = (cell(), cell(), cell());
        let earlier = table.insert(name.clone(), (example, place));
        assert!(earlier.is_none(), "`{name}` is documented twice");
    }
    table
}

/// The rows of the parser's table that are valid at one of these places.
fn parsed(places: &[(Place, &str)]) -> BTreeMap<String, (String, String)> {
    let rows = TABLE.iter().filter(|(_, valid, _)| places.iter().any(|(place, _)| valid.contains(place)));
    rows.map(|&(name, valid, example)| {
        let names = places.iter().filter(|(place, _)| valid.contains(place)).map(|&(_, name)| name);
        (name.to_owned(), (example.to_owned(), names.collect::<Vec<_>>().join(", ")))
    })
    .collect()
}

#[test]
fn every_attribute_of_a_keyspace_is_documented_once() {
    let expected = parsed(&[(Place::Keyspace, "struct"), (Place::Entry, "field")]);
    assert_eq!(documented(include_str!("../docs/keyspace.md")), expected);
}

#[test]
fn every_attribute_of_an_argument_is_documented_once() {
    let mut documented = documented(include_str!("../docs/key_argument.md"));
    for (_, place) in documented.values_mut() {
        // `crate` is valid on both kinds of types, the others on newtypes.
        assert!(place == "newtype" || place == "newtype, enum", "{place}");
        "type".clone_into(place);
    }
    assert_eq!(documented, parsed(&[(Place::Argument, "type")]));
}

#[test]
fn every_attribute_of_a_value_is_documented_once() {
    assert_eq!(
        documented(include_str!("../docs/single_value.md")),
        parsed(&[(Place::Value, "newtype, enum"), (Place::ValueVariant, "variant")])
    );
}

/// A script is parsed on its own, so its examples are expanded here.
#[test]
fn every_attribute_of_a_script_is_documented_once() {
    let rows = include_str!("../docs/script.md").lines().filter_map(|line| line.strip_prefix("| `"));
    let mut names = Vec::new();
    for row in rows {
        let mut cells = row.split(" | ").map(|cell| cell.trim_matches('`'));
        let (name, example) = (cells.next().expect("a name"), cells.next().expect("an example"));
        let is_text = ["source", "file", "function"].contains(&name);
        let source = if is_text { "" } else { ", source = TEXT" };
        let tokens = format!("#[script({example}{source})] struct Run;").parse().expect("tokens");
        assert_eq!(messages(script(tokens)), [""; 0], "{example}");
        assert!(example.starts_with(name), "{example}");
        names.push(name);
    }
    assert_eq!(names, OF_STRUCT);
}

#[test]
fn every_attribute_of_a_record_is_documented_once() {
    assert_eq!(
        documented(include_str!("../docs/record.md")),
        parsed(&[(Place::Record, "struct"), (Place::Field, "field")])
    );
}
