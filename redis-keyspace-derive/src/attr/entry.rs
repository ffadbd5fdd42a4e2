//! `#[key(..)]` on a field.

use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, LitBool, LitStr, Token};

use super::fills::Fills;
use super::value::{self, Trim, Ttl};
use super::{Item, Place, Setting, items, usage};
use crate::diag::Diag;

/// The attributes of a field.
#[derive(Default)]
pub(crate) struct EntryAttributes {
    pub(crate) template: Setting<LitStr>,
    pub(crate) ttl: Setting<Ttl>,
    pub(crate) fills: Fills,
    /// The parameter that selects the slot on a cluster.
    pub(crate) hash_tag: Setting<Ident>,
    /// The parameters that the constructor takes as `impl Into<..>`.
    pub(crate) into: Vec<Ident>,
    /// The variant of `Reads`.
    pub(crate) reads: Option<&'static str>,
    /// Whether every write renews the lifetime: `renew = "write"` or `renew = "creation"`.
    pub(crate) is_renewed: Option<bool>,
    /// `sharded = true`
    pub(crate) is_sharded: bool,
    pub(crate) trim: Option<Trim>,
    /// `parse = false`
    pub(crate) does_not_parse: bool,
}

impl EntryAttributes {
    pub(crate) fn new(attributes: &[Attribute], diag: &Diag) -> Self {
        let mut entry = Self::default();
        let mut first: Option<Span> = None;
        for item in items(attributes, Place::Entry, diag) {
            match (&item.name, &item.value) {
                (Some(name), _) if name == "hash_tag" => entry.hash_tag = hash_tag(&item, diag).into(),
                (Some(name), _) if name == "into" => entry.into = into(&item, diag),
                (Some(name), _) if name == "parse" => entry.does_not_parse = does_not_parse(&item, diag),
                (Some(name), _) if item.is_reported() => {
                    if name == "ttl" {
                        entry.ttl = Setting::Bad;
                    }
                }
                (Some(name), _) if name == "reads" => entry.reads = value::reads(&item, diag),
                (Some(name), _) if name == "renew" => entry.is_renewed = value::renew(&item, diag),
                (Some(name), _) if name == "sharded" => entry.is_sharded = value::sharded(&item, diag),
                (Some(name), _) if name == "trim" => entry.trim = value::trim(&item, diag),
                _ if entry.fills.take(&item, diag) => {}
                (Some(_), _) => entry.ttl = value::ttl(&item, diag).into(),
                (None, Some(tokens)) => {
                    if let Some(first) = first {
                        diag.error(item.span, "the template is set twice; remove one");
                        diag.error(first, "the template is first set here");
                        continue;
                    }
                    first = Some(item.span);
                    entry.template = match syn::parse2::<LitStr>(tokens.clone()) {
                        Ok(template) => Setting::Good(template),
                        Err(_) => {
                            diag.error(
                                item.span,
                                format!("a template must be a string literal: {}", usage(Place::Entry)),
                            );
                            Setting::Bad
                        }
                    };
                }
                (None, None) => {}
            }
        }
        entry
    }
}

/// `into = day`, or `into = (from, to)`.
fn into(item: &Item, diag: &Diag) -> Vec<Ident> {
    if item.is_reported() {
        return Vec::new();
    }
    let Some(tokens) = item.value(diag) else { return Vec::new() };
    let span = tokens.span();
    let inner = match tokens.clone().into_iter().next() {
        Some(TokenTree::Group(group)) => group.stream(),
        _ => tokens,
    };
    let names = Punctuated::<Ident, Token![,]>::parse_terminated_with;
    match Parser::parse2(|input: ParseStream<'_>| names(input, Ident::parse_any), inner) {
        Ok(names) if !names.is_empty() => names.into_iter().collect(),
        _ => {
            diag.error(
                span,
                "`into` must be the name of a parameter, or several names in parentheses: `into = day` or `into = (from, to)`",
            );
            Vec::new()
        }
    }
}

/// `parse = false`.
fn does_not_parse(item: &Item, diag: &Diag) -> bool {
    if item.is_reported() {
        return false;
    }
    let Some(tokens) = item.value(diag) else { return false };
    let span = tokens.span();
    match syn::parse2::<LitBool>(tokens) {
        Ok(literal) => !literal.value,
        Err(_) => {
            diag.error(
                span,
                "`parse` must be `true` or `false`: write `parse = false` for keys that can't be parsed back",
            );
            false
        }
    }
}

/// `hash_tag = id`, the name of a parameter.
fn hash_tag(item: &Item, diag: &Diag) -> Option<Ident> {
    if item.is_reported() {
        return None;
    }
    let tokens = item.value(diag)?;
    let span = tokens.span();
    // Keywords are allowed, because a parameter may have a raw name.
    let name = Parser::parse2(Ident::parse_any, tokens).ok();
    if name.is_none() {
        diag.error(span, "`hash_tag` must be the name of a parameter, without quotes: `hash_tag = id`");
    }
    name
}
