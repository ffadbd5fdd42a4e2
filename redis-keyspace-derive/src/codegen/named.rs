//! Names the user's types in the expansion.
//!
//! A type that does not exist, or is not an argument, should cause one error, although the
//! expansion uses it in many places. The compiler reports errors with the same span and text once.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{PathArguments, Type};

use super::paths::{at, site};
use crate::model::{Entry, Keyspace, Kind, Param};

/// The span of items that name the user's types. If a type does not exist, the compiler suggests a
/// type parameter for the item. With this span, that item is always the struct.
pub(super) fn item(model: &Keyspace<'_>) -> Span {
    model.ident.span()
}

/// The parsed type of the parameter, for code outside of blocks.
pub(super) fn parsed(param: &Param<'_>, root: &TokenStream) -> TokenStream {
    let (ty, span) = (&param.closed, param.span);
    // With a span of the expansion. Otherwise lints would check the path of `crate = ..` as user
    // code.
    let name = Ident::new("KeyArgument", at(span));
    quote_spanned!(span=> <#ty as #root::#name>::Parsed)
}

/// The class of strings that the parameter's type can write.
pub(super) fn class(model: &Keyspace<'_>, param: &Param<'_>, rk: &Ident) -> TokenStream {
    let ty = alias(model, param);
    quote_spanned!(param.span=> <#ty as #rk::KeyArgument>::CLASS)
}

/// An alias of the parameter's type, with the span of all errors about it. It is one token: for a
/// type of several tokens, the compiler would sometimes underline the whole type and sometimes only
/// its first token.
pub(super) fn alias(model: &Keyspace<'_>, param: &Param<'_>) -> Ident {
    model.names.internal(&format!("A{}", param.number), param.span)
}

/// The definitions of the aliases.
pub(super) fn aliases(model: &Keyspace<'_>) -> TokenStream {
    let params = model.entries.iter().flat_map(|entry| &entry.params);
    let aliases = params.filter(|param| param.refused().is_none()).map(|param| {
        let (mut alias, ty) = (alias(model, param), &param.closed);
        alias.set_span(item(model));
        quote_spanned!(site()=> type #alias = #ty;)
    });
    aliases.collect()
}

/// Requires directly that the parameter's type is an argument. If a function's bound or the size of
/// a type requires it first, the compiler adds details about that place, which makes another error.
pub(super) fn require_argument(model: &Keyspace<'_>, param: &Param<'_>, rk: &Ident) -> TokenStream {
    let class = class(model, param, rk);
    quote_spanned!(site()=> let _ = #class;)
}

/// A use of a constructor: of the keyspace, or of the bound struct if `bound` is given.
pub(super) fn mention(
    model: &Keyspace<'_>,
    entry: &Entry<'_>,
    this: &TokenStream,
    bound: Option<&TokenStream>,
) -> TokenStream {
    let constructor = entry.ident;
    if !entry.params.iter().any(|param| param.is_into) {
        return quote_spanned!(site()=> let _ = #this::#constructor;);
    }
    // A function with `impl Into<..>` parameters can't be used as a value, because their types are
    // unknown. A call determines them.
    let receiver = model.names.internal("this", site());
    let receiver =
        bound.map(|bound| (quote_spanned!(site()=> #receiver: &#bound), receiver.to_token_stream()));
    let (typed, plain): (Option<_>, Option<_>) = receiver.unzip();
    let names: Vec<_> =
        (0..entry.params.len()).map(|index| model.names.internal(&format!("b{index}"), site())).collect();
    let params = entry.params.iter().zip(&names).map(|(param, name)| {
        let ty = &param.closed;
        quote_spanned!(site()=> #name: #ty)
    });
    let (typed, plain) = (typed.into_iter(), plain.into_iter());
    let (typed, params): (Vec<_>, Vec<_>) = (typed.collect(), params.collect());
    let arguments = plain.chain(names.iter().map(ToTokens::to_token_stream));
    let params = typed.into_iter().chain(params);
    quote_spanned!(site()=> let _ = |#(#params),*| #this::#constructor(#(#arguments),*);)
}

/// The type of a function's parameter that is declared as `ty`.
pub(super) fn parameter_type(param: &Param<'_>, ty: TokenStream) -> TokenStream {
    if param.is_into { quote_spanned!(site()=> impl ::core::convert::Into<#ty>) } else { ty }
}

/// Converts the argument of a function into the type of the parameter.
pub(super) fn converted(param: &Param<'_>) -> Option<TokenStream> {
    let (ident, ty) = (param.ident?, &param.closed);
    param.is_into.then(|| quote_spanned!(site()=> let #ident: #ty = ::core::convert::Into::into(#ident);))
}

/// The kind, for use as a generic argument. If the type does not exist, the compiler would suggest
/// a type parameter for the generated item. It never does for a name with generic arguments, even
/// an empty list.
pub(super) fn kind(kind: &Kind<'_>) -> TokenStream {
    let ty = &kind.closed;
    let is_bare = matches!(ty, Type::Path(ty) if ty.qself.is_none() && ty.path.segments.len() == 1
        && ty.path.segments.iter().all(|segment| matches!(segment.arguments, PathArguments::None)));
    if is_bare { quote_spanned!(kind.span=> #ty<>) } else { ty.to_token_stream() }
}
