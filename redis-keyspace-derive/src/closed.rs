//! Rewrites types so that they can be named outside of their `fn` and struct.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{AngleBracketedGenericArguments, GenericArgument, Lifetime, Path, PathArguments, Type};

/// Replaces every lifetime with `'static`, and `Self` with the struct's name.
pub(crate) fn closed(ty: &Type, this: &Ident) -> Type {
    let tokens = without_self(ty.to_token_stream(), this);
    // Parses again instead of cloning: cloning needs a feature of syn that costs every user build
    // time.
    let mut closed = syn::parse2(tokens.clone()).unwrap_or(Type::Verbatim(tokens));
    close(&mut closed);
    closed
}

/// Replaces `Self` with the struct's name. Works on tokens, because `Self` can be anywhere: in the
/// length of an array or in nested arguments.
pub(crate) fn without_self(tokens: TokenStream, this: &Ident) -> TokenStream {
    let replaced = tokens.into_iter().map(|token| match token {
        TokenTree::Ident(ident) if ident == "Self" => {
            // Cloned instead of created from its text, because it may be a raw identifier.
            let mut this = this.clone();
            this.set_span(ident.span());
            TokenTree::Ident(this)
        }
        TokenTree::Group(group) => {
            let mut replaced = Group::new(group.delimiter(), without_self(group.stream(), this));
            replaced.set_span(group.span());
            TokenTree::Group(replaced)
        }
        token => token,
    });
    replaced.collect()
}

fn close(ty: &mut Type) {
    match ty {
        Type::Reference(reference) => {
            reference.lifetime = Some(static_lifetime(reference.and_token.span()));
            close(&mut reference.elem);
        }
        Type::Path(path) => {
            if let Some(qself) = &mut path.qself {
                close(&mut qself.ty);
            }
            close_path(&mut path.path);
        }
        Type::Array(array) => close(&mut array.elem),
        Type::Slice(slice) => close(&mut slice.elem),
        Type::Group(group) => close(&mut group.elem),
        Type::Paren(paren) => close(&mut paren.elem),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(close),
        _ => {}
    }
}

fn close_path(path: &mut Path) {
    let mut is_borrow = path.segments.len() == 1;
    for segment in &mut path.segments {
        let is_std = std::mem::replace(&mut is_borrow, segment.ident == "borrow");
        // Arguments in parentheses, as in `Fn(&str)`, have their own lifetimes.
        let PathArguments::AngleBracketed(arguments) = &mut segment.arguments else { continue };
        for argument in &mut arguments.args {
            match argument {
                GenericArgument::Lifetime(lifetime) => *lifetime = static_lifetime(lifetime.span()),
                GenericArgument::Type(ty) => close(ty),
                GenericArgument::AssocType(ty) => close(&mut ty.ty),
                _ => {}
            }
        }
        if segment.ident == "Cow" && is_std {
            add_lifetime(arguments, segment.ident.span());
        }
    }
}

/// Adds the lifetime of `Cow<str>`, which a parameter may omit but a field may not. The derive
/// can't see whether a user's own type has a lifetime. So a user's type named `Cow` needs a path:
/// `self::Cow<..>`.
fn add_lifetime(arguments: &mut AngleBracketedGenericArguments, span: Span) {
    if !arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_))) {
        arguments.args.insert(0, GenericArgument::Lifetime(static_lifetime(span)));
    }
}

fn static_lifetime(span: Span) -> Lifetime {
    Lifetime::new("'static", span)
}
