//! Generates the functions that create keys.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::meta::{self, Part, pieces};
use super::paths::site;
use super::{docs, lints, named};
use crate::model::{Entry, Keyspace};

pub(super) fn all(model: &Keyspace<'_>, root: &TokenStream, rk: &Ident) -> TokenStream {
    model
        .entries
        .iter()
        .enumerate()
        .map(|(index, entry)| signature(model, entry, &body(model, entry, index, rk), root))
        .collect()
}

/// The function with this body.
pub(super) fn signature(
    model: &Keyspace<'_>,
    entry: &Entry<'_>,
    body: &TokenStream,
    root: &TokenStream,
) -> TokenStream {
    let docs = docs::constructor(model, entry);
    let deprecated = entry.forwarded.deprecated;
    let allowed = lints::allow(&[], Some(&entry.forwarded));
    let (vis, ident) = (entry.vis, entry.ident);
    let params = entry.params.iter().filter_map(|param| {
        let (ident, ty) = (param.ident?, param.ty.to_token_stream());
        let ty = named::parameter_type(param, ty);
        Some(quote_spanned!(site()=> #ident: #ty))
    });
    let kind = entry.kind.as_ref().map(named::kind);
    quote_spanned! {site()=>
        #docs
        #deprecated
        #allowed
        #[inline]
        #vis fn #ident(#(#params),*) -> #root::Key<Self, #kind> {
            #body
        }
    }
}

fn body(model: &Keyspace<'_>, entry: &Entry<'_>, index: usize, rk: &Ident) -> TokenStream {
    let parts = pieces(model, entry);
    let templates = meta::templates_ident(model);
    if let [Part::Literal(text)] = parts.as_slice() {
        return quote_spanned!(site()=> #rk::Key::from_static(&#templates[#index], #text));
    }
    let required = entry.params.iter().map(|param| named::require_argument(model, param, rk));
    let calls = parts.into_iter().map(|part| match part {
        Part::Literal(text) => quote_spanned!(site()=> .literal(#text)),
        Part::Argument(param) => {
            // At the type, because errors say that it is not an argument.
            let span = param.span;
            let ident = param.ident.map(|ident| {
                let mut ident = ident.clone();
                ident.set_span(ident.span().located_at(span));
                ident
            });
            quote_spanned!(span=> .argument(&#ident))
        }
    });
    let converted = entry.params.iter().filter_map(named::converted);
    quote_spanned! {site()=>
        #(#required)*
        #(#converted)*
        #rk::KeyBuilder::new(&#templates[#index]) #(#calls)* .finish()
    }
}
