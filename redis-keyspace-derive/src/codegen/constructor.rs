//! Generates the functions that create keys.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::meta::{self, Part, pieces};
use super::parsed_impls::at_type;
use super::paths::site;
use super::{docs, lints, named};
use crate::model::{Entry, Keyspace, Param};

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
    // The text at the start, and the text after each argument.
    let mut start = String::new();
    let mut arguments: Vec<(&Param<'_>, String)> = Vec::new();
    for part in parts {
        match (part, arguments.last_mut()) {
            (Part::Argument(param), _) => arguments.push((param, String::new())),
            (Part::Literal(text), Some((_, after))) => *after = text,
            (Part::Literal(text), None) => start = text,
        }
    }
    let calls = arguments.iter().map(|(param, after)| {
        // At the type, because errors say that it is not an argument.
        let span = param.span;
        let ident = param.ident.map(|ident| at_type(ident, span));
        quote_spanned!(span=> .argument(&#ident, #after))
    });
    let converted = entry.params.iter().filter_map(named::converted);
    quote_spanned! {site()=>
        #(#required)*
        #(#converted)*
        #rk::KeyBuilder::new(&#templates[#index], #start) #(#calls)* .finish()
    }
}
