//! The path of the runtime crate in generated code.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::{Path, Token};

use crate::diag::Diag;

/// `::redis_keyspace`, for crates that depend on it under that name.
pub(crate) fn default() -> Path {
    let name = Ident::new("redis_keyspace", Span::mixed_site());
    Path {
        leading_colon: Some(Token![::](Span::mixed_site())),
        segments: [syn::PathSegment::from(name)].into_iter().collect(),
    }
}

/// Parses the value of `crate = ..` as an absolute path, because the struct can be in any module.
pub(crate) fn parse(tokens: TokenStream, span: Span, diag: &Diag) -> Option<Path> {
    let text = matches!(tokens.clone().into_iter().next(), Some(TokenTree::Literal(_)));
    let mut path = match Path::parse_mod_style.parse2(tokens) {
        Ok(path) => path,
        Err(_) => {
            let hint = if text { ", without quotes" } else { "" };
            diag.error(span, format!("`crate` must be a path{hint}: `crate = ::my_facade::redis_keyspace`"));
            return None;
        }
    };
    let first = path.segments.first().map(|segment| segment.ident.unraw().to_string())?;
    match first.as_str() {
        "self" | "super" | "Self" => diag.error(
            span,
            "`crate` must be an absolute path: start it with `crate::`, or with `::` and the name of a dependency",
        ),
        // `$crate` comes from a `macro_rules!`.
        "crate" | "$crate" => {}
        // The name of a dependency. With `::`, a module of the same name can't shadow it.
        _ => path.leading_colon = path.leading_colon.or(Some(Token![::](Span::mixed_site()))),
    }
    Some(path)
}
