//! Converts the case of names, and finds names that a declaration does not contain.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;

/// The names of generated code.
///
/// Generated blocks contain both the user's types and generated items, and procedural macros have
/// no hygiene for items. So a generated name must not be in the declaration. It may shadow other
/// names in the user's scope, because the block does not use them.
#[derive(Debug)]
pub(crate) struct Names {
    /// The names in the declaration, without `r#`.
    declared: BTreeSet<String>,
    /// The start of internal names. No name in the declaration starts with it.
    prefix: String,
}

impl Names {
    /// Collects the names in a declaration.
    pub(crate) fn new(declaration: TokenStream) -> Self {
        let mut declared = BTreeSet::new();
        collect(declaration, &mut declared);
        let mut prefix = "__".to_owned();
        while declared.iter().any(|name| name.starts_with(&prefix)) {
            prefix.push('_');
        }
        Self { declared, prefix }
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

fn collect(tokens: TokenStream, names: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                names.insert(ident.unraw().to_string());
            }
            TokenTree::Group(group) => collect(group.stream(), names),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
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
        Some(first) if first.is_alphabetic() => pascal,
        // Without the `_`, `_1` would become a number.
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
        ] {
            assert_eq!(pascal_case(name), expected);
        }
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
