//! Generates the impl and the constants. If there are errors, the functions do nothing, which
//! avoids follow-up errors of the compiler.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;

use super::model::{Record, RecordField, Stored};
use crate::attr::record::{FieldDefault, FieldKind};
use crate::closed::closed;
use crate::codegen::{RECORD, allow, at, imports, private, root, site};
use crate::names::Names;

pub(crate) fn record(model: &Record<'_>, names: &Names, has_errors: bool) -> TokenStream {
    // A generic type can't be named without its parameters.
    if model.is_generic || model.fields.is_empty() {
        return TokenStream::new();
    }
    let (root, rk) = (root(model.crate_path.as_ref()), private(names));
    let ident = model.ident;
    let aliases =
        model.fields.iter().enumerate().map(|(nth, field)| alias(model, field, nth, names, &root, &rk));
    let fields = model.fields.iter().map(|field| meta(field, &rk));
    let constants = model.fields.iter().enumerate().map(|(nth, field)| constant(field, nth, names, &rk));
    // Not every program uses every field on its own.
    let used = model.fields.iter().map(|field| &field.constant);
    let [out, read] = ["out", "fields"].map(|name| names.internal(name, site()));
    let (write, build) = if has_errors {
        let none = quote_spanned!(site()=> #rk::Result::Err(#rk::DecodeError::new("")));
        (TokenStream::new(), none)
    } else {
        let writes = model.fields.iter().enumerate().map(|(nth, field)| write(field, nth, names, &rk));
        let reads = model.fields.iter().enumerate().map(|(nth, field)| read_field(field, nth, names, &rk));
        (quote_spanned!(site()=> #(#writes)*), quote_spanned!(site()=> #rk::Result::Ok(Self { #(#reads,)* })))
    };
    let (allowed, imports) = (allow(RECORD, Some(&model.forwarded)), imports(names, &root));
    quote_spanned! {site()=>
        #allowed
        const _: () = {
            #imports
            #(#aliases)*

            #[automatically_derived]
            impl #rk::RecordFields for #ident {
                const FIELDS: &'static [#rk::FieldMeta] = &[#(#fields),*];

                fn write_fields(&self, #out: &mut #rk::FieldWriter) -> #rk::Result<(), #rk::Error> {
                    #write
                    #rk::Result::Ok(())
                }

                fn read_fields(#read: &mut #rk::FieldReader) -> #rk::Result<Self, #rk::DecodeError> {
                    #build
                }
            }

            impl #ident {
                #(#constants)*
            }

            const _: () = {
                #(let _ = #ident::#used;)*
            };
        };
    }
}

/// The alias of a field's kind. Because it is one token, a type that has no kind causes one error.
fn kind_ident(nth: usize, names: &Names, field: &RecordField<'_>) -> Ident {
    names.internal(&format!("Kind{nth}"), field.ty.span())
}

fn alias(
    model: &Record<'_>,
    field: &RecordField<'_>,
    nth: usize,
    names: &Names,
    root: &TokenStream,
    rk: &Ident,
) -> TokenStream {
    let mut ident = kind_ident(nth, names, field);
    ident.set_span(field.ident.span());
    let span = at(field.ty.span());
    let kind = match &field.stored {
        Stored::ByType => {
            let ty = closed(field.ty, model.ident);
            quote_spanned!(span=> <#ty as #rk::FieldType>::Kind)
        }
        Stored::As { kind, value, is_optional } => {
            let kind = match kind {
                FieldKind::Json => {
                    let value = closed(value, model.ident);
                    quote_spanned!(span=> #root::Json<#value>)
                }
                FieldKind::Named(kind) => closed(kind, model.ident).into_token_stream(),
            };
            if *is_optional { quote_spanned!(span=> #rk::Option<#kind>) } else { kind }
        }
    };
    quote_spanned!(site()=> type #ident = #kind;)
}

fn meta(field: &RecordField<'_>, rk: &Ident) -> TokenStream {
    let (name, aliases) = (&field.name, &field.aliases);
    let ttl = field.ttl_millis.map(|millis| quote_spanned!(site()=> .expiring(#millis)));
    quote_spanned!(site()=> #rk::FieldMeta::new(#name, &[#(#aliases),*]) #ttl)
}

fn constant(field: &RecordField<'_>, nth: usize, names: &Names, rk: &Ident) -> TokenStream {
    let (visibility, ident) = (field.visibility, &field.constant);
    let kind = kind_ident(nth, names, field);
    let docs = format!(" The field `{}` of the record.", field.name);
    let span = at(field.ident.span());
    quote_spanned! {span=>
        #[doc = #docs]
        #visibility const #ident: #rk::Field<Self, #kind> = #rk::Field::at(#nth);
    }
}

fn write(field: &RecordField<'_>, nth: usize, names: &Names, rk: &Ident) -> TokenStream {
    let (member, span) = (field.ident, at(field.ty.span()));
    let (kind, out) = (kind_ident(nth, names, field), names.internal("out", span));
    let this = Ident::new("self", span);
    quote_spanned!(span=> (#rk::FieldWriter::field::<Self, #kind>(#out, #nth, &#this.#member))?;)
}

fn read_field(field: &RecordField<'_>, nth: usize, names: &Names, rk: &Ident) -> TokenStream {
    let (member, span) = (field.ident, at(field.ty.span()));
    let (kind, read) = (kind_ident(nth, names, field), names.internal("fields", span));
    match &field.default {
        None => quote_spanned!(span=> #member: (#rk::FieldReader::field::<#kind>(#read))?),
        Some(FieldDefault::Trait) => quote_spanned! {span=>
            #member: (#rk::FieldReader::field_or::<#kind>(#read, #rk::Default::default))?
        },
        Some(FieldDefault::Expression(expression)) => quote_spanned! {span=>
            #member: (#rk::FieldReader::field_or::<#kind>(#read, || #expression))?
        },
    }
}
