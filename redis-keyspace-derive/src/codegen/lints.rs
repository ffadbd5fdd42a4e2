//! The lints that are allowed in generated code: a fixed list with reasons, and those that the user
//! allows.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::paths::site;
use crate::attr::forwarded::Forwarded;

/// For all code that is generated for a keyspace, except the types that users name.
pub(super) const BLOCK: &[&str] = &[
    "deprecated",                     // callers of a deprecated key are warned, not its declaration
    "long_running_const_eval",        // checks of many arguments or variants take a while
    "missing_debug_implementations",  // the types in the block have no values
    "unreachable_pub",                // functions are as visible as the struct, which is linted
    "clippy::too_many_arguments",     // a constructor has as many as the template has placeholders
    "clippy::needless_update",        // a declaration may set every option
    "clippy::should_implement_trait", // methods of patterns are named like the parameters
    "clippy::wrong_self_convention",  // as above
];

/// For the type of patterns.
pub(super) const PATTERN: &[&str] = &[
    "deprecated",           // it names the struct, which may be deprecated
    "non_camel_case_types", // its name is made from the struct's, which is linted itself
    "unreachable_pub",      // it is as visible as the struct, which is linted itself
];

/// For the struct that is bound to a handle, and for its methods.
pub(super) const BOUND: &[&str] = &[
    "deprecated",                     // callers of a deprecated key are warned, not its declaration
    "unreachable_pub",                // it is as visible as the struct, which is linted itself
    "clippy::should_implement_trait", // methods are named like the fields
    "clippy::too_many_arguments",     // a constructor has as many as the template has placeholders
    "clippy::wrong_self_convention",  // as above
];

/// For the methods of patterns.
pub(super) const PATTERN_METHODS: &[&str] = &[
    "non_snake_case", // methods are named like the parameters, which constructors lint
];

/// For the enum of parsed keys.
pub(super) const PARSED: &[&str] = &[
    "deprecated",           // the type of an argument may be deprecated
    "non_camel_case_types", // its name is made from the struct's, which is linted itself
    "non_snake_case",       // fields are named like the parameters, which constructors lint
    "private_interfaces",   // the constructor of a key may be less visible than the keyspace
    "unreachable_pub",      // it is as visible as the struct, which is linted itself
];

/// For the impl of `KeyArgument`.
pub(crate) const ARGUMENT: &[&str] = &[
    "deprecated", // users of a deprecated variant are warned, not its declaration
];

/// For the impl of a record and its constants.
pub(crate) const RECORD: &[&str] = &[
    "deprecated",      // users of a deprecated type are warned, not its declaration
    "unreachable_pub", // constants are as visible as the fields
];

/// For the impls of a script.
pub(crate) const SCRIPT: &[&str] = &[
    "deprecated",              // callers of a deprecated script are warned, not its declaration
    "long_running_const_eval", // the check of a long text takes a while
    "unreachable_pub",         // the method is as visible as the struct, which is linted itself
];

/// Returns one attribute for the lints of this module and those that the user allows or expects on
/// the declaration. An `expect` becomes an `allow`, because the declaration itself fulfils it.
pub(crate) fn allow(ours: &[&str], theirs: Option<&Forwarded<'_>>) -> TokenStream {
    let theirs: Vec<&TokenStream> = theirs.into_iter().flat_map(|forwarded| &forwarded.allowed).collect();
    let mut lints: Vec<TokenStream> = ours.iter().map(|lint| path(lint)).collect();
    for lint in theirs {
        if !lints.iter().any(|other| other.to_string() == lint.to_string()) {
            lints.push(lint.clone());
        }
    }
    if lints.is_empty() {
        return TokenStream::new();
    }
    quote_spanned!(site()=> #[allow(#(#lints),*, reason = "generated code: these lints check the declaration instead")])
}

fn path(lint: &str) -> TokenStream {
    let mut path = TokenStream::new();
    for segment in lint.split("::") {
        if !path.is_empty() {
            path.extend(quote_spanned!(site()=> ::));
        }
        path.extend(Ident::new(segment, site()).into_token_stream());
    }
    path
}
