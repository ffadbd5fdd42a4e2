//! Generates the impl. If there are errors, it generates a stub that avoids follow-up errors of the
//! compiler.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::Type;
use syn::spanned::Spanned;

use super::model::{Argument, Form};
use crate::attr::argument::Format;
use crate::closed::closed;
use crate::codegen::{ARGUMENT, allow, at, imports, private, root, site};
use crate::names::Names;

pub(crate) fn argument(model: &Argument<'_>, names: &Names, has_errors: bool) -> TokenStream {
    // A generic type can't be named without its parameters.
    if model.is_generic {
        return TokenStream::new();
    }
    let (root, rk) = (root(model.crate_path.as_ref()), private(names));
    let body = match &model.form {
        Some(form) if !has_errors => body(form, model.format.as_ref(), names, &rk),
        _ => stub(&rk),
    };
    let alias = match &model.form {
        Some(Form::Newtype { ty, .. }) if !has_errors => alias(model, names, ty),
        _ => TokenStream::new(),
    };
    // With an error, the type may be unable to be a parsed argument: a float has no `Eq`.
    let parsed = if has_errors { quote_spanned!(site()=> ()) } else { quote_spanned!(site()=> Self) };
    let ident = model.ident;
    let (allowed, imports) = (allow(ARGUMENT, None), imports(names, &root));
    quote_spanned! {site()=>
        #allowed
        const _: () = {
            #imports
            #alias

            #[automatically_derived]
            impl #rk::KeyArgument for #ident {
                type Parsed = #parsed;
                #body
            }
        };
    }
}

/// The alias of the wrapped type. Because it is one token, a type that is not a `KeyArgument`
/// causes one error, as for parameters.
fn inner(names: &Names, ty: &Type) -> Ident {
    names.internal("Inner", ty.span())
}

fn alias(model: &Argument<'_>, names: &Names, ty: &Type) -> TokenStream {
    let (mut alias, ty) = (inner(names, ty), closed(ty, model.ident));
    alias.set_span(model.ident.span());
    quote_spanned!(site()=> type #alias = #ty;)
}

fn body(form: &Form<'_>, format: Option<&Format>, names: &Names, rk: &Ident) -> TokenStream {
    let [out, text] = ["out", "text"].map(|name| names.internal(name, site()));
    match form {
        Form::Newtype { member, ty } => {
            let (inner, span) = (inner(names, ty), ty.span());
            let inner = quote_spanned!(span=> <#inner as #rk::KeyArgument>);
            let value = Ident::new("self", at(span));
            let [out_there, text_there] = ["out", "text"].map(|name| names.internal(name, at(span)));
            let class = quote_spanned!(span=> #inner::CLASS);
            let write = quote_spanned!(span=> #inner::write(&#value.#member, #out_there));
            // The parsed type can differ from the wrapped one: `Box<str>` parses as a `String`.
            let wrapped = quote_spanned!(span=> ::core::convert::Into::into((#inner::parse(#text_there))?));
            if let Some(Format { alphabet, min, max, .. }) = format {
                return quote_spanned! {site()=>
                    const CLASS: #rk::ArgumentClass = #rk::ArgumentClass::alphabet(#alphabet, #min, #max);

                    fn write(&self, #out: &mut #rk::KeyWriter) {
                        #rk::KeyWriter::write_of(
                            #out,
                            <Self as #rk::KeyArgument>::CLASS,
                            |#out_there: &mut #rk::KeyWriter| { #write; },
                        );
                    }

                    fn parse(#text: &::core::primitive::str) -> #rk::Option<Self> {
                        if !#rk::ArgumentClass::contains(<Self as #rk::KeyArgument>::CLASS, #text) {
                            return #rk::Option::None;
                        }
                        #rk::Option::Some(Self { #member: #wrapped })
                    }
                };
            }
            quote_spanned! {site()=>
                const CLASS: #rk::ArgumentClass = #class;

                #[inline]
                fn write(&self, #out: &mut #rk::KeyWriter) {
                    #write;
                }

                fn parse(#text: &::core::primitive::str) -> #rk::Option<Self> {
                    #rk::Option::Some(Self { #member: #wrapped })
                }
            }
        }
        Form::Enum(variants) => {
            let (idents, texts): (Vec<&&Ident>, Vec<&str>) =
                variants.iter().map(|(ident, text)| (ident, text.as_str())).unzip();
            quote_spanned! {site()=>
                const CLASS: #rk::ArgumentClass = #rk::ArgumentClass::one_of(&[#(#texts),*]);

                fn write(&self, #out: &mut #rk::KeyWriter) {
                    #out.write_str(match self {
                        #(Self::#idents => #texts,)*
                    });
                }

                fn parse(#text: &::core::primitive::str) -> #rk::Option<Self> {
                    match #text {
                        #(#texts => #rk::Option::Some(Self::#idents),)*
                        _ => #rk::Option::None,
                    }
                }
            }
        }
    }
}

fn stub(rk: &Ident) -> TokenStream {
    quote_spanned! {site()=>
        fn write(&self, _: &mut #rk::KeyWriter) {}

        fn parse(_: &::core::primitive::str) -> #rk::Option<()> {
            #rk::Option::None
        }
    }
}
