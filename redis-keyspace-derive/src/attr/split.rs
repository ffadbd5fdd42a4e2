//! Splits the list of an attribute into its parts.

use proc_macro2::{Punct, Spacing, TokenStream, TokenTree};

use crate::diag::Diag;
use crate::fragments;

/// Splits at commas, except those between the arguments of a generic type, as in
/// `default = HashMap::<String, u64>::new()`.
pub(super) fn split_at_commas(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    let mut angles = Angles::default();
    for token in tokens.into_iter().map(fragments::single) {
        let is_inside = angles.are_open_after(&token);
        match (&token, parts.last_mut()) {
            (TokenTree::Punct(punct), _) if punct.as_char() == ',' && !is_inside => {
                angles = Angles::default();
                parts.push(TokenStream::new());
            }
            (_, Some(part)) => part.extend([token]),
            (_, None) => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.into_iter().map(fragments::whole).collect()
}

/// Counts the open `<` of generic arguments. As in Rust, a `<` after a name is a comparison, unless
/// the name is part of a type.
#[derive(Default)]
struct Angles {
    open: u32,
    context: Context,
    /// The number of tokens so far, up to 2.
    read: u8,
    is_kind: bool,
}

/// What the previous token was.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Context {
    /// A value can start here, so a `<` starts a type.
    #[default]
    Start,
    /// In a type after `as`.
    Cast,
    /// After the first character of `->` or `=>`.
    Arrow,
    /// After the first character of `<<`.
    Shift,
    /// After a value.
    Value,
}

impl Angles {
    /// Reads a token, and returns whether it is inside of generic arguments.
    fn are_open_after(&mut self, token: &TokenTree) -> bool {
        let is_first = self.read == 0;
        // The value of `kind = ..` is a type.
        match token {
            TokenTree::Ident(name) if is_first => self.is_kind = name == "kind",
            TokenTree::Punct(punct) if self.read == 1 => self.is_kind &= punct.as_char() == '=',
            _ if self.read < 2 => self.is_kind = false,
            _ => {}
        }
        self.read = (self.read + 1).min(2);
        self.context = match token {
            TokenTree::Punct(punct) => self.punct(punct),
            TokenTree::Ident(name) if name == "as" => Context::Cast,
            TokenTree::Ident(_) if self.context == Context::Cast => Context::Cast,
            _ => Context::Value,
        };
        self.open > 0
    }

    fn punct(&mut self, punct: &Punct) -> Context {
        let is_joint = punct.spacing() == Spacing::Joint;
        match (punct.as_char(), self.context) {
            ('>', Context::Arrow) | ('<', Context::Shift) => Context::Start,
            ('<', context) if self.open > 0 || self.is_kind || context != Context::Value => {
                self.open += 1;
                Context::Start
            }
            ('<', _) if is_joint => Context::Shift,
            ('-' | '=', _) if is_joint => Context::Arrow,
            ('>', _) if self.open > 0 => {
                self.open -= 1;
                Context::Value
            }
            (':', Context::Cast) => Context::Cast,
            _ => Context::Start,
        }
    }
}

/// Splits a part again where a comma is missing, as in `prefix = "cart" ttl = "1h"`, and reports
/// it. `is_name` returns whether a word may be the name of an attribute.
pub(super) fn split_at_missing_commas(
    part: TokenStream,
    is_name: impl Fn(&str) -> bool,
    diag: &Diag,
) -> Vec<TokenStream> {
    let is_equals =
        |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == '=');
    let tokens: Vec<TokenTree> = part.into_iter().collect();
    let mut parts = vec![TokenStream::new()];
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        if let (TokenTree::Ident(name), Some(before)) = (token, before)
            && is_name(&name.to_string())
            && !matches!(before, TokenTree::Punct(_))
            // `60 as u64` is a value.
            && (is_equals(tokens.get(at + 1)) || matches!(before, TokenTree::Literal(_)) && name != "as")
        {
            diag.error(name.span(), format!("missing comma before `{name}`"));
            parts.push(TokenStream::new());
        }
        if let Some(part) = parts.last_mut() {
            part.extend([token.clone()]);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_between_generic_arguments_do_not_split() {
        for (text, count) in [
            ("default = HashMap::<String, u64>::new()", 1),
            ("default = HashMap::<String, Vec<(u8, u8)>>::new(), json", 2),
            ("ttl = pick::<u8, fn(u8) -> u16>(), db = 2", 2),
            ("ttl = pick::<fn(u8) -> u16, u8>(), db = 2", 2),
            ("ttl = <P<u8, u8> as Trait<u8, u8>>::TTL, db = 2", 2),
            ("ttl = <<P<u8, u8> as A>::B as C<u8, u8>>::TTL, db = 2", 2),
            ("ttl = 1 + <P<u8, u8>>::TTL, db = 2", 2),
            ("ttl = 60 as Time<u8, u8>, db = 2", 2),
            ("ttl = 60 as ::time::Time<u8, u8>, db = 2", 2),
            ("kind = P<u8, u8>, alias = \"a\", alias = \"b\"", 3),
            ("kind = fn(u8) -> P<u8, u8>, json", 2),
            ("ttl =<P<u8, u8>>::TTL, db = 2", 2),
            ("default = a < b, json", 2),
            ("default = a < b, alias = c > d", 2),
            ("default = 1 << 3, json", 2),
            ("default = a << b, json, alias = c >> d", 3),
            ("default = a <= b, json, default = c >= d", 3),
            ("default = a - b, json, default = c > d", 3),
            ("default = -1, json, alias = |a| a, default", 4),
            ("prefix = \"cart\", ttl = none,", 2),
            (", ,", 0),
        ] {
            let parts = split_at_commas(text.parse().unwrap());
            assert_eq!(parts.len(), count, "{text}: {parts:?}");
        }
    }
}
