//! The public methods of the library, read from its source, and the documentation of its types.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use syn::{Attribute, GenericArgument, Generics, ImplItem, Item, PathArguments, Type, Visibility};

/// A public method.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Method {
    /// The type that has it, without its generics.
    pub(crate) owner: String,
    /// The kind of an operation of keys. For an operation of several kinds, the trait that they
    /// have in common. [`ANY`] for one of all keys.
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// The kind of operations that every key has.
pub(crate) const ANY: &str = "any";

/// A type with its documentation.
pub(crate) struct Documented {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What the source of the library contains.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) methods: BTreeSet<Method>,
    pub(crate) types: Vec<Documented>,
    /// The macros that write methods of keys: their names, or the first words of a use.
    pub(crate) macros: BTreeSet<String>,
}

/// The source of the library.
pub(crate) fn source() -> &'static Source {
    static SOURCE: OnceLock<Source> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let mut source = Source::default();
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../redis-keyspace/src");
        for path in files(&library) {
            let text = fs::read_to_string(&path).expect("a source file");
            let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            source.add(file.items);
        }
        source
    })
}

impl Source {
    /// The public methods of a type.
    pub(crate) fn methods_of(&self, owner: &str) -> BTreeSet<(&str, &str)> {
        let methods = self.methods.iter().filter(|method| method.owner == owner);
        methods.map(|method| (method.kind.as_str(), method.name.as_str())).collect()
    }

    fn add(&mut self, items: Vec<Item>) {
        for item in items {
            match item {
                Item::Mod(module) if !is_test(&module.attrs) => {
                    self.add(module.content.map(|(_, items)| items).unwrap_or_default());
                }
                Item::Macro(item) => {
                    let text = item.mac.tokens.to_string();
                    if text.contains("pub fn") && text.contains("Key < S") && text.contains("impl") {
                        self.macros.extend(item.ident.map(|name| name.to_string()));
                    }
                }
                Item::Struct(item) => self
                    .types
                    .push(Documented { name: item.ident.to_string(), text: documentation(&item.attrs) }),
                Item::Impl(item) if item.trait_.is_none() => {
                    let Type::Path(path) = &*item.self_ty else { continue };
                    let Some(last) = path.path.segments.last() else { continue };
                    let owner = last.ident.to_string();
                    let kind = match owner.as_str() {
                        "Key" => kind_of(&last.arguments, &item.generics),
                        _ => owner.clone(),
                    };
                    self.methods.extend(item.items.iter().filter_map(|method| match method {
                        ImplItem::Fn(method)
                            if matches!(method.vis, Visibility::Public(_)) && !is_hidden(&method.attrs) =>
                        {
                            let name = method.sig.ident.to_string();
                            Some(Method { owner: owner.clone(), kind: kind.clone(), name })
                        }
                        _ => None,
                    }));
                }
                _ => {}
            }
        }
    }
}

/// The kind of a key: the name of its last type, or the trait that bounds it.
fn kind_of(arguments: &PathArguments, generics: &Generics) -> String {
    let PathArguments::AngleBracketed(arguments) = arguments else { panic!("a key has arguments") };
    let Some(GenericArgument::Type(Type::Path(kind))) = arguments.args.last() else {
        return "()".to_owned();
    };
    let kind = kind.path.segments.last().expect("a path").ident.to_string();
    match generics.type_params().find(|parameter| parameter.ident == kind) {
        None => kind,
        Some(parameter) => parameter
            .bounds
            .iter()
            .find_map(|bound| match bound {
                syn::TypeParamBound::Trait(bound) => bound.path.segments.last(),
                _ => None,
            })
            .map_or(ANY.to_owned(), |bound| bound.ident.to_string()),
    }
}

/// All source files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the sources of the library").flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let paths = paths.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "hidden")
    })
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "test")
    })
}

/// The lines of a documentation comment.
fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}
