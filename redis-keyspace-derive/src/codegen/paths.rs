//! Spans, and the paths of the runtime.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Path;

use crate::crate_path;
use crate::names::Names;

/// The span of generated tokens that belong to no part of the declaration.
pub(crate) fn site() -> Span {
    Span::mixed_site()
}

/// A span at the place of `span`, with the hygiene of [`site`].
pub(crate) fn at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// The path of the runtime crate. Signatures, and code outside of blocks, use its public paths.
pub(crate) fn root(path: Option<&Path>) -> TokenStream {
    path.map_or_else(|| crate_path::default().into_token_stream(), ToTokens::to_token_stream)
}

/// The runtime's hidden module, by its short name from [`imports`].
pub(crate) fn private(names: &Names) -> Ident {
    names.internal("rk", site())
}

/// The same name at another place. A call has the place of its first token, so this is where its
/// errors are.
pub(super) fn moved(name: &Ident, span: Span) -> Ident {
    let mut name = name.clone();
    name.set_span(span);
    name
}

/// The first item of a block. The glob import shadows items in the user's scope that have the same
/// names as bindings in the block.
pub(crate) fn imports(names: &Names, root: &TokenStream) -> TokenStream {
    let rk = private(names);
    let bindings = names.can_import_bindings().then(|| quote_spanned!(site()=> , bindings::*));
    quote_spanned!(site()=> use #root::__private::{self as #rk #bindings};)
}
