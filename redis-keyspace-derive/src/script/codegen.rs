//! Generates the impl of a script, its method `run`, and the check of its text.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;

use super::attributes::{Callee, FieldUse};
use super::model::{Script, ScriptField};
use crate::codegen::{SCRIPT, allow, at, root, site};
use crate::names::Names;

pub(crate) fn script(model: &Script<'_>, names: &Names) -> TokenStream {
    let Some(callee) = &model.attributes.callee else { return TokenStream::new() };
    let root = root(model.attributes.crate_path.as_ref());
    let rk = quote_spanned!(site()=> #root::__private);
    let Script { ident, visibility, generics, .. } = model;
    let (of_impl, of_type, bounds) = generics.split_for_impl();
    let text = callee.tokens();
    let read_only = model.attributes.read_only;
    let returns = model
        .attributes
        .returns
        .as_ref()
        .map_or_else(|| quote_spanned!(site()=> ()), ToTokens::to_token_stream);
    let constructor = match callee {
        Callee::Function(_) => quote_spanned!(site()=> function),
        Callee::Source(_) | Callee::File(_) => quote_spanned!(site()=> lua),
    };
    let input = names.internal("input", site());
    let keys = model.fields.iter().filter(|field| is_key(field)).map(|ScriptField { member, ty, .. }| {
        let span = at(ty.span());
        quote_spanned!(span=> #rk::ScriptInput::keys(#input, &self.#member);)
    });
    let arguments = model.fields.iter().filter_map(|ScriptField { member, ty, sent }| {
        let span = at(ty.span());
        match sent {
            FieldUse::Keys => None,
            FieldUse::Argument => {
                Some(quote_spanned!(span=> #rk::ScriptInput::argument(#input, &self.#member);))
            }
            FieldUse::ArgumentOf(kind) => {
                let span = at(kind.span());
                Some(quote_spanned!(span=> #rk::ScriptInput::value::<#kind, #ty>(#input, &self.#member);))
            }
        }
    });
    let allowed = allow(SCRIPT, None);
    let check = check(model, callee, &rk);
    quote_spanned! {site()=>
        #[automatically_derived]
        #allowed
        impl #of_impl #root::Script for #ident #of_type #bounds {
            type Returns = #returns;
            const SOURCE: &'static ::core::primitive::str = #text;

            fn definition() -> &'static #rk::ScriptDefinition {
                static DEFINITION: #rk::ScriptDefinition = #rk::ScriptDefinition::#constructor(#text, #read_only);
                &DEFINITION
            }

            fn write(&self, #input: &mut #rk::ScriptInput) {
                #(#keys)*
                #(#arguments)*
            }
        }

        #allowed
        impl #of_impl #ident #of_type #bounds {
            /// Returns the command that runs the script. Await it, or pass it to a batch or
            /// transaction.
            #visibility fn run(&self) -> #root::Command<<<Self as #root::Script>::Returns as #rk::ScriptResult>::Value> {
                #root::Script::command(self)
            }
        }

        #check
    }
}

/// The method `run` alone, so that an invalid declaration is one error.
pub(crate) fn fallback(model: &Script<'_>) -> TokenStream {
    let root = root(model.attributes.crate_path.as_ref());
    let Script { ident, visibility, generics, .. } = model;
    let (of_impl, of_type, bounds) = generics.split_for_impl();
    let allowed = allow(SCRIPT, None);
    quote_spanned! {site()=>
        #allowed
        impl #of_impl #ident #of_type #bounds {
            #visibility fn run<T>(&self) -> #root::Command<T> {
                ::core::unreachable!()
            }
        }
    }
}

fn is_key(field: &ScriptField<'_>) -> bool {
    matches!(field.sent, FieldUse::Keys)
}

/// The check of the text. The types of the fields tell how many keys there are, unless they are
/// generic.
fn check(model: &Script<'_>, callee: &Callee, rk: &TokenStream) -> TokenStream {
    if matches!(callee, Callee::Function(_)) {
        return TokenStream::new();
    }
    let text = callee.tokens();
    let none = quote_spanned!(site()=> ::core::option::Option::None);
    let keys = if model.generics.params.is_empty() {
        let some = quote_spanned!(site()=> ::core::option::Option::Some(0));
        model.fields.iter().filter(|field| is_key(field)).fold(some, |sum, field| {
            let ty = field.ty;
            let span = at(ty.span());
            quote_spanned!(span=> #rk::count_keys::<#ty>(#sum))
        })
    } else {
        none
    };
    let arguments = model.fields.iter().filter(|field| !is_key(field)).count();
    let span = at(text.span());
    quote_spanned!(span=> const _: () = #rk::check_script(#text, #keys, #arguments);)
}
