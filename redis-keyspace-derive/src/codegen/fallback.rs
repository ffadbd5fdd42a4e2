//! Generates code for an invalid declaration: all names that the rest of the program may use, so
//! that one error in the declaration causes no others.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Token;

use super::parsed_impls::{Variant, VariantField};
use super::paths::{imports, private, root, site};
use super::{bound, checks, docs, lints, meta, named, parsed, parsed_impls, pattern};
use crate::model::{Entry, Keyspace, Param, Refused};

pub(crate) fn keyspace(model: &Keyspace<'_>) -> TokenStream {
    // Constants and statics can't depend on type parameters, and a generic type can't be named
    // without them.
    if !model.generics.params.is_empty() || model.generics.where_clause.is_some() {
        return constructors(model);
    }
    let (root, rk) = (root(model.container.crate_path.as_ref()), private(&model.names));
    let ident = model.ident;
    let parsed_ident = parsed::ident(model);

    let (parsed, variants) = parsed(model, &root);
    let parsed_impls = parsed_impls::all(&parsed_ident, &variants, &model.names, &rk);
    let constructors = constructors(model);
    let patterns = pattern::definition(model, &root);
    let pattern_fields = pattern::fields(model);
    let pattern_impls = pattern::impls(model, pattern::Bodies::Empty, &rk);
    let pattern_constructors = pattern::constructors(model, pattern::Bodies::Empty, &root, &rk);
    let bound = bound::definition(model, &root);
    let bound_basics = bound::basics(model, &root);
    let bound_parameters = |entry: &Entry<'_>| bound_parameters(model, entry);
    let bound_methods = bound::methods(model, pattern::Bodies::Empty, &bound_parameters, &root, &rk);
    let (allowed, imports) = (lints::allow(lints::BLOCK, None), imports(&model.names, &root));
    let meta_ident = meta::meta_ident(model);
    let aliases = named::aliases(model);
    let name = docs::text(&model.forwarded);
    let params = model.entries.iter().flat_map(|entry| &entry.params);
    let required = params
        .filter(|param| param.refused().is_none())
        .map(|param| named::require_argument(model, param, &rk));
    let kinds = checks::kinds(model, &rk);
    let boundaries = checks::boundaries(model, &rk);

    quote_spanned! {site()=>
        #parsed
        #patterns
        #bound
        #bound_basics
        #constructors

        #allowed
        const _: () = {
            #imports
            #aliases
            #pattern_fields
            static #meta_ident: #rk::KeyspaceMeta = #rk::KeyspaceMeta::new("", "", #name, #rk::Overrides::NONE, &[]);

            #[automatically_derived]
            impl #rk::Keyspace for #ident {
                const META: &'static #rk::KeyspaceMeta = &#meta_ident;
                type Parsed = #parsed_ident;
                fn from_captures(_: ::core::primitive::usize, _: &#rk::Captures<'_>) -> #rk::Option<#parsed_ident> {
                    #(#required)*
                    #rk::Option::None
                }
            }
            impl #rk::FilledKeyspace for #ident {}

            impl #ident {
                #pattern_constructors
            }

            #parsed_impls
            #pattern_impls
            #bound_methods
            #kinds
            #boundaries
        };
    }
}

/// The constructors, with their signatures as far as they are known and with placeholder bodies.
fn constructors(model: &Keyspace<'_>) -> TokenStream {
    let root = root(model.container.crate_path.as_ref());
    let ident = model.ident;
    let (impl_generics, type_generics, where_clause) = model.generics.split_for_impl();
    let allowed = lints::allow(lints::BLOCK, None);
    let impl_token = quote_spanned!(named::item(model)=> impl);
    let functions = model.entries.iter().map(|entry| {
        let docs = docs::constructor(model, entry);
        let deprecated = entry.forwarded.deprecated;
        let (vis, name) = (entry.vis, entry.ident);
        let params = params(model, entry).into_iter().map(|(name, index)| {
            let param = entry.params.get(index);
            let ty = param.map(|param| named::parameter_type(param, param.ty.to_token_stream()));
            let and = param.filter(|param| param.refused() == Some(Refused::Str)).map(|_| Token![&](site()));
            quote_spanned!(site()=> #name: #and #ty)
        });
        let kind = kind(entry);
        // Already reported, but the parameters use them.
        let lifetimes = entry.signature.and_then(|signature| signature.lifetimes.as_ref()).map(|bound| {
            let lifetimes = &bound.lifetimes;
            quote_spanned!(site()=> <#lifetimes>)
        });
        let mentioned =
            self::params(model, entry).into_iter().map(|(name, _)| quote_spanned!(site()=> let _ = #name;));
        quote_spanned! {site()=>
            #docs
            #deprecated
            #vis fn #name #lifetimes (#(#params),*) -> #root::Key<Self, #kind> {
                #(#mentioned)*
                ::core::unreachable!()
            }
        }
    });
    quote_spanned! {site()=>
        #allowed
        const _: () = {
            #impl_token #impl_generics #ident #type_generics #where_clause {
                #(#functions)*
            }
        };
    }
}

/// The parameters of the methods of the bound struct.
fn bound_parameters(model: &Keyspace<'_>, entry: &Entry<'_>) -> bound::Parameters {
    let param = |(name, index): (Ident, usize)| {
        let param = entry.params.get(index)?;
        let and = (param.refused() == Some(Refused::Str)).then(|| Token![&](site()));
        let ty = bound::parameter_type(model, param);
        Some((name, quote_spanned!(site()=> #and #ty)))
    };
    params(model, entry).into_iter().filter_map(param).collect()
}

/// The kind, or the unit type for an `fn` without a return type.
fn kind(entry: &Entry<'_>) -> TokenStream {
    match &entry.kind {
        Some(kind) => named::kind(kind),
        None => quote_spanned!(site()=> ()),
    }
}

/// A unique name for each parameter: its own name if it has one and no earlier parameter uses it.
fn params(model: &Keyspace<'_>, entry: &Entry<'_>) -> Vec<(Ident, usize)> {
    let mut taken = BTreeSet::new();
    entry
        .params
        .iter()
        .enumerate()
        .map(|(index, param)| match param.ident.filter(|ident| taken.insert(ident.to_string())) {
            Some(ident) => (ident.clone(), index),
            None => (model.names.internal(&format!("argument{index}"), param.span), index),
        })
        .collect()
}

/// The enum, and its variants for the impls.
fn parsed(model: &Keyspace<'_>, root: &TokenStream) -> (TokenStream, Vec<Variant>) {
    let mut taken = BTreeSet::new();
    let mut definitions = Vec::new();
    let mut variants = Vec::new();
    for entry in &model.entries {
        let mut name = entry.variant.clone();
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        let name = Ident::new(&name, site());
        let params: Vec<(Ident, &Param<'_>)> = params(model, entry)
            .into_iter()
            .filter_map(|(name, index)| Some((name, entry.params.get(index)?)))
            .collect();
        let fields: Vec<TokenStream> = params.iter().map(|(name, param)| field(name, param, root)).collect();
        definitions.push(parsed::definition_of_variant(model, entry, &name, &fields));
        let fields = params.into_iter().map(|(name, param)| VariantField::new(model, name, param)).collect();
        variants.push(Variant { name, fields });
    }
    (parsed::around(model, definitions.into_iter()), variants)
}

fn field(name: &Ident, param: &Param<'_>, root: &TokenStream) -> TokenStream {
    let docs = docs::argument(&name.to_string());
    let ty = match param.refused() {
        None => named::parsed(param, root),
        // Avoids a second error from the compiler.
        Some(Refused::Float) => param.ty.to_token_stream(),
        Some(Refused::Impl | Refused::Str) => quote_spanned!(site()=> ()),
    };
    quote_spanned!(site()=> #docs #name: #ty)
}
