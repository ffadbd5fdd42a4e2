//! The list of the operations of patterns is that of the runtime.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, ImplItem, Item, Type, Visibility};

use crate::check::OPERATIONS;

/// All source files below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the sources of the runtime").flatten();
    let paths = entries.map(|entry| entry.path()).flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "hidden")
    })
}

/// The public methods of `Pattern` in a file.
fn methods(source: &str) -> Vec<String> {
    let file = syn::parse_file(source).expect("it compiles");
    let mut names = Vec::new();
    for item in file.items {
        let Item::Impl(item) = item else { continue };
        let is_of_patterns = matches!(&*item.self_ty, Type::Path(ty)
            if ty.path.segments.last().is_some_and(|last| last.ident == "Pattern"));
        if item.trait_.is_some() || !is_of_patterns {
            continue;
        }
        for method in item.items {
            if let ImplItem::Fn(method) = method
                && matches!(method.vis, Visibility::Public(_))
                && !is_hidden(&method.attrs)
            {
                names.push(method.sig.ident.to_string());
            }
        }
    }
    names
}

#[test]
fn every_public_method_of_patterns_is_in_the_list() {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("../redis-keyspace/src");
    let sources = sources(&runtime);
    let methods: BTreeSet<String> =
        sources.iter().flat_map(|path| methods(&fs::read_to_string(path).expect("a source file"))).collect();
    let listed: BTreeSet<String> = OPERATIONS.iter().map(ToString::to_string).collect();
    assert_eq!(methods, listed);
}
