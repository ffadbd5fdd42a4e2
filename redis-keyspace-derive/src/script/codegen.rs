//! Generates the impl of a script, its method `run`, and the check of its text.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;

use super::attributes::{Callee, FieldUse};
use super::model::{Script, ScriptField};
use crate::attr::Setting;
use crate::closed::{closed, without_self};
use crate::codegen::{SCRIPT, allow, at, imports, private, root, site};
use crate::names::Names;

pub(crate) fn script(model: &Script<'_>, names: &Names) -> TokenStream {
    let Some(callee) = &model.attributes.callee else { return TokenStream::new() };
    let (root, rk) = (root(model.attributes.crate_path.as_ref()), private(names));
    let Script { ident, visibility, generics, .. } = model;
    let (of_impl, of_type, bounds) = generics.split_for_impl();
    // In one constant, so that a mistake in the text is one error.
    let text = without_self(callee.tokens(), ident);
    let [source, definition, input] =
        ["SOURCE", "DEFINITION", "input"].map(|name| names.internal(name, site()));
    let read_only = model.attributes.read_only;
    let returns = model
        .attributes
        .returns
        .good()
        .map_or_else(|| quote_spanned!(site()=> ()), ToTokens::to_token_stream);
    let constructor = match callee {
        Callee::Function(_) => quote_spanned!(site()=> function),
        Callee::Source(_) | Callee::File(_) => quote_spanned!(site()=> lua),
    };
    let aliases = aliases(model, names);
    let keys = model.fields.iter().enumerate().filter(|(_, field)| is_key(field)).map(|(nth, field)| {
        let (member, span) = (&field.member, at(field.ty.span()));
        let rk = names.internal("rk", span);
        // The same expressions as in the check of the text, so that the compiler reports a type
        // that is not a key once.
        let required = count(model, field, nth, names).map(|count| quote_spanned!(span=> let _ = #count;));
        let alias = required.as_ref().map(|_| alias(field, nth, names));
        let group = alias.map(|alias| quote_spanned!(span=> ::<#alias>));
        quote_spanned!(span=> #required #rk::ScriptInput::keys #group (#input, &self.#member);)
    });
    let arguments = model.fields.iter().filter_map(|ScriptField { member, ty, sent }| match sent {
        FieldUse::Keys => None,
        FieldUse::Argument => {
            let span = at(ty.span());
            let rk = names.internal("rk", span);
            Some(quote_spanned!(span=> #rk::ScriptInput::argument(#input, &self.#member);))
        }
        FieldUse::ArgumentOf(kind) => {
            let span = at(kind.span());
            let rk = names.internal("rk", span);
            Some(quote_spanned!(span=> #rk::ScriptInput::value::<#kind, #ty>(#input, &self.#member);))
        }
    });
    let (allowed, imports) = (allow(SCRIPT, None), imports(names, &root));
    let check = check(model, callee, &source, names);
    quote_spanned! {site()=>
        #allowed
        const _: () = {
            #imports
            #aliases
            const #source: &::core::primitive::str = #text;

            #[automatically_derived]
            impl #of_impl #root::Script for #ident #of_type #bounds {
                type Returns = #returns;
                const SOURCE: &'static ::core::primitive::str = #source;

                fn definition() -> &'static #rk::ScriptDefinition {
                    static #definition: #rk::ScriptDefinition =
                        #rk::ScriptDefinition::#constructor(#source, #read_only);
                    &#definition
                }

                fn write(&self, #input: &mut #rk::ScriptInput) {
                    #(#keys)*
                    #(#arguments)*
                }
            }

            impl #of_impl #ident #of_type #bounds {
                /// Returns the command that runs the script. Await it, or pass it to a batch or
                /// transaction.
                #visibility fn run(&self) -> #root::Command<<#returns as #rk::ScriptResult>::Value> {
                    #root::Script::command(self)
                }
            }

            #check
        };
    }
}

/// The impl with functions that do nothing, so that an invalid declaration is one error.
pub(crate) fn fallback(model: &Script<'_>, names: &Names) -> TokenStream {
    let (root, rk) = (root(model.attributes.crate_path.as_ref()), private(names));
    let Script { ident, visibility, generics, .. } = model;
    let (of_impl, of_type, bounds) = generics.split_for_impl();
    let (allowed, imports) = (allow(SCRIPT, None), imports(names, &root));
    let (returns, parameter, result) = match &model.attributes.returns {
        // Any type, because the declared one is not known.
        Setting::Bad => {
            let any = names.internal("T", site());
            (quote_spanned!(site()=> ()), Some(quote_spanned!(site()=> <#any>)), any.into_token_stream())
        }
        returns => {
            let none = || quote_spanned!(site()=> ());
            let returns = returns.good().map_or_else(none, ToTokens::to_token_stream);
            (
                returns,
                None,
                quote_spanned!(site()=> <<Self as #root::Script>::Returns as #rk::ScriptResult>::Value),
            )
        }
    };
    quote_spanned! {site()=>
        #allowed
        const _: () = {
            #imports

            #[automatically_derived]
            impl #of_impl #root::Script for #ident #of_type #bounds {
                type Returns = #returns;
                const SOURCE: &'static ::core::primitive::str = "";

                fn definition() -> &'static #rk::ScriptDefinition {
                    ::core::unreachable!()
                }

                fn write(&self, _: &mut #rk::ScriptInput) {}
            }

            impl #of_impl #ident #of_type #bounds {
                #visibility fn run #parameter (&self) -> #root::Command<#result> {
                    ::core::unreachable!()
                }
            }
        };
    }
}

fn is_key(field: &ScriptField<'_>) -> bool {
    matches!(field.sent, FieldUse::Keys)
}

/// The alias of a field's type. Because it is one token, a type that is not a key causes one error.
fn alias(field: &ScriptField<'_>, nth: usize, names: &Names) -> Ident {
    names.internal(&format!("K{nth}"), field.ty.span())
}

fn aliases(model: &Script<'_>, names: &Names) -> TokenStream {
    let fields = model.fields.iter().enumerate().filter(|(_, field)| is_key(field));
    let aliases = fields.filter(|_| model.generics.params.is_empty()).map(|(nth, field)| {
        let (mut alias, ty) = (alias(field, nth, names), closed(field.ty, model.ident));
        alias.set_span(model.ident.span());
        quote_spanned!(site()=> type #alias = #ty;)
    });
    aliases.collect()
}

/// The number of keys of a field, unless its type may be generic.
fn count(model: &Script<'_>, field: &ScriptField<'_>, nth: usize, names: &Names) -> Option<TokenStream> {
    let span = field.ty.span();
    let (alias, rk) = (alias(field, nth, names), names.internal("rk", at(span)));
    model.generics.params.is_empty().then(|| quote_spanned!(span=> <#alias as #rk::KeyGroup>::COUNT))
}

/// The check of the text. The types of the fields tell how many keys there are, unless they are
/// generic.
fn check(model: &Script<'_>, callee: &Callee, source: &Ident, names: &Names) -> TokenStream {
    if matches!(callee, Callee::Function(_)) {
        return TokenStream::new();
    }
    let keys = if model.generics.params.is_empty() {
        let some = quote_spanned!(site()=> ::core::option::Option::Some(0));
        let keys = model.fields.iter().enumerate().filter(|(_, field)| is_key(field));
        keys.fold(some, |sum, (nth, field)| {
            let (count, rk) = (count(model, field, nth, names), names.internal("rk", site()));
            quote_spanned!(site()=> #rk::add_keys(#sum, #count))
        })
    } else {
        quote_spanned!(site()=> ::core::option::Option::None)
    };
    let arguments = model.fields.iter().filter(|field| !is_key(field)).count();
    let span = at(callee.span());
    let rk = names.internal("rk", span);
    quote_spanned!(span=> const _: () = #rk::check_script(#source, #keys, #arguments);)
}
