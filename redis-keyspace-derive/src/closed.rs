//! Types as they are named outside of their `fn` and their struct.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{AngleBracketedGenericArguments, GenericArgument, Lifetime, Path, PathArguments, Type};

/// The type with `'static` for every lifetime, and the struct's name for `Self`.
pub(crate) fn closed(ty: &Type, this: &Ident) -> Type {
    let tokens = without_self(ty.to_token_stream(), this);
    // Read once more instead of cloned: cloning is a feature of syn that costs every user build time.
    let mut closed = syn::parse2(tokens.clone()).unwrap_or(Type::Verbatim(tokens));
    close(&mut closed);
    closed
}

/// With the struct's name for `Self`. On tokens, since it can stand anywhere: in the length of an array, in an argument of an argument.
pub(crate) fn without_self(tokens: TokenStream, this: &Ident) -> TokenStream {
    let replaced = tokens.into_iter().map(|token| match token {
        TokenTree::Ident(ident) if ident == "Self" => {
            // Not made anew from its text: it may be raw.
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
        // Those in parentheses, of `Fn(&str)`, have lifetimes of their own.
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
            state_lifetime(arguments, segment.ident.span());
        }
    }
}

/// `Cow<str>` may leave its lifetime out where it is a parameter, but not where it is a field. Whether a user's own
/// type has one is not known here, so one that is called `Cow` needs a path, as `self::Cow<..>`.
fn state_lifetime(arguments: &mut AngleBracketedGenericArguments, span: Span) {
    if !arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_))) {
        arguments.args.insert(0, GenericArgument::Lifetime(static_lifetime(span)));
    }
}

fn static_lifetime(span: Span) -> Lifetime {
    Lifetime::new("'static", span)
}
