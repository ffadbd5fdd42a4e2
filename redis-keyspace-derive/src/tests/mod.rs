//! Tests of the whole expansion: the generated code, and the error messages.

mod attributes;
mod expansion;
mod messages;
mod operations;
mod template;

use proc_macro2::TokenStream;

/// Formats an expansion.
fn pretty(tokens: TokenStream) -> String {
    prettyplease::unparse(&syn::parse2(tokens).expect("an expansion is a list of items"))
}

/// The messages of the `compile_error!`s in an expansion.
fn messages(tokens: TokenStream) -> Vec<String> {
    let file: syn::File = syn::parse2(tokens).expect("an expansion is a list of items");
    file.items
        .into_iter()
        .filter_map(|item| match item {
            syn::Item::Macro(item) => item.mac.parse_body::<syn::LitStr>().ok(),
            _ => None,
        })
        .map(|message| message.value())
        .collect()
}
