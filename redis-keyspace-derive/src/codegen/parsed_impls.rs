//! Generates what `#[derive(Debug, Clone, PartialEq)]` would generate for the enum of parsed keys.
//!
//! If a type is not an argument, each derive would report it again, at a different place. Here
//! every token that depends on a type has exactly the type's span, so that the compiler reports one
//! error.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::paths::site;
use crate::names::Names;

/// A variant, with the declared types of its fields.
pub(super) struct Variant<'a> {
    pub(super) name: Ident,
    pub(super) fields: Vec<(Ident, &'a syn::Type)>,
}

impl Variant<'_> {
    /// The span of its expressions: that of its first argument.
    pub(super) fn span(&self) -> Span {
        self.fields.first().map_or_else(site, |(_, ty)| ty.span())
    }
}

pub(super) fn all(parsed: &Ident, variants: &[Variant<'_>], names: &Names, rk: &TokenStream) -> TokenStream {
    let (f, other) = (names.internal("f", site()), names.internal("other", site()));
    let debug = debug(variants, &f, names, rk);
    let clone = clone(variants, names);
    let eq = eq(variants, names);
    quote_spanned! {site()=>
        #[automatically_derived]
        impl ::core::fmt::Debug for #parsed {
            fn fmt(&self, #f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match *self { #debug }
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
                match (self, #other) { #eq }
            }
        }
    }
}

fn debug(variants: &[Variant<'_>], f: &Ident, names: &Names, rk: &TokenStream) -> TokenStream {
    let arms = variants.iter().map(|variant| {
        let name = &variant.name;
        let text = name.to_string();
        if variant.fields.is_empty() {
            return quote_spanned!(site()=> Self::#name => #rk::debug_variant(#f, #text, &[]),);
        }
        let pattern = pattern(variant, "a", names);
        let fields = variant.fields.iter().enumerate().map(|(index, (field, ty))| {
            let text = field.unraw().to_string();
            let binding = binding("a", index, ty, names);
            quote_spanned!(ty.span()=> (#text, #binding))
        });
        quote_spanned!(site()=> #pattern => #rk::debug_variant(#f, #text, &[#(#fields),*]),)
    });
    arms.collect()
}

fn clone(variants: &[Variant<'_>], names: &Names) -> TokenStream {
    let arms = variants.iter().map(|variant| {
        let name = &variant.name;
        if variant.fields.is_empty() {
            return quote_spanned!(site()=> Self::#name => Self::#name,);
        }
        let pattern = pattern(variant, "a", names);
        let fields = variant.fields.iter().enumerate().map(|(index, (field, ty))| {
            let field = at_type(field, ty);
            let binding = binding("a", index, ty, names);
            quote_spanned!(ty.span()=> #field: ::core::clone::Clone::clone(#binding))
        });
        let span = variant.span();
        let value = quote_spanned!(span=> Self::#name { #(#fields),* });
        quote_spanned!(site()=> #pattern => #value,)
    });
    arms.collect()
}

fn eq(variants: &[Variant<'_>], names: &Names) -> TokenStream {
    let mut arms: TokenStream = variants
        .iter()
        .map(|variant| {
            let name = &variant.name;
            if variant.fields.is_empty() {
                return quote_spanned!(site()=> (Self::#name, Self::#name) => true,);
            }
            let (left, right) = (pattern(variant, "a", names), pattern(variant, "b", names));
            let equal = variant.fields.iter().enumerate().map(|(index, (_, ty))| {
                let (a, b) = (binding("a", index, ty, names), binding("b", index, ty, names));
                quote_spanned!(ty.span()=> *#a == *#b)
            });
            quote_spanned!(site()=> (&#left, &#right) => #(#equal)&&*,)
        })
        .collect();
    // Unreachable for one variant. For none, a match on a pair of references still needs an arm.
    if variants.len() != 1 {
        arms.extend(quote_spanned!(site()=> _ => false,));
    }
    arms
}

/// `Self::User { id: ref __a0 }`
fn pattern(variant: &Variant<'_>, side: &str, names: &Names) -> TokenStream {
    let name = &variant.name;
    let fields = variant.fields.iter().enumerate().map(|(index, (field, ty))| {
        let field = at_type(field, ty);
        let binding = binding(side, index, ty, names);
        quote_spanned!(ty.span()=> #field: ref #binding)
    });
    quote_spanned!(variant.span()=> Self::#name { #(#fields),* })
}

fn binding(side: &str, index: usize, ty: &syn::Type, names: &Names) -> Ident {
    names.internal(&format!("{side}{index}"), ty.span())
}

/// The field's name, with the span of its type.
pub(super) fn at_type(field: &Ident, ty: &syn::Type) -> Ident {
    let mut field = field.clone();
    field.set_span(field.span().located_at(ty.span()));
    field
}
