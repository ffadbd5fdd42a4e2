//! Generates the checks that only the compiler can do. Their spans are where the errors should be.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::meta::{Part, pieces, templates_ident};
use super::outline::{self, Outline};
use super::paths::{at, moved, site};
use super::{bound, docs, named, pattern};
use crate::model::{Entry, Keyspace};

/// Uses all fields and generated functions, so that they are not dead code: nothing reads the
/// fields, and a program need not use every key. `#[allow(dead_code)]` would be an error in crates
/// that forbid it.
pub(super) fn everything_is_used(model: &Keyspace<'_>) -> TokenStream {
    let this = model.ident;
    let value = model.names.internal("this", site());
    let fields = model.entries.iter().map(|entry| {
        let field = entry.ident;
        quote_spanned!(site()=> let _ = #value.#field;)
    });
    let constructors =
        model.entries.iter().map(|entry| named::mention(model, entry, &this.to_token_stream(), None));
    let patterns = pattern::mentions(model);
    let bound = bound::mentions(model);
    quote_spanned!(site()=> const _: fn(&#this) = |#value| { #(#fields)* #(#constructors)* #patterns #bound };)
}

/// Checks that the type of each key is a kind. The error is at the type in the declaration.
pub(super) fn kinds(model: &Keyspace<'_>, rk: &Ident) -> TokenStream {
    let kinds = model.entries.iter().filter_map(|entry| entry.kind.as_ref());
    let asserts = kinds.filter(|kind| !kind.is_reported.get()).map(|kind| {
        let (ty, span) = (named::kind(kind), at(kind.span));
        quote_spanned!(span=> #rk::assert_kind::<#ty>();)
    });
    let name = quote_spanned!(named::item(model)=> _);
    quote_spanned!(site()=> const #name: () = { #(#asserts)* };)
}

/// Checks that a field with options of fills has a kind with fills. Options on the struct apply
/// only to fields with such kinds. `fills = false` is allowed on every other kind except
/// `Once`.
pub(super) fn fills(model: &Keyspace<'_>, rk: &Ident) -> TokenStream {
    let asserts = model.entries.iter().filter_map(|entry| {
        let (kind, span) = (entry.kind.as_ref()?, at(entry.fills.span()?));
        let ty = named::kind(kind);
        if entry.fills.are_disabled() {
            return Some(quote_spanned! {span=>
                const _: () = ::core::assert!(
                    !::core::matches!(<#ty as #rk::Kind>::ROLE, #rk::Role::Once),
                    "`fills = false` does not apply to `Once`, whose work runs under a lease: remove the option"
                );
            });
        }
        if entry.fills.enabled == Some(true) {
            return Some(quote_spanned! {span=>
                const _: () = ::core::assert!(
                    <#ty as #rk::Kind>::IS_FILLED || <#ty as #rk::Kind>::MAY_BE_FILLED,
                    "the kind of this field has no `get_or_set`: remove this option, which applies only to `get_or_set`"
                );
            });
        }
        Some(quote_spanned! {span=>
            const _: () = {
                ::core::assert!(
                    <#ty as #rk::Kind>::IS_FILLED || !<#ty as #rk::Kind>::MAY_BE_FILLED,
                    "`get_or_set` fills a collection only if its field declares `fills = true`: add it, or remove this option, \
                     which applies only to `get_or_set`"
                );
                ::core::assert!(
                    <#ty as #rk::Kind>::IS_FILLED || <#ty as #rk::Kind>::MAY_BE_FILLED,
                    "the kind of this field has no `get_or_set`: remove this option, which applies only to `get_or_set`"
                );
            };
        })
    });
    asserts.collect()
}

/// Checks that no two templates make the same key. Each pair has its own constant, so that several
/// can fail. The error is at the later template. Most pairs differ in a literal after the same
/// start: they are skipped here, because const evaluation is much slower.
pub(super) fn distinct(model: &Keyspace<'_>, rk: &Ident) -> TokenStream {
    let outlines: Vec<_> = model.entries.iter().map(|entry| outline(model, entry)).collect();
    let templates = templates_ident(model);
    let asserts = outline::candidates(&outlines).into_iter().filter_map(|(later, earlier)| {
        let span = at(model.entries.get(later)?.template_span);
        let index = |index| {
            let mut index = Literal::usize_suffixed(index);
            index.set_span(span);
            index
        };
        let (earlier, later, rk) = (index(earlier), index(later), moved(rk, span));
        Some(quote_spanned! {span=>
            const _: () = #rk::assert_distinct(&#templates, #earlier, #later);
        })
    });
    asserts.collect()
}

fn outline(model: &Keyspace<'_>, entry: &Entry<'_>) -> Vec<Outline> {
    let outline = |part| match part {
        Part::Literal(text) => Outline::Literal(text),
        Part::Argument(param) => Outline::Argument(param.text.clone()),
    };
    if entry.parses {
        return pieces(model, entry).into_iter().map(outline).collect();
    }
    // Any text may follow the first literal.
    let start = pieces(model, entry).into_iter().next().map(outline);
    let start = start.filter(|start| matches!(start, Outline::Literal(_)));
    start.into_iter().chain([Outline::Argument(String::new())]).collect()
}

/// Checks that an argument can't contain the first character of the literal that follows it. Each
/// place has its own constant, so that several can fail.
pub(super) fn boundaries(model: &Keyspace<'_>, rk: &Ident) -> TokenStream {
    let mut asserts = TokenStream::new();
    for entry in model.entries.iter().filter(|entry| entry.parses) {
        for pair in pieces(model, entry).windows(2) {
            let [Part::Argument(param), Part::Literal(literal)] = pair else { continue };
            let (Some(byte), Some(character)) = (literal.bytes().next(), literal.chars().next()) else {
                continue;
            };
            // Already reported. The type has no class.
            if param.refused().is_some() {
                continue;
            }
            let template = docs::whole_template(model, entry);
            let (name, written) = (param.name().unwrap_or_default(), &param.text);
            let advice = if character == ':' {
                // Escaped arguments can't contain a colon, so the type is not escaped.
                "move the `Raw` argument to the end of the template, or use a type that is escaped".to_owned()
            } else {
                format!(
                    "write `:` there, which escaped arguments never contain, or use a type that can't contain `{character}`"
                )
            };
            let message = format!(
                "ambiguous template \"{template}\": the argument `{name}: {written}` can contain `{character}`, the character that \
                 follows it, so different arguments could make the same key: {advice}",
            );
            let class = named::class(model, param, rk);
            let (byte, span) = (Literal::byte_character(byte), at(entry.template_span));
            let rk = moved(rk, span);
            asserts.extend(quote_spanned! {span=>
                const _: () = #rk::assert_ends_before(#class, #byte, #message);
            });
        }
    }
    asserts
}
