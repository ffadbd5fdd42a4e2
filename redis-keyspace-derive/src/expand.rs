//! Runs the stages: attributes, model, checks, code.

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::diag::Diag;
use crate::names::Names;
use crate::{check, codegen, fragments, key_argument, model, record, script, single_value};

/// `#[derive(Keyspace)]`.
pub(crate) fn keyspace(input: TokenStream) -> TokenStream {
    derive(input, |input, names, diag| {
        let model = model::Keyspace::new(input, names, diag);
        check::keyspace(&model, diag);
        if diag.has_errors() { codegen::fallback::keyspace(&model) } else { codegen::keyspace(&model) }
    })
}

/// `#[derive(KeyArgument)]`.
pub(crate) fn key_argument(input: TokenStream) -> TokenStream {
    derive(input, |input, names, diag| {
        let model = key_argument::model::Argument::new(input, diag);
        key_argument::codegen::argument(&model, &names, diag.has_errors())
    })
}

/// `#[derive(Record)]`.
pub(crate) fn record(input: TokenStream) -> TokenStream {
    derive(input, |input, names, diag| {
        let model = record::model::Record::new(input, diag);
        record::codegen::record(&model, &names, diag.has_errors())
    })
}

/// `#[derive(Script)]`.
pub(crate) fn script(input: TokenStream) -> TokenStream {
    derive(input, |input, names, diag| {
        let model = script::model::Script::new(input, diag);
        if diag.has_errors() {
            script::codegen::fallback(&model, &names)
        } else {
            script::codegen::script(&model, &names)
        }
    })
}

/// `#[derive(SingleValue)]`.
pub(crate) fn single_value(input: TokenStream) -> TokenStream {
    derive(input, |input, names, diag| {
        let model = single_value::model::Value::new(input, diag);
        single_value::codegen::value(&model, &names, diag.has_errors())
    })
}

/// Runs the stages of a derive, and adds the errors that they reported.
fn derive(input: TokenStream, expand: impl FnOnce(&DeriveInput, Names, &Diag) -> TokenStream) -> TokenStream {
    let names = Names::new(input.clone());
    let input = if names.has_fragments { fragments::in_lengths(input) } else { input };
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let diag = Diag::new();
    let mut output = expand(&input, names, &diag);
    output.extend(diag.finish());
    output
}
