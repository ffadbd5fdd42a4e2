//! What every part of an expansion needs: spans, and the paths of the runtime.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Path;

use crate::crate_path;
use crate::names::Names;

/// The span of generated tokens that stand for nothing in particular.
pub(crate) fn site() -> Span {
    Span::mixed_site()
}

/// Shown at `span`, resolved where the macro is defined.
pub(crate) fn at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// The runtime: outside of blocks, and in signatures, its public paths are named.
pub(crate) fn root(path: Option<&Path>) -> TokenStream {
    path.map_or_else(|| crate_path::default().into_token_stream(), ToTokens::to_token_stream)
}

/// The runtime's hidden module, by the short name that [`imports`] gives it within a block.
pub(crate) fn private(names: &Names) -> TokenStream {
    names.internal("rk", site()).into_token_stream()
}

/// The first item of a block. The glob hides what the user's scope has of the names that the block binds.
pub(crate) fn imports(names: &Names, root: &TokenStream) -> TokenStream {
    let rk = private(names);
    let bindings = names.can_import_bindings().then(|| quote_spanned!(site()=> , bindings::*));
    quote_spanned!(site()=> use #root::__private::{self as #rk #bindings};)
}
