//! Generates code from the model: data, and one-line constructors.
//!
//! Every token has the span of the user's code that it belongs to, with the hygiene of a
//! `macro_rules!`: generated local variables can't conflict with those of the user. Items can. So
//! generated code names the runtime and `core` by absolute paths, primitives by
//! `::core::primitive`, and its own items by [`Names`] that the declaration does not contain. It
//! calls no method that a blanket trait in the user's scope could replace.

mod bound;
mod checks;
mod constructor;
mod docs;
pub(crate) mod fallback;
mod lints;
mod meta;
mod named;
mod outline;
mod parsed;
mod parsed_impls;
mod paths;
pub(crate) mod pattern;

pub(crate) use lints::{ARGUMENT, RECORD, SCRIPT, allow};
pub(crate) use paths::{at, imports, private, root, site};
use proc_macro2::TokenStream;
use quote::quote_spanned;

use crate::model::{Entry, Keyspace};

/// The expansion of a valid declaration.
pub(crate) fn keyspace(model: &Keyspace<'_>) -> TokenStream {
    let (root, rk) = (root(model.container.crate_path.as_ref()), private(&model.names));
    let ident = model.ident;
    let parsed_ident = parsed::ident(model);

    let parsed = parsed::definition(model, &root);
    let allowed = allow(lints::BLOCK, Some(&model.forwarded));
    let imports = imports(&model.names, &root);
    let aliases = named::aliases(model);
    let templates = meta::templates(model, &rk);
    let meta = meta::keyspace(model, &rk);
    let from_captures = parsed::from_captures(model, &rk);
    let constructors = constructor::all(model, &root, &rk);
    let impl_token = quote_spanned!(named::item(model)=> impl);
    let parsed_impls = parsed_impls::all(&parsed_ident, &parsed::variants(model), &model.names, &rk);
    let patterns = pattern::definition(model, &root);
    let bound = bound::definition(model, &root);
    let bound_basics = bound::basics(model, &root);
    let parameters = |entry: &Entry<'_>| bound::parameters(model, entry);
    let bound_methods = bound::methods(model, pattern::Bodies::Working, &parameters, &root, &rk);
    let pattern_fields = pattern::fields(model);
    let pattern_impls = pattern::impls(model, pattern::Bodies::Working, &rk);
    let pattern_constructors = pattern::constructors(model, pattern::Bodies::Working, &root, &rk);
    let everything_is_used = checks::everything_is_used(model);
    let distinct = checks::distinct(model, &rk);
    let boundaries = checks::boundaries(model, &rk);
    let fills = checks::fills(model, &rk);
    let is_filled = !model.container.fills.are_disabled();
    let is_filled = is_filled.then(|| quote_spanned!(site()=> impl #rk::FilledKeyspace for #ident {}));

    let meta_ident = meta::meta_ident(model);

    quote_spanned! {site()=>
        #parsed
        #patterns
        #bound
        #bound_basics

        #allowed
        const _: () = {
            #imports
            #aliases
            #pattern_fields
            #templates
            #meta

            #[automatically_derived]
            impl #rk::Keyspace for #ident {
                const META: &'static #rk::KeyspaceMeta = &#meta_ident;
                type Parsed = #parsed_ident;
                #from_captures
            }
            #is_filled

            #impl_token #ident {
                #constructors
                #pattern_constructors
            }

            #parsed_impls
            #pattern_impls
            #bound_methods
            #everything_is_used
            #boundaries
            #fills
            #distinct
        };
    }
}
