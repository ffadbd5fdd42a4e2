//! Runs the stages: attributes, model, checks, code.

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::diag::Diag;
use crate::names::Names;
use crate::{check, codegen, key_argument, model, record};

/// `#[derive(Keyspace)]`.
pub(crate) fn keyspace(input: TokenStream) -> TokenStream {
    let names = Names::new(input.clone());
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let diag = Diag::new();
    let model = model::Keyspace::new(&input, names, &diag);
    check::keyspace(&model, &diag);
    let mut output =
        if diag.has_errors() { codegen::fallback::keyspace(&model) } else { codegen::keyspace(&model) };
    output.extend(diag.finish());
    output
}

/// `#[derive(KeyArgument)]`.
pub(crate) fn key_argument(input: TokenStream) -> TokenStream {
    let names = Names::new(input.clone());
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let diag = Diag::new();
    let model = key_argument::model::Argument::new(&input, &diag);
    let mut output = key_argument::codegen::argument(&model, &names, diag.has_errors());
    output.extend(diag.finish());
    output
}

/// `#[derive(Record)]`.
pub(crate) fn record(input: TokenStream) -> TokenStream {
    let names = Names::new(input.clone());
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let diag = Diag::new();
    let model = record::model::Record::new(&input, &diag);
    let mut output = record::codegen::record(&model, &names, diag.has_errors());
    output.extend(diag.finish());
    output
}
