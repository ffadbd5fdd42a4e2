//! Generates the impls. If there are errors, it generates stubs that avoid follow-up errors of the
//! compiler.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote_spanned;
use syn::Type;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::model::{Value, ValueForm};
use crate::closed::closed;
use crate::codegen::{ARGUMENT, allow, at, imports, private, root, site};
use crate::names::Names;

pub(crate) fn value(model: &Value<'_>, names: &Names, has_errors: bool) -> TokenStream {
    // A generic type can't be named without its parameters.
    if model.is_generic {
        return TokenStream::new();
    }
    let (root, rk) = (root(model.crate_path.as_ref()), private(names));
    let Impls { alias, wire_format, codec } = match &model.form {
        Some(ValueForm::Newtype { member, ty }) if !has_errors => {
            newtype(model.ident, member, ty, names, &rk)
        }
        Some(ValueForm::Enum(variants)) if !has_errors => unit_enum(model.ident, variants, names, &rk),
        _ => stub(model.ident, names, &rk),
    };
    let ident = model.ident;
    let [this] = ["this"].map(|name| names.internal(name, site()));
    let (allowed, imports) = (allow(ARGUMENT, None), imports(names, &root));
    quote_spanned! {site()=>
        #allowed
        const _: () = {
            #imports
            #alias

            #[automatically_derived]
            impl #rk::Kind for #ident {
                const WIRE_FORMAT: &'static ::core::primitive::str = #wire_format;
            }

            #[automatically_derived]
            impl #rk::SingleValue for #ident {
                type Owned = Self;
                type Borrowed = Self;

                #codec

                fn borrow(#this: &Self) -> &Self {
                    #this
                }
            }
        };
    }
}

/// The parts of the impls that differ.
struct Impls {
    alias: TokenStream,
    wire_format: TokenStream,
    /// The functions that encode and decode.
    codec: TokenStream,
}

fn newtype(ident: &Ident, member: &syn::Member, ty: &Type, names: &Names, rk: &Ident) -> Impls {
    let span = ty.span();
    // Because the alias is one token, a type that can't be stored causes one error.
    let inner = names.internal("Inner", span);
    let (mut declared, closed) = (inner.clone(), closed(ty, ident));
    declared.set_span(ident.span());
    let [this, out, most, bytes] = ["this", "out", "a0", "text"].map(|name| names.internal(name, site()));
    let [this_there, out_there, most_there, bytes_there] =
        ["this", "out", "a0", "text"].map(|name| names.internal(name, at(span)));
    let encode = quote_spanned!(span=> #rk::encode_wrapped::<#inner>(&#this_there.#member, #out_there));
    let encode_within = quote_spanned!(
        span=> #rk::encode_wrapped_within::<#inner>(&#this_there.#member, #most_there, #out_there)
    );
    let decode = quote_spanned!(span=> #rk::decode_wrapped::<#inner>(#bytes_there));
    let decode_owned = quote_spanned!(span=> #rk::decode_wrapped_owned::<#inner>(#bytes_there));
    let of_nil = quote_spanned!(span=> #rk::wrapped_of_nil::<#inner>());
    Impls {
        alias: quote_spanned!(site()=> type #declared = #closed;),
        wire_format: quote_spanned!(span=> #rk::wire_format_of_wrapped::<#inner>()),
        codec: quote_spanned! {site()=>
            fn encode(
                #this: &Self,
                #out: &mut #rk::Vec<::core::primitive::u8>,
            ) -> #rk::Result<(), #rk::EncodeError> {
                #encode
            }

            fn encode_within(
                #this: &Self,
                #most: ::core::primitive::usize,
                #out: &mut #rk::Vec<::core::primitive::u8>,
            ) -> #rk::Result<(), #rk::EncodeError> {
                #encode_within
            }

            fn decode(#bytes: &[::core::primitive::u8]) -> #rk::Result<Self, #rk::DecodeError> {
                #rk::Result::map(#decode, |#this| Self { #member: #this })
            }

            fn decode_owned(#bytes: #rk::SharedBytes) -> #rk::Result<Self, #rk::DecodeError> {
                #rk::Result::map(#decode_owned, |#this| Self { #member: #this })
            }

            fn of_nil() -> #rk::Option<Self> {
                #rk::Option::map(#of_nil, |#this| Self { #member: #this })
            }
        },
    }
}

fn unit_enum(ident: &Ident, variants: &[(&Ident, String)], names: &Names, rk: &Ident) -> Impls {
    let [this, out, bytes] = ["this", "out", "text"].map(|name| names.internal(name, site()));
    let idents: Vec<&&Ident> = variants.iter().map(|(ident, _)| ident).collect();
    let texts: Vec<&str> = variants.iter().map(|(_, text)| text.as_str()).collect();
    let patterns: Vec<Literal> = texts.iter().map(|text| Literal::byte_string(text.as_bytes())).collect();
    let name = ident.unraw().to_string();
    let wire_format = match texts.split_last() {
        Some((last, rest @ [_, ..])) => format!("{} or `{last}`", quoted(rest)),
        _ => quoted(&texts),
    };
    Impls {
        alias: TokenStream::new(),
        wire_format: quote_spanned!(site()=> #wire_format),
        codec: quote_spanned! {site()=>
            fn encode(
                #this: &Self,
                #out: &mut #rk::Vec<::core::primitive::u8>,
            ) -> #rk::Result<(), #rk::EncodeError> {
                #rk::encode_variant(#out, match #this {
                    #(Self::#idents => #texts,)*
                })
            }

            fn decode(#bytes: &[::core::primitive::u8]) -> #rk::Result<Self, #rk::DecodeError> {
                match #bytes {
                    #(#patterns => #rk::Result::Ok(Self::#idents),)*
                    _ => #rk::Result::Err(#rk::unknown_variant(#name)),
                }
            }
        },
    }
}

/// `` `a`, `b` ``
fn quoted(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
}

fn stub(ident: &Ident, names: &Names, rk: &Ident) -> Impls {
    let name = ident.unraw().to_string();
    let out = names.internal("out", site());
    Impls {
        alias: TokenStream::new(),
        wire_format: quote_spanned!(site()=> ""),
        codec: quote_spanned! {site()=>
            fn encode(
                _: &Self,
                #out: &mut #rk::Vec<::core::primitive::u8>,
            ) -> #rk::Result<(), #rk::EncodeError> {
                #rk::encode_variant(#out, "")
            }

            fn decode(_: &[::core::primitive::u8]) -> #rk::Result<Self, #rk::DecodeError> {
                #rk::Result::Err(#rk::unknown_variant(#name))
            }
        },
    }
}
