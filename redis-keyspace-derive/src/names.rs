//! Converts the case of names, and finds names that a declaration does not contain.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;

/// The names of generated code.
///
/// Generated blocks contain both the user's types and generated items, and procedural macros have
/// no hygiene for items. So a generated name must not be in the declaration. It may shadow other
/// names in the user's scope, because the block does not use them.
#[derive(Debug)]
pub(crate) struct Names {
    /// The names in the declaration, without `r#`, and those of generated types.
    declared: BTreeSet<String>,
    /// The start of internal names. No name in the declaration starts with it.
    prefix: String,
    /// Whether the declaration contains fragments of a `macro_rules!`.
    pub(crate) has_fragments: bool,
}

impl Names {
    /// Collects the names in a declaration.
    pub(crate) fn new(declaration: TokenStream) -> Self {
        let mut declared = BTreeSet::new();
        let has_fragments = collect(declaration, &mut declared);
        let mut prefix = "__".to_owned();
        while declared.iter().any(|name| name.starts_with(&prefix)) {
            prefix.push('_');
        }
        Self { declared, prefix, has_fragments }
    }

    /// Adds a name that generated code defines.
    pub(crate) fn reserve(&mut self, name: String) {
        self.declared.insert(name);
    }

    /// Returns an internal name: `__{name}`.
    pub(crate) fn internal(&self, name: &str, span: Span) -> Ident {
        Ident::new(&format!("{}{name}", self.prefix), span)
    }

    /// Returns a name that users see: `name`, with `_` appended while the declaration contains it.
    pub(crate) fn visible(&self, name: &str, span: Span) -> Ident {
        let mut name = name.to_owned();
        while self.declared.contains(&name) {
            name.push('_');
        }
        Ident::new(&name, span)
    }

    /// Whether the runtime's module of bindings can be imported. It contains names that start with
    /// `__`, and `glob`.
    pub(crate) fn can_import_bindings(&self) -> bool {
        self.prefix == "__" && !self.declared.contains("glob")
    }
}

/// The name of the enum of parsed keys of a keyspace.
pub(crate) fn parsed_name(keyspace: &Ident) -> String {
    format!("Parsed{}", keyspace.unraw())
}

/// The name of the type of patterns of a keyspace.
pub(crate) fn pattern_name(keyspace: &Ident) -> String {
    format!("{}Pattern", keyspace.unraw())
}

/// Adds the names in `tokens`. Returns whether there are groups without delimiters.
fn collect(tokens: TokenStream, names: &mut BTreeSet<String>) -> bool {
    let mut has_fragments = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                names.insert(ident.unraw().to_string());
            }
            TokenTree::Group(group) => {
                has_fragments |= group.delimiter() == Delimiter::None;
                has_fragments |= collect(group.stream(), names);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    has_fragments
}

/// `user_by_id` becomes `UserById`.
pub(crate) fn pascal_case(name: &str) -> String {
    let mut pascal = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut chars = word.chars();
        pascal.extend(chars.next().into_iter().flat_map(char::to_uppercase));
        pascal.push_str(chars.as_str());
    }
    match pascal.chars().next() {
        // The only keyword in `PascalCase`.
        Some(_) if pascal == "Self" => "Self_".to_owned(),
        Some(first) if !name.starts_with('_') || first.is_uppercase() || first.is_lowercase() => pascal,
        // Without the `_`, `_1` would become a number. Only letters with a case are certain to
        // start a name: after the `_`, there may be a character that can't.
        Some(_) => format!("_{pascal}"),
        // `__` would become an empty name.
        None => name.to_owned(),
    }
}

/// `UserById` becomes `user_by_id`, `HTTPServer` becomes `http_server`.
pub(crate) fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, &c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| chars.get(index));
        let starts_word = c.is_uppercase()
            && before.is_some_and(|&before| {
                let ends_acronym =
                    before.is_uppercase() && chars.get(index + 1).is_some_and(|c| c.is_lowercase());
                before != '_' && (!before.is_uppercase() || ends_acronym)
            });
        if starts_word {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn internal_names_have_a_prefix_that_no_declared_name_has() {
        let name = |tokens| Names::new(tokens).internal("rk", Span::call_site()).to_string();
        assert_eq!(
            name(quote!(
                struct A {
                    _a: u8,
                }
            )),
            "__rk"
        );
        assert_eq!(
            name(quote!(
                struct A {
                    a: fn(id: [r#__B; 2]),
                }
            )),
            "___rk"
        );
        assert_eq!(
            name(quote!(
                struct ___A;
            )),
            "____rk"
        );
    }

    #[test]
    fn visible_names_differ_from_declared_names() {
        let names = Names::new(quote!(
            struct A {
                user: fn(id: UserKeys) -> Json<r#type>,
            }
        ));
        let name = |name| names.visible(name, Span::call_site()).to_string();
        assert_eq!(name("UserKeys"), "UserKeys_");
        assert_eq!(name("type"), "type_");
        assert_eq!(name("OrderKeys"), "OrderKeys");
        let mut names = names;
        names.reserve("OrderKeys".to_owned());
        assert_eq!(names.visible("OrderKeys", Span::call_site()).to_string(), "OrderKeys_");
    }

    #[test]
    fn pascal() {
        for (name, expected) in [
            ("user", "User"),
            ("user_by_id", "UserById"),
            ("_user", "User"),
            ("a__b", "AB"),
            ("self_", "Self_"),
            ("_1", "_1"),
            ("__1_a", "_1A"),
            ("__", "__"),
            ("___", "___"),
            ("größe_ä", "GrößeÄ"),
            ("क_ख", "कख"),
            ("_\u{93e}\u{915}", "_\u{93e}\u{915}"),
        ] {
            assert_eq!(pascal_case(name), expected);
        }
    }

    #[test]
    fn names_made_from_names_are_names() {
        let is_name = |text: &str| syn::parse_str::<Ident>(text).is_ok();
        let mut count = 0;
        for c in '\u{80}'..='\u{1ffff}' {
            for name in
                [format!("{c}a"), format!("_{c}"), format!("a_{c}")].iter().filter(|name| is_name(name))
            {
                count += 1;
                assert!(is_name(&pascal_case(name)), "{name}");
                assert!(is_name(&snake_case(name).to_uppercase()), "{name}");
            }
        }
        assert!(count > 100_000, "{count}");
    }

    #[test]
    fn snake() {
        for (name, expected) in [
            ("Cart", "cart"),
            ("UserById", "user_by_id"),
            ("HTTPServer", "http_server"),
            ("V2Api", "v2_api"),
            ("already_snake", "already_snake"),
            ("Mixed_Case", "mixed_case"),
            ("A", "a"),
        ] {
            assert_eq!(snake_case(name), expected);
        }
    }
}
