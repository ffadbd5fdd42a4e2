//! Generates the enum of parsed keys, and the function that creates it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

use super::parsed_impls::{Variant, VariantField, at_type};
use super::paths::{at, site};
use super::{docs, lints, named};
use crate::model::{Entry, Keyspace, Param};
use crate::names::parsed_name;

pub(super) fn variants(model: &Keyspace<'_>) -> Vec<Variant> {
    let variants = parsing(model).map(|(_, entry)| Variant {
        name: variant(entry),
        fields: arguments(entry)
            .into_iter()
            .map(|(ident, param)| VariantField::new(model, ident.clone(), param))
            .collect(),
    });
    variants.collect()
}

pub(super) fn definition(model: &Keyspace<'_>, root: &TokenStream) -> TokenStream {
    let definitions = parsing(model).map(|(_, entry)| {
        let fields = arguments(entry).into_iter().map(|(ident, param)| {
            let docs = docs::argument(param.name().unwrap_or_default());
            let parsed = named::parsed(param, root);
            quote_spanned!(site()=> #docs #ident: #parsed)
        });
        definition_of_variant(model, entry, &variant(entry), &fields.collect::<Vec<_>>())
    });
    around(model, definitions)
}

pub(super) fn definition_of_variant(
    model: &Keyspace<'_>,
    entry: &Entry<'_>,
    name: &Ident,
    fields: &[TokenStream],
) -> TokenStream {
    let docs = docs::variant(model, entry);
    let allowed = lints::allow(&[], Some(&entry.forwarded));
    let fields = (!fields.is_empty()).then(|| quote_spanned!(site()=> { #(#fields),* }));
    quote_spanned!(site()=> #docs #allowed #name #fields)
}

/// The enum around its variants.
pub(super) fn around(model: &Keyspace<'_>, definitions: impl Iterator<Item = TokenStream>) -> TokenStream {
    let (docs, forwarded) = (docs::parsed(model), &model.forwarded);
    let hidden = forwarded.is_hidden.then(|| quote_spanned!(site()=> #[doc(hidden)]));
    let (deprecated, non_exhaustive) = (forwarded.deprecated, forwarded.non_exhaustive);
    let allowed = lints::allow(lints::PARSED, Some(forwarded));
    let (vis, ident) = (model.vis, ident(model));
    quote_spanned! {site()=>
        #docs
        #hidden
        #deprecated
        #non_exhaustive
        #allowed
        #vis enum #ident {
            #(#definitions),*
        }
    }
}

pub(super) fn from_captures(model: &Keyspace<'_>, rk: &Ident) -> TokenStream {
    let parsed = ident(model);
    let arms = parsing(model).map(|(index, entry)| {
        let name = variant(entry);
        // Captures are in the order of the template, fields in the order of the parameters.
        let holes: Vec<&str> = entry
            .template
            .iter()
            .flat_map(|template| template.holes())
            .map(|hole| hole.name.as_str())
            .collect();
        let fields = arguments(entry).into_iter().filter_map(|(ident, param)| {
            let name = param.name()?;
            let position = holes.iter().position(|hole| *hole == name)?;
            let (ty, ident) = (named::alias(model, param), at_type(ident, param.span));
            let captures = captures_ident(model, at(param.span));
            let value = model.names.internal("a0", param.span);
            // `?` would take twice as long to compile.
            Some(quote_spanned! {param.span=>
                #ident: match #captures.get::<#ty>(#position) {
                    #rk::Option::Some(#value) => #value,
                    #rk::Option::None => return #rk::Option::None,
                }
            })
        });
        let span = entry.params.first().map_or_else(site, |param| param.span);
        let fields = (!entry.params.is_empty()).then(|| quote_spanned!(span=> { #(#fields),* }));
        let mut parsed = parsed.clone();
        parsed.set_span(span);
        let value = quote_spanned!(span=> #parsed::#name #fields);
        quote_spanned!(site()=> #index => #value)
    });
    let has_arguments = parsing(model).any(|(_, entry)| !entry.params.is_empty());
    let (template, captures) = (model.names.internal("template", site()), captures_ident(model, site()));
    let captures =
        if has_arguments { quote_spanned!(site()=> #captures) } else { quote_spanned!(site()=> _) };
    let is_empty = parsing(model).next().is_none();
    // A `match` of which no arm has a value would be unreachable code around it.
    let body = if is_empty {
        quote_spanned!(site()=> let _ = #template; #rk::Option::None)
    } else {
        quote_spanned! {site()=>
            #rk::Option::Some(match #template {
                #(#arms,)*
                _ => return #rk::Option::None,
            })
        }
    };
    quote_spanned! {site()=>
        fn from_captures(#template: ::core::primitive::usize, #captures: &#rk::Captures<'_>) -> #rk::Option<#parsed> {
            #body
        }
    }
}

/// The entries whose keys can be parsed, with their indices.
fn parsing<'m, 'a>(model: &'m Keyspace<'a>) -> impl Iterator<Item = (usize, &'m Entry<'a>)> {
    model.entries.iter().enumerate().filter(|(_, entry)| entry.parses)
}

fn captures_ident(model: &Keyspace<'_>, span: Span) -> Ident {
    model.names.internal("captures", span)
}

fn variant(entry: &Entry<'_>) -> Ident {
    Ident::new(&entry.variant, site())
}

fn arguments<'m, 'a>(entry: &'m Entry<'a>) -> Vec<(&'m Ident, &'m Param<'a>)> {
    entry.params.iter().filter_map(|param| Some((param.ident?, param))).collect()
}

/// The enum of parsed keys.
pub(super) fn ident(model: &Keyspace<'_>) -> Ident {
    Ident::new(&parsed_name(model.ident), named::item(model))
}
