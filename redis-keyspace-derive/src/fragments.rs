//! Fragments of a `macro_rules!`, such as `$base:expr`. They arrive in groups without delimiters,
//! which the compiler ignores in the output of a derive: `$base * 2` with `30 + 30` would become
//! `30 + 30 * 2`.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::Path;

/// Removes the groups around all tokens, if there are any.
pub(crate) fn whole(tokens: TokenStream) -> TokenStream {
    let mut rest = tokens.clone().into_iter();
    match (rest.next(), rest.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => {
            whole(group.stream())
        }
        _ => tokens,
    }
}

/// Removes the groups around a single token.
pub(crate) fn single(token: TokenTree) -> TokenTree {
    if let TokenTree::Group(group) = &token
        && group.delimiter() == Delimiter::None
    {
        let mut rest = group.stream().into_iter();
        if let (Some(inner), None) = (rest.next(), rest.next()) {
            return single(inner);
        }
    }
    token
}

/// Removes all groups, as in a type.
pub(crate) fn flat(tokens: TokenStream) -> TokenStream {
    let flat = |token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => flat(group.stream()),
        token => token.into(),
    };
    tokens.into_iter().flat_map(flat).collect()
}

/// Replaces the groups in an expression with parentheses where the precedence needs them.
pub(crate) fn expression(tokens: TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = whole(tokens).into_iter().collect();
    let is_edge = |token: Option<&TokenTree>| match token {
        None => true,
        Some(TokenTree::Punct(punct)) => matches!(punct.as_char(), ',' | ';'),
        Some(_) => false,
    };
    let mut expression = TokenStream::new();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else {
            expression.extend([token.clone()]);
            continue;
        };
        if group.delimiter() != Delimiter::None && !are_in(&group.stream()) {
            expression.extend([token.clone()]);
            continue;
        }
        let inner = self::expression(group.stream());
        if group.delimiter() != Delimiter::None {
            expression.extend([grouped(group.delimiter(), inner, group.span())]);
            continue;
        }
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        if is_edge(before) && is_edge(tokens.get(at + 1)) || is_atom(&inner) {
            expression.extend(inner);
        } else {
            // With a span of the expansion, because lints check parentheses in user code.
            let span = Span::mixed_site().located_at(group.span());
            expression.extend([grouped(Delimiter::Parenthesis, inner, span)]);
        }
    }
    expression
}

fn grouped(delimiter: Delimiter, tokens: TokenStream, span: Span) -> TokenTree {
    let mut group = Group::new(delimiter, tokens);
    group.set_span(span);
    group.into()
}

/// Whether no operator next to the tokens can change their meaning. In parentheses, a path could
/// not start a struct literal.
fn is_atom(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().nth(1).is_none() || syn::parse2::<Path>(tokens.clone()).is_ok()
}

/// Whether the tokens contain a fragment.
fn are_in(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::None || are_in(&group.stream()),
        _ => false,
    })
}

/// Keeps the precedence in the lengths of arrays, as in `[u8; $length * 2]`. All other expressions
/// of a declaration are in attributes.
pub(crate) fn in_lengths(tokens: TokenStream) -> TokenStream {
    let in_token = |token| match token {
        TokenTree::Group(group) => {
            let mut inner = in_lengths(group.stream());
            if group.delimiter() == Delimiter::Bracket {
                inner = with_length(inner);
            }
            grouped(group.delimiter(), inner, group.span())
        }
        token => token,
    };
    tokens.into_iter().map(in_token).collect()
}

fn with_length(tokens: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_semicolon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
    let Some(at) = tokens.iter().position(is_semicolon) else { return tokens.into_iter().collect() };
    let length = tokens.split_off(at + 1);
    tokens.into_iter().chain(expression(length.into_iter().collect())).collect()
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn fragment(tokens: TokenStream) -> TokenTree {
        Group::new(Delimiter::None, tokens).into()
    }

    fn expressed(tokens: TokenStream) -> String {
        expression(tokens).to_string()
    }

    #[test]
    fn fragments_keep_their_precedence() {
        let sum = fragment(quote!(30 + 30));
        let twice = fragment(quote!(#sum));
        for (tokens, expected) in [
            (quote!(#sum), quote!(30 + 30)),
            (quote!(#twice), quote!(30 + 30)),
            (quote!(#sum * 2), quote!((30 + 30) * 2)),
            (quote!(2 * #twice), quote!(2 * (30 + 30))),
            (quote!((#sum * 2)), quote!(((30 + 30) * 2))),
            (quote!(max(#sum, 1)), quote!(max(30 + 30, 1))),
            (quote!([#sum; #sum]), quote!([30 + 30; 30 + 30])),
        ] {
            assert_eq!(expressed(tokens), expected.to_string());
        }
    }

    #[test]
    fn fragments_that_no_operator_changes_need_no_parentheses() {
        for inner in [quote!(60), quote!(a::b), quote!(Vec<Option<u8>>), quote!((1 + 1)), quote!()] {
            let fragment = fragment(inner.clone());
            assert_eq!(expressed(quote!(#fragment { a: 1 })), quote!(#inner { a: 1 }).to_string());
        }
    }

    #[test]
    fn lengths_of_arrays_keep_their_precedence() {
        let sum = fragment(quote!(1 + 1));
        let tokens = quote!(struct A { a: fn(id: [[u8; #sum * 2]; #sum]) -> #sum });
        let expected = quote!(struct A { a: fn(id: [[u8; (1 + 1) * 2]; 1 + 1]) -> #sum });
        assert_eq!(in_lengths(tokens).to_string(), expected.to_string());
    }

    #[test]
    fn fragments_of_one_token_are_that_token() {
        let nested = fragment(quote!(60));
        assert_eq!(single(fragment(quote!(#nested))).to_string(), "60");
        let sum = fragment(quote!(1 + 1));
        assert!(matches!(single(sum.clone()), TokenTree::Group(_)));
        assert_eq!(flat(quote!(Vec<#sum>)).to_string(), quote!(Vec<1 + 1>).to_string());
    }
}
