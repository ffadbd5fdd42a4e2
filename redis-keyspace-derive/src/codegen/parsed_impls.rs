//! Generates what `#[derive(Debug, Clone, PartialEq, Eq, Hash)]` would generate for the enum of
//! parsed keys.
//!
//! If a type is not an argument, each derive would report it again, at a different place. Here
//! every token that depends on a type has exactly the type's span, so that the compiler reports one
//! error.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;

use super::named;
use super::paths::{moved, site};
use crate::model::{Keyspace, Param};
use crate::names::Names;

pub(super) struct Variant {
    pub(super) name: Ident,
    pub(super) fields: Vec<VariantField>,
}

pub(super) struct VariantField {
    name: Ident,
    /// The span of its type.
    span: Span,
    /// The alias of the declared type. `None` if the type is not valid.
    argument: Option<Ident>,
}

impl VariantField {
    pub(super) fn new(model: &Keyspace<'_>, name: Ident, param: &Param<'_>) -> Self {
        let argument = param.refused().is_none().then(|| named::alias(model, param));
        Self { name, span: param.span, argument }
    }

    /// Calls a function of this crate instead of a method of the standard library. It relies on the
    /// bounds of `KeyArgument::Parsed`, so that the compiler does not check them again for the type
    /// of the field: one mistake in that type is one error.
    fn call(&self, function: &str, arguments: &TokenStream, rk: &Ident) -> Option<TokenStream> {
        let span = self.span;
        let (argument, rk) = (moved(self.argument.as_ref()?, span), moved(rk, span));
        let function = Ident::new(function, span);
        Some(quote_spanned!(span=> #rk::#function::<#argument>(#arguments)))
    }
}

impl Variant {
    /// The span of its expressions: that of its first argument.
    pub(super) fn span(&self) -> Span {
        self.fields.first().map_or_else(site, |field| field.span)
    }
}

pub(super) fn all(parsed: &Ident, variants: &[Variant], names: &Names, rk: &Ident) -> TokenStream {
    let [f, other, state, parts] = ["f", "other", "state", "parts"].map(|name| names.internal(name, site()));
    let visit = visit(variants, &parts, names, rk);
    let clone = clone(variants, names, rk);
    quote_spanned! {site()=>
        impl #rk::ParsedVariants for #parsed {
            fn visit<'p>(&'p self, #parts: &#rk::ParsedParts<'p>) {
                match *self { #visit }
            }
        }

        #[automatically_derived]
        impl ::core::fmt::Debug for #parsed {
            fn fmt(&self, #f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                #rk::debug_parsed(self, #f)
            }
        }

        #[automatically_derived]
        impl ::core::clone::Clone for #parsed {
            fn clone(&self) -> Self {
                match *self { #clone }
            }
        }

        #[automatically_derived]
        impl ::core::cmp::PartialEq for #parsed {
            fn eq(&self, #other: &Self) -> ::core::primitive::bool {
                #rk::parsed_are_equal(self, #other)
            }
        }

        #[automatically_derived]
        impl ::core::cmp::Eq for #parsed {}

        #[automatically_derived]
        impl ::core::hash::Hash for #parsed {
            fn hash<H: ::core::hash::Hasher>(&self, #state: &mut H) {
                #rk::hash_parsed(self, #state);
            }
        }
    }
}

fn visit(variants: &[Variant], parts: &Ident, names: &Names, rk: &Ident) -> TokenStream {
    let arms = variants.iter().map(|variant| {
        let name = &variant.name;
        let text = name.to_string();
        let start = quote_spanned!(site()=> #rk::visit_variant(#parts, #text));
        if variant.fields.is_empty() {
            return quote_spanned!(site()=> Self::#name => #start,);
        }
        let pattern = pattern(variant, names);
        // An invalid type has no value.
        let fields = variant.fields.iter().enumerate().filter_map(|(index, field)| {
            let (text, span) = (field.name.unraw().to_string(), field.span);
            let binding = binding(index, span, names);
            field.call("visit_argument", &quote_spanned!(span=> #parts, #text, #binding), rk)
        });
        quote_spanned!(site()=> #pattern => { #start; #(#fields;)* })
    });
    arms.collect()
}

fn clone(variants: &[Variant], names: &Names, rk: &Ident) -> TokenStream {
    let arms = variants.iter().map(|variant| {
        let name = &variant.name;
        if variant.fields.is_empty() {
            return quote_spanned!(site()=> Self::#name => Self::#name,);
        }
        let pattern = pattern(variant, names);
        let fields = variant.fields.iter().enumerate().map(|(index, field)| {
            let (name, span) = (at_type(&field.name, field.span), field.span);
            let binding = binding(index, span, names);
            let value = field.call("clone_parsed", &binding.to_token_stream(), rk);
            let value = value.unwrap_or_else(|| quote_spanned!(span=> ::core::clone::Clone::clone(#binding)));
            quote_spanned!(span=> #name: #value)
        });
        let span = variant.span();
        let value = quote_spanned!(span=> Self::#name { #(#fields),* });
        quote_spanned!(site()=> #pattern => #value,)
    });
    arms.collect()
}

/// `Self::User { id: ref __a0 }`
fn pattern(variant: &Variant, names: &Names) -> TokenStream {
    let name = &variant.name;
    let fields = variant.fields.iter().enumerate().map(|(index, field)| {
        let (name, span) = (at_type(&field.name, field.span), field.span);
        let binding = binding(index, span, names);
        quote_spanned!(span=> #name: ref #binding)
    });
    quote_spanned!(variant.span()=> Self::#name { #(#fields),* })
}

fn binding(index: usize, span: Span, names: &Names) -> Ident {
    names.internal(&format!("a{index}"), span)
}

/// The field's name, with the span of its type.
pub(super) fn at_type(field: &Ident, span: Span) -> Ident {
    let mut field = field.clone();
    field.set_span(field.span().located_at(span));
    field
}
