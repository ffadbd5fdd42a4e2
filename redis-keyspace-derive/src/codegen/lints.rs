//! The lints that are off in the expansion: ours, each with its reason, and those that the user turned off.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::site;
use crate::attr::forwarded::Forwarded;

/// `#[allow(lint, reason = "..")]`.
pub(crate) fn allowed(lint: &str, reason: &str) -> TokenStream {
    let segments = lint.split("::").map(|segment| Ident::new(segment, site()).into_token_stream());
    let separator = quote_spanned!(site()=> ::);
    let path = joined(segments, &separator);
    quote_spanned!(site()=> #[allow(#path, reason = #reason)])
}

fn joined(parts: impl Iterator<Item = TokenStream>, separator: &TokenStream) -> TokenStream {
    let mut joined = TokenStream::new();
    for part in parts {
        if !joined.is_empty() {
            joined.extend(separator.clone());
        }
        joined.extend(part);
    }
    joined
}

/// What the user lets pass on the item, for what is generated from it. An `expect` becomes an `allow`: it was
/// met at the item itself, and need not be met again.
pub(super) fn forwarded(forwarded: &Forwarded<'_>) -> TokenStream {
    forwarded.allowed.iter().map(|lints| quote_spanned!(site()=> #[allow(#lints)])).collect()
}

/// On everything but the enum.
pub(super) fn expansion() -> TokenStream {
    allowed("deprecated", "who declares a deprecated key knows; who uses it is told")
}

/// On the constructors.
pub(super) fn constructors() -> TokenStream {
    [
        allowed("unreachable_pub", "the constructors are as visible as the struct, which is told once"),
        allowed("clippy::too_many_arguments", "there are as many as the key has holes"),
    ]
    .into_iter()
    .collect()
}

/// On the type of patterns.
pub(super) fn pattern() -> TokenStream {
    [
        allowed("deprecated", "it names the struct, which may be"),
        allowed("non_camel_case_types", "the name is made of the struct's, which is told once"),
        allowed("unreachable_pub", "the patterns are as visible as the struct, which is told once"),
    ]
    .into_iter()
    .collect()
}

/// On the methods of patterns.
pub(super) fn pattern_methods() -> TokenStream {
    [
        allowed("non_snake_case", "methods are named as the parameters, of which the constructors tell"),
        allowed("unreachable_pub", "a pattern is as visible as its key, which is told once"),
        allowed("clippy::should_implement_trait", "methods are named as the parameters"),
        allowed("clippy::wrong_self_convention", "methods are named as the parameters"),
    ]
    .into_iter()
    .collect()
}

/// On the enum of parsed keys.
pub(super) fn parsed() -> TokenStream {
    [
        allowed("deprecated", "an argument's type may be"),
        allowed("non_camel_case_types", "the name is made of the struct's, which is told once"),
        allowed("non_snake_case", "fields are named as the parameters, of which the constructors tell"),
        allowed("private_interfaces", "the constructor of a key may be less visible than the keyspace"),
        allowed("unreachable_pub", "the enum is as visible as the struct, which is told once"),
    ]
    .into_iter()
    .collect()
}
