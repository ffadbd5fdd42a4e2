//! The lints that are off in generated code: ours, each with its reason, and those that the user turned off.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::paths::site;
use crate::attr::forwarded::Forwarded;

/// In everything that is generated for a keyspace, except the types that users name.
pub(super) const BLOCK: &[&str] = &[
    "deprecated",                     // callers of a deprecated key are warned, its declaration is not
    "missing_debug_implementations",  // the types in here have no values
    "unreachable_pub",                // functions are as visible as the struct, which is linted itself
    "clippy::too_many_arguments",     // a constructor has as many as the template has placeholders
    "clippy::needless_update",        // a declaration may set every option
    "clippy::should_implement_trait", // methods of patterns are named like the parameters
    "clippy::wrong_self_convention",  // as above
];

/// On the type of patterns.
pub(super) const PATTERN: &[&str] = &[
    "deprecated",           // it names the struct, which may be
    "non_camel_case_types", // its name is made from the struct's, which is linted itself
    "unreachable_pub",      // it is as visible as the struct, which is linted itself
];

/// On the struct that is bound to a handle, and on its methods.
pub(super) const BOUND: &[&str] = &[
    "deprecated",                     // callers of a deprecated key are warned, its declaration is not
    "unreachable_pub",                // it is as visible as the struct, which is linted itself
    "clippy::should_implement_trait", // methods are named like the fields
    "clippy::too_many_arguments",     // a constructor has as many as the template has placeholders
    "clippy::wrong_self_convention",  // as above
];

/// On the methods of patterns.
pub(super) const PATTERN_METHODS: &[&str] = &[
    "non_snake_case", // they are named like the parameters, which are linted in the constructors
];

/// On the enum of parsed keys.
pub(super) const PARSED: &[&str] = &[
    "deprecated",           // the type of an argument may be
    "non_camel_case_types", // its name is made from the struct's, which is linted itself
    "non_snake_case",       // fields are named like the parameters, which are linted in the constructors
    "private_interfaces",   // the constructor of a key may be less visible than the keyspace
    "unreachable_pub",      // it is as visible as the struct, which is linted itself
];

/// On the check of two templates.
pub(super) const OVERLAP: &[&str] = &[
    "long_running_const_eval", // templates of many arguments take a while
];

/// On the impl for an argument.
pub(crate) const ARGUMENT: &[&str] = &[
    "deprecated", // users of a deprecated variant are warned, its declaration is not
];

/// One attribute for our lints and for those that the user allows or expects on the declaration. An `expect` becomes an
/// `allow`: the declaration itself meets it.
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
