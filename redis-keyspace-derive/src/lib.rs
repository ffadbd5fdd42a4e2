//! The derive macros of [`redis-keyspace`].
//!
//! Depend on `redis-keyspace` instead: it re-exports all macros, along with everything that the
//! generated code needs. Each release of one crate works only with the same release of the other.
//!
//! [`redis-keyspace`]: https://docs.rs/redis-keyspace

mod attr;
mod check;
mod closed;
mod codegen;
mod crate_path;
mod diag;
mod expand;
mod floats;
mod fragments;
mod key_argument;
mod model;
mod names;
mod record;
mod script;
mod single_value;
mod template;
#[cfg(test)]
mod tests;
mod types;

use proc_macro::TokenStream;

// The examples run with the tests of `redis-keyspace`. As a dependency of this crate's tests, that
// crate would be compiled a second time: a macro and all its dependencies are built for the host.

#[doc = include_str!("docs/keyspace.md")]
#[proc_macro_derive(Keyspace, attributes(keyspace, key))]
pub fn derive_keyspace(input: TokenStream) -> TokenStream {
    expand::keyspace(input.into()).into()
}

#[doc = include_str!("docs/key_argument.md")]
#[proc_macro_derive(KeyArgument, attributes(key))]
pub fn derive_key_argument(input: TokenStream) -> TokenStream {
    expand::key_argument(input.into()).into()
}

#[doc = include_str!("docs/record.md")]
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    expand::record(input.into()).into()
}

#[doc = include_str!("docs/script.md")]
#[proc_macro_derive(Script, attributes(script))]
pub fn derive_script(input: TokenStream) -> TokenStream {
    expand::script(input.into()).into()
}

#[doc = include_str!("docs/single_value.md")]
#[proc_macro_derive(SingleValue, attributes(single_value))]
pub fn derive_single_value(input: TokenStream) -> TokenStream {
    expand::single_value(input.into()).into()
}
