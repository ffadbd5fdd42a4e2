//! Generates what `#[derive(Debug, Clone, PartialEq, Eq, Hash)]` would generate for the enum of
//! parsed keys.
//!
//! If a type is not an argument, each derive would report it again, at a different place. Here
//! every token that depends on a type has exactly the type's span, so that the compiler reports one
//! error.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
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
    fn call(&self, function: &str, value: &Ident, rk: &TokenStream) -> Option<TokenStream> {
        let span = self.ty.span();
        let mut argument = self.argument.clone()?;
        argument.set_span(span);
        let function = Ident::new(function, span);
        let rk = rk.clone().into_iter().map(|mut token| {
            token.set_span(span);
            token
        });
        Some(quote_spanned!(span=> #(#rk)*::#function::<#argument>(#value)))
    }
}

impl Variant<'_> {
    /// The span of its expressions: that of its first argument.
    pub(super) fn span(&self) -> Span {
        self.fields.first().map_or_else(site, |field| field.ty.span())
    }
}

pub(super) fn all(parsed: &Ident, variants: &[Variant<'_>], names: &Names, rk: &TokenStream) -> TokenStream {
    let [f, other, state, visitor] =
        ["f", "other", "state", "visitor"].map(|name| names.internal(name, site()));
    let visit = visit(variants, &visitor, names, rk);
    let clone = clone(variants, names, rk);
    quote_spanned! {site()=>
        impl #rk::ParsedVariants for #parsed {
            fn visit(&self, #visitor: &mut #rk::Visitor<'_>) {
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

fn visit(variants: &[Variant<'_>], visitor: &Ident, names: &Names, rk: &TokenStream) -> TokenStream {
    let arms = variants.iter().map(|variant| {
        let name = &variant.name;
        let text = name.to_string();
        if variant.fields.is_empty() {
            return quote_spanned!(site()=> Self::#name => #visitor(#text, &[]),);
        }
        let pattern = pattern(variant, names);
        let fields = variant.fields.iter().enumerate().map(|(index, field)| {
            let (text, ty) = (field.name.unraw().to_string(), field.ty);
            let binding = binding(index, ty, names);
            // An invalid type has no value.
            let value =
                field.call("parsed_value", &binding, rk).unwrap_or_else(|| quote_spanned!(ty.span()=> &()));
            quote_spanned!(ty.span()=> (#text, #value))
        });
        quote_spanned!(site()=> #pattern => #visitor(#text, &[#(#fields),*]),)
    });
    arms.collect()
}

fn clone(variants: &[Variant<'_>], names: &Names, rk: &TokenStream) -> TokenStream {
    let arms = variants.iter().map(|variant| {
        let name = &variant.name;
        if variant.fields.is_empty() {
            return quote_spanned!(site()=> Self::#name => Self::#name,);
        }
        let pattern = pattern(variant, names);
        let fields = variant.fields.iter().enumerate().map(|(index, field)| {
            let (name, ty) = (at_type(&field.name, field.ty), field.ty);
            let binding = binding(index, ty, names);
            let value = field.call("clone_parsed", &binding, rk);
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

/// `Self::User { id: ref __a0 }`
fn pattern(variant: &Variant<'_>, names: &Names) -> TokenStream {
    let name = &variant.name;
    let fields = variant.fields.iter().enumerate().map(|(index, field)| {
        let (name, ty) = (at_type(&field.name, field.ty), field.ty);
        let binding = binding(index, ty, names);
        quote_spanned!(ty.span()=> #name: ref #binding)
    });
    quote_spanned!(variant.span()=> Self::#name { #(#fields),* })
}

fn binding(index: usize, ty: &syn::Type, names: &Names) -> Ident {
    names.internal(&format!("a{index}"), ty.span())
}

/// The field's name, with the span of its type.
pub(super) fn at_type(field: &Ident, ty: &syn::Type) -> Ident {
    let mut field = field.clone();
    field.set_span(field.span().located_at(ty.span()));
    field
}
