//! The function that makes a key.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::spanned::Spanned;

use super::meta::{Part, pieces};
use super::{docs, lints, named, site};
use crate::model::{Entry, Keyspace};

pub(super) fn all(model: &Keyspace<'_>, rk: &TokenStream) -> TokenStream {
    model
        .entries
        .iter()
        .enumerate()
        .map(|(index, entry)| signature(model, entry, &body(model, entry, index, rk), rk))
        .collect()
}

/// The whole function around a body.
pub(super) fn signature(
    model: &Keyspace<'_>,
    entry: &Entry<'_>,
    body: &TokenStream,
    rk: &TokenStream,
) -> TokenStream {
    let docs = docs::constructor(model, entry);
    let deprecated = entry.forwarded.deprecated;
    let allowed = lints::forwarded(&entry.forwarded);
    let (vis, ident) = (entry.vis, entry.ident);
    let params = entry.params.iter().filter_map(|param| {
        let (ident, ty) = (param.ident?, param.ty);
        Some(quote_spanned!(site()=> #ident: #ty))
    });
    let kind = entry.kind.as_ref().map(named::kind);
    quote_spanned! {site()=>
        #docs
        #deprecated
        #allowed
        #[inline]
        #vis fn #ident(#(#params),*) -> #rk::Key<Self, #kind> {
            #body
        }
    }
}

fn body(model: &Keyspace<'_>, entry: &Entry<'_>, index: usize, rk: &TokenStream) -> TokenStream {
    let parts = pieces(model, entry);
    if let [Part::Literal(text)] = parts.as_slice() {
        return quote_spanned!(site()=> #rk::Key::from_static(&__TEMPLATES[#index], #text));
    }
    let asked = entry.params.iter().map(|param| named::asked(param, rk));
    let calls = parts.into_iter().map(|part| match part {
        Part::Literal(text) => quote_spanned!(site()=> .literal(#text)),
        Part::Argument(param) => {
            // Shown at the type: there a user looks for why it can't be an argument.
            let span = param.ty.span();
            let ident = param.ident.map(|ident| {
                let mut ident = ident.clone();
                ident.set_span(ident.span().located_at(span));
                ident
            });
            quote_spanned!(span=> .argument(&#ident))
        }
    });
    quote_spanned! {site()=>
        #(#asked)*
        #rk::KeyBuilder::new(&__TEMPLATES[#index]) #(#calls)* .finish()
    }
}
