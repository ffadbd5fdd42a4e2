//! From the model to code: data, and one-line constructors.
//!
//! Every token has the span of the user's code that it stands for, resolved as in a `macro_rules!`: names of ours
//! can't meet names of the user's.

mod checks;
mod constructor;
mod docs;
pub(crate) mod fallback;
mod lints;
mod meta;
mod named;
mod parsed;
mod parsed_impls;
pub(crate) mod pattern;
mod types;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::Path;
use syn::ext::IdentExt;

use crate::crate_path;
use crate::model::Keyspace;

pub(crate) use lints::allowed;

/// The span of generated tokens that stand for nothing in particular.
pub(crate) fn site() -> Span {
    Span::mixed_site()
}

/// Shown at `span`, resolved where the macro is defined.
pub(crate) fn at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// The hidden module of the runtime.
pub(crate) fn private(path: Option<&Path>) -> TokenStream {
    let default;
    let path = match path {
        Some(path) => path,
        None => {
            default = crate_path::default();
            &default
        }
    };
    quote_spanned!(site()=> #path::private)
}

/// The enum of parsed keys.
fn parsed_ident(model: &Keyspace<'_>) -> Ident {
    format_ident!("Parsed{}", model.ident.unraw(), span = named::item(model))
}

/// The expansion of a declaration without mistakes.
pub(crate) fn keyspace(model: &Keyspace<'_>) -> TokenStream {
    let rk = private(model.container.crate_path.as_ref());
    let ident = model.ident;
    let parsed_ident = parsed_ident(model);

    let parsed = parsed::definition(model, &rk);
    let (allowed, forwarded) = (lints::expansion(), lints::forwarded(&model.forwarded));
    let aliases = named::aliases(model);
    let templates = meta::templates(model, &rk);
    let meta = meta::keyspace(model, &rk);
    let from_captures = parsed::from_captures(model, &rk);
    let constructors = constructor::all(model, &rk);
    let allowed_in_impl = lints::constructors();
    let impl_token = quote_spanned!(named::item(model)=> impl);
    let parsed_impls = parsed_impls::all(&parsed_ident, &parsed::variants(model));
    let patterns = pattern::definition(model, &rk);
    let pattern_impls = pattern::impls(model, pattern::Bodies::Working, &rk);
    let pattern_constructors = pattern::constructors(model, pattern::Bodies::Working, &rk);
    let everything_is_used = checks::everything_is_used(model);
    let distinct = checks::distinct(model, &rk);
    let boundaries = checks::boundaries(model, &rk);
    let fills = checks::fills(model, &rk);

    quote_spanned! {site()=>
        #parsed
        #patterns

        #allowed
        #forwarded
        const _: () = {
            #aliases
            #templates
            #meta

            #[automatically_derived]
            impl #rk::Keyspace for #ident {
                const META: &'static #rk::KeyspaceMeta = &__META;
                type Parsed = #parsed_ident;
                #from_captures
            }

            #allowed_in_impl
            #impl_token #ident {
                #constructors
                #pattern_constructors
            }

            #parsed_impls
            #pattern_impls
            #everything_is_used
            #boundaries
            #fills
            #distinct
        };
    }
}
