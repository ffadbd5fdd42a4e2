//! The user's types, named in the expansion.
//!
//! A type that can't be found, or is no argument, is one mistake and should be one error, in however many places
//! the expansion needs it. The compiler's errors are told once if they agree in span and text, hence the care.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{PathArguments, Type};

use super::paths::{at, site};
use crate::model::{Entry, Keyspace, Kind, Param};

/// Where items that name the user's types are put: of a type that it can't find, the compiler says that the item
/// lacks a parameter of that name, and the item is then always the struct.
pub(super) fn item(model: &Keyspace<'_>) -> Span {
    model.ident.span()
}

/// What the parameter reads back as. It stands outside of blocks.
pub(super) fn parsed(param: &Param<'_>, root: &TokenStream) -> TokenStream {
    let (ty, span) = (&param.closed, param.ty.span());
    // From the expansion, or lints would check `crate = ..` as a path that the user wrote here.
    let name = Ident::new("KeyArgument", at(span));
    quote_spanned!(span=> <#ty as #root::#name>::Parsed)
}

/// Which texts the parameter's type can write.
pub(super) fn class(model: &Keyspace<'_>, param: &Param<'_>, rk: &TokenStream) -> TokenStream {
    let ty = alias(model, param);
    quote_spanned!(param.ty.span()=> <#ty as #rk::KeyArgument>::CLASS)
}

/// The parameter's type in one token, at the place where all errors about it are shown. A type of several tokens
/// would be shown whole where the compiler can tell that it is to blame, and by its first token elsewhere.
pub(super) fn alias(model: &Keyspace<'_>, param: &Param<'_>) -> Ident {
    model.names.internal(&format!("A{}", param.number), param.ty.span())
}

/// What the aliases stand for.
pub(super) fn aliases(model: &Keyspace<'_>) -> TokenStream {
    let params = model.entries.iter().flat_map(|entry| &entry.params);
    let aliases = params.filter(|param| param.refused().is_none()).map(|param| {
        let (mut alias, ty) = (alias(model, param), &param.closed);
        alias.set_span(item(model));
        quote_spanned!(site()=> type #alias = #ty;)
    });
    aliases.collect()
}

/// Asks in so many words whether the parameter's type is an argument. Where the first to ask is a function, the
/// compiler adds which bound of it asked; where it is the size of a type, at which place. Either is another error.
pub(super) fn asked(model: &Keyspace<'_>, param: &Param<'_>, rk: &TokenStream) -> TokenStream {
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
    // A function with `impl Into<..>` parameters can't be named as a value, because their types are unknown. A call sets them.
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

/// The type that a function takes for a parameter of type `ty`.
pub(super) fn taken(param: &Param<'_>, ty: TokenStream) -> TokenStream {
    if param.is_into { quote_spanned!(site()=> impl ::core::convert::Into<#ty>) } else { ty }
}

/// Converts the argument of a function into the type of the parameter.
pub(super) fn converted(param: &Param<'_>) -> Option<TokenStream> {
    let (ident, ty) = (param.ident?, &param.closed);
    param.is_into.then(|| quote_spanned!(site()=> let #ident: #ty = ::core::convert::Into::into(#ident);))
}

/// What lives at the key, as an argument of another type. There the compiler would propose a parameter for the
/// item, which it does not where the user wrote the name; it never does for a name with arguments, even none.
pub(super) fn kind(kind: &Kind<'_>) -> TokenStream {
    let ty = &kind.closed;
    let is_bare = matches!(ty, Type::Path(ty) if ty.qself.is_none() && ty.path.segments.len() == 1
        && ty.path.segments.iter().all(|segment| matches!(segment.arguments, PathArguments::None)));
    if is_bare { quote_spanned!(ty.span()=> #ty<>) } else { ty.to_token_stream() }
}
