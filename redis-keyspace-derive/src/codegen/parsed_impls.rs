//! Generates what `#[derive(Debug, Clone, PartialEq)]` would generate for the enum of parsed keys.
//!
//! If a type is not an argument, each derive would report it again, at a different place. Here
//! every token that depends on a type has exactly the type's span, so that the compiler reports one
//! error.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::named;
use super::paths::site;
use crate::model::{Keyspace, Param};
use crate::names::Names;

pub(super) struct Variant<'a> {
    pub(super) name: Ident,
    pub(super) fields: Vec<VariantField<'a>>,
}

pub(super) struct VariantField<'a> {
    name: Ident,
    /// The declared type.
    ty: &'a syn::Type,
    /// The alias of the declared type. `None` if the type is not valid.
    argument: Option<Ident>,
}

impl<'a> VariantField<'a> {
    pub(super) fn new(model: &Keyspace<'_>, name: Ident, param: &Param<'a>) -> Self {
        let argument = param.refused().is_none().then(|| named::alias(model, param));
        Self { name, ty: param.ty, argument }
    }

    /// Calls a function of this crate instead of a method of the standard library. It relies on the
    /// bounds of `KeyArgument::Parsed`, so that the compiler does not check them again for the type
    /// of the field: one mistake in that type is one error.
    fn call(&self, function: &str, values: &[&Ident], rk: &TokenStream) -> Option<TokenStream> {
        let span = self.ty.span();
        let mut argument = self.argument.clone()?;
        argument.set_span(span);
        let function = Ident::new(function, span);
        let rk = rk.clone().into_iter().map(|mut token| {
            token.set_span(span);
            token
        });
        Some(quote_spanned!(span=> #(#rk)*::#function::<#argument>(#(#values),*)))
    }
}

impl Variant<'_> {
    /// The span of its expressions: that of its first argument.
    pub(super) fn span(&self) -> Span {
        self.fields.first().map_or_else(site, |field| field.ty.span())
    }
}

pub(super) fn all(parsed: &Ident, variants: &[Variant<'_>], names: &Names, rk: &TokenStream) -> TokenStream {
    let (f, other) = (names.internal("f", site()), names.internal("other", site()));
    let debug = debug(variants, &f, names, rk);
    let clone = clone(variants, names, rk);
    let eq = eq(variants, names, rk);
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
        let fields = variant.fields.iter().enumerate().map(|(index, field)| {
            let (text, ty) = (field.name.unraw().to_string(), field.ty);
            let binding = binding("a", index, ty, names);
            let value =
                field.call("debug_parsed", &[&binding], rk).unwrap_or_else(|| binding.to_token_stream());
            quote_spanned!(ty.span()=> (#text, #value))
        });
        quote_spanned!(site()=> #pattern => #rk::debug_variant(#f, #text, &[#(#fields),*]),)
    });
    arms.collect()
}

fn clone(variants: &[Variant<'_>], names: &Names, rk: &TokenStream) -> TokenStream {
    let arms = variants.iter().map(|variant| {
        let name = &variant.name;
        if variant.fields.is_empty() {
            return quote_spanned!(site()=> Self::#name => Self::#name,);
        }
        let pattern = pattern(variant, "a", names);
        let fields = variant.fields.iter().enumerate().map(|(index, field)| {
            let (name, ty) = (at_type(&field.name, field.ty), field.ty);
            let binding = binding("a", index, ty, names);
            let value = field.call("clone_parsed", &[&binding], rk);
            let value =
                value.unwrap_or_else(|| quote_spanned!(ty.span()=> ::core::clone::Clone::clone(#binding)));
            quote_spanned!(ty.span()=> #name: #value)
        });
        let span = variant.span();
        let value = quote_spanned!(span=> Self::#name { #(#fields),* });
        quote_spanned!(site()=> #pattern => #value,)
    });
    arms.collect()
}

fn eq(variants: &[Variant<'_>], names: &Names, rk: &TokenStream) -> TokenStream {
    let mut arms: TokenStream = variants
        .iter()
        .map(|variant| {
            let name = &variant.name;
            if variant.fields.is_empty() {
                return quote_spanned!(site()=> (Self::#name, Self::#name) => true,);
            }
            let (left, right) = (pattern(variant, "a", names), pattern(variant, "b", names));
            let equal = variant.fields.iter().enumerate().map(|(index, field)| {
                let ty = field.ty;
                let (a, b) = (binding("a", index, ty, names), binding("b", index, ty, names));
                field
                    .call("parsed_are_equal", &[&a, &b], rk)
                    .unwrap_or_else(|| quote_spanned!(ty.span()=> *#a == *#b))
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
    let fields = variant.fields.iter().enumerate().map(|(index, field)| {
        let (name, ty) = (at_type(&field.name, field.ty), field.ty);
        let binding = binding(side, index, ty, names);
        quote_spanned!(ty.span()=> #name: ref #binding)
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
