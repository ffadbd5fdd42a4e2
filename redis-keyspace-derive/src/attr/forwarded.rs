//! Attributes that generated code repeats: documentation, `#[deprecated]` and allowed lints.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The attributes of an item that are copied to the items generated from it.
#[derive(Default)]
pub(crate) struct Forwarded<'a> {
    /// All `doc` attributes in order, including `#[doc(hidden)]`.
    pub(crate) docs: Vec<&'a Attribute>,
    pub(crate) is_hidden: bool,
    pub(crate) deprecated: Option<&'a Attribute>,
    pub(crate) non_exhaustive: Option<&'a Attribute>,
    /// The lints of each `allow` and `expect`, without their reasons.
    pub(crate) allowed: Vec<TokenStream>,
    /// The text of the documentation, in parts.
    pub(crate) text: Vec<DocText<'a>>,
}

/// A part of the documentation.
pub(crate) enum DocText<'a> {
    Line(String),
    /// `include_str!(..)` and the like.
    Macro(&'a Expr),
}

impl<'a> Forwarded<'a> {
    pub(crate) fn new(attributes: &'a [Attribute]) -> Self {
        let mut forwarded = Self::default();
        for attribute in attributes {
            let is = |name: &str| attribute.path().is_ident(name);
            if is("doc") {
                forwarded.doc(attribute);
            } else if is("deprecated") {
                forwarded.deprecated = Some(attribute);
            } else if is("non_exhaustive") {
                forwarded.non_exhaustive = Some(attribute);
            } else if let Meta::List(list) = &attribute.meta
                && (is("allow") || is("expect"))
            {
                let lints = super::split::split_at_commas(list.tokens.clone());
                forwarded.allowed.extend(lints.into_iter().filter(|lint| !is_reason(lint)));
            }
        }
        forwarded
    }

    fn doc(&mut self, attribute: &'a Attribute) {
        self.docs.push(attribute);
        match &attribute.meta {
            Meta::NameValue(pair) => self.text.push(match &pair.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                    let text = text.value();
                    DocText::Line(text.strip_prefix(' ').unwrap_or(&text).to_owned())
                }
                value => DocText::Macro(value),
            }),
            Meta::List(list) => {
                let is_hidden = |token| matches!(token, TokenTree::Ident(ident) if ident == "hidden");
                self.is_hidden |= list.tokens.clone().into_iter().any(is_hidden);
            }
            Meta::Path(_) => {}
        }
    }

    /// Whether the documentation has any text. `#[doc(hidden)]` does not count.
    pub(crate) fn has_text(&self) -> bool {
        !self.text.is_empty()
    }
}

/// `reason = ".."`, which follows the lints.
fn is_reason(part: &TokenStream) -> bool {
    let mut tokens = part.clone().into_iter();
    matches!(
        (tokens.next(), tokens.next()),
        (Some(TokenTree::Ident(name)), Some(TokenTree::Punct(punct))) if name == "reason" && punct.as_char() == '='
    )
}
