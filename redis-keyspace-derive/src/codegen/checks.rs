//! What only the compiler can check, emitted where its errors should point.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;

use super::meta::{Part, pieces, templates_ident};
use super::paths::{at, site};
use super::{bound, docs, lints, named, pattern, types};
use crate::model::{Entry, Keyspace};

/// No code reads the fields, and a program need not use every key: mentioned here, they are no dead code. To allow dead code instead is an error where a crate forbids it.
pub(super) fn everything_is_used(model: &Keyspace<'_>) -> TokenStream {
    let this = model.ident;
    let value = model.names.internal("this", site());
    let fields = model.entries.iter().map(|entry| {
        let field = entry.ident;
        quote_spanned!(site()=> let _ = &#value.#field;)
    });
    let constructors =
        model.entries.iter().map(|entry| named::mention(model, entry, &this.to_token_stream(), None));
    let patterns = pattern::mentions(model);
    let bound = bound::mentions(model);
    quote_spanned!(site()=> const _: fn(&#this) = |#value| { #(#fields)* #(#constructors)* #patterns #bound };)
}

/// What lives at a key must be a kind; said at the type as the user wrote it.
pub(super) fn kinds(model: &Keyspace<'_>, rk: &TokenStream) -> TokenStream {
    let asserts = model.entries.iter().filter_map(|entry| entry.kind.as_ref()).map(|kind| {
        let (ty, span) = (named::kind(kind), at(kind.written.span()));
        quote_spanned!(span=> #rk::assert_kind::<#ty>();)
    });
    let name = quote_spanned!(named::item(model)=> _);
    quote_spanned!(site()=> const #name: () = { #(#asserts)* };)
}

/// What a field states about fills must be about a kind that is filled; what the struct states is for those that are.
pub(super) fn fills(model: &Keyspace<'_>, rk: &TokenStream) -> TokenStream {
    let asserts = model.entries.iter().filter_map(|entry| {
        let (kind, span) = (entry.kind.as_ref()?, at(entry.fills.span?));
        let ty = named::kind(kind);
        Some(quote_spanned! {span=>
            const _: () = ::core::assert!(
                <#ty as #rk::Kind>::IS_FILLED,
                "this is about `get_or_set`, which the kind of this field does not have"
            );
        })
    });
    asserts.collect()
}

/// No two templates may make the same key. One constant per pair, so that several can fail; shown at the later of the
/// two. Most pairs differ in a text behind equal beginnings, which is seen here in no time, and takes the compiler long.
pub(super) fn distinct(model: &Keyspace<'_>, rk: &TokenStream) -> TokenStream {
    let outlines: Vec<_> = model.entries.iter().map(|entry| outline(model, entry)).collect();
    let (conflict, templates) = (model.names.internal("conflict", site()), templates_ident(model));
    let allowed = lints::allow(lints::OVERLAP, None);
    let mut asserts = TokenStream::new();
    for (later, (entry, outline)) in model.entries.iter().zip(&outlines).enumerate() {
        for (earlier, other) in outlines.iter().take(later).enumerate() {
            if may_meet(outline, other) {
                let span = at(entry.template_span);
                let index = |index| {
                    let mut index = Literal::usize_suffixed(index);
                    index.set_span(span);
                    index
                };
                let (earlier, later) = (index(earlier), index(later));
                asserts.extend(quote_spanned! {span=>
                    #allowed
                    const _: () = if let #rk::Option::Some(#conflict) = #rk::conflict(&#templates, #earlier, #later) {
                        ::core::panic!("{}", #rk::Message::as_str(&#conflict))
                    };
                });
            }
        }
    }
    asserts
}

/// A part of a template as far as it can be compared without the compiler.
#[derive(PartialEq)]
enum Outline {
    Literal(String),
    /// An argument by its type as written: the same words mean the same type.
    Argument(String),
}

fn outline(model: &Keyspace<'_>, entry: &Entry<'_>) -> Vec<Outline> {
    let outline = |part| match part {
        Part::Literal(text) => Outline::Literal(text),
        Part::Argument(param) => Outline::Argument(types::text(param.ty)),
    };
    if entry.parses {
        return pieces(model, entry).into_iter().map(outline).collect();
    }
    // Any text may follow the first literal.
    let start = pieces(model, entry).into_iter().next().map(outline);
    let start = start.filter(|start| matches!(start, Outline::Literal(_)));
    start.into_iter().chain([Outline::Argument(String::new())]).collect()
}

/// Whether two templates could make the same key, as far as can be seen here: not if behind the same texts and types stand
/// texts that differ, nor if their last texts do.
fn may_meet(one: &[Outline], other: &[Outline]) -> bool {
    if let (Some(Outline::Literal(end)), Some(Outline::Literal(other))) = (one.last(), other.last())
        && !end.ends_with(other.as_str())
        && !other.ends_with(end.as_str())
    {
        return false;
    }
    match one.iter().zip(other).find(|(one, other)| one != other) {
        Some((Outline::Literal(text), Outline::Literal(other))) => {
            text.starts_with(other.as_str()) || other.starts_with(text.as_str())
        }
        _ => true,
    }
}

/// Where text follows an argument, the argument must not be able to contain how the text starts. One constant
/// per place, so that several can fail.
pub(super) fn boundaries(model: &Keyspace<'_>, rk: &TokenStream) -> TokenStream {
    let mut asserts = TokenStream::new();
    for entry in model.entries.iter().filter(|entry| entry.parses) {
        for pair in pieces(model, entry).windows(2) {
            let [Part::Argument(param), Part::Literal(literal)] = pair else { continue };
            let (Some(byte), Some(character)) = (literal.bytes().next(), literal.chars().next()) else {
                continue;
            };
            // Refused already; its type has no class.
            if param.refused().is_some() {
                continue;
            }
            let template = docs::whole_template(model, entry);
            let (name, written) = (param.name().unwrap_or_default(), types::text(param.ty));
            let advice = if character == ':' {
                // Escaping leaves nobody else a colon.
                "put a `Raw` argument at the end of its template, or use a type that is escaped".to_owned()
            } else {
                format!(
                    "put `:` there, which escaped arguments never contain, or use a type that can't contain \
                     `{character}`"
                )
            };
            let message = format!(
                "in the template \"{template}\" the argument `{name}: {written}` can itself contain `{character}`, the \
                 character that follows it, so different arguments could make the same key: {advice}",
            );
            // The message of a panic is a format string.
            let message = message.replace('{', "{{").replace('}', "}}");
            let class = named::class(model, param, rk);
            let byte = Literal::byte_character(byte);
            asserts.extend(quote_spanned! {at(entry.template_span)=>
                const _: () = ::core::assert!(#class.ends_before(#byte), #message);
            });
        }
    }
    asserts
}
