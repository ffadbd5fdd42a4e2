//! What only the compiler can check, emitted where its errors should point.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::spanned::Spanned;

use super::meta::{Part, pieces};
use super::{at, docs, named, pattern, site, types};
use crate::model::Keyspace;

/// Fields are declarations that nobody reads, and a program need not use every key: bound in a pattern, and
/// mentioned, they are no dead code. To allow dead code instead is an error where a crate forbids it.
pub(super) fn everything_is_used(model: &Keyspace<'_>) -> TokenStream {
    let this = model.ident;
    let fields = model.entries.iter().enumerate().map(|(index, entry)| {
        let field = entry.ident;
        let binding: Ident = format_ident!("__f{index}", span = site());
        quote_spanned!(site()=> #field: #binding)
    });
    let constructors = model.entries.iter().map(|entry| {
        let constructor = entry.ident;
        quote_spanned!(site()=> let _ = #this::#constructor;)
    });
    let patterns = pattern::mentions(model);
    quote_spanned!(site()=> const _: fn(&#this) = |#this { #(#fields),* }| { #(#constructors)* #patterns };)
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

/// No two templates may make the same key. One constant per pair, so that several can fail; shown at the later of the
/// two. Most pairs begin with different texts, which is seen here in no time, and takes the compiler long.
pub(super) fn distinct(model: &Keyspace<'_>, rk: &TokenStream) -> TokenStream {
    let starts: Vec<Option<String>> = model.entries.iter().map(|entry| start(model, entry)).collect();
    let mut asserts = TokenStream::new();
    for (later, entry) in model.entries.iter().enumerate() {
        let start = starts.get(later).and_then(Option::as_deref).unwrap_or_default();
        for (earlier, other) in starts.iter().take(later).enumerate() {
            let other = other.as_deref().unwrap_or_default();
            if start.starts_with(other) || other.starts_with(start) {
                let span = at(entry.template_span);
                let index = |index| {
                    let mut index = Literal::usize_suffixed(index);
                    index.set_span(span);
                    index
                };
                let (earlier, later) = (index(earlier), index(later));
                asserts.extend(quote_spanned! {span=>
                    #[allow(long_running_const_eval, reason = "templates of many arguments take their time")]
                    const _: () = __assert_distinct(&__TEMPLATES, #earlier, #later);
                });
            }
        }
    }
    // By a name of one token, so that all of the call is at the template.
    quote_spanned! {site()=>
        #[allow(unused_imports, reason = "a single template is distinct")]
        use #rk::assert_distinct as __assert_distinct;
        #asserts
    }
}

/// The text that all keys of a template start with.
fn start(model: &Keyspace<'_>, entry: &crate::model::Entry<'_>) -> Option<String> {
    match pieces(model, entry).into_iter().next() {
        Some(Part::Literal(text)) => Some(text),
        _ => None,
    }
}

/// Where text follows an argument, the argument must not be able to contain how the text starts. One constant
/// per place, so that several can fail.
pub(super) fn boundaries(model: &Keyspace<'_>, rk: &TokenStream) -> TokenStream {
    let mut asserts = TokenStream::new();
    for entry in &model.entries {
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
            let class = named::class(param, rk);
            let byte = Literal::byte_character(byte);
            asserts.extend(quote_spanned! {at(entry.template_span)=>
                const _: () = ::core::assert!(#class.ends_before(#byte), #message);
            });
        }
    }
    asserts
}
