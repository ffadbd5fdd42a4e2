//! Finds paths in token streams: the arguments of macros, and the bodies of `macro_rules!`.

use proc_macro2::{Delimiter, Ident, Spacing, TokenStream, TokenTree};
use syn::ext::IdentExt;

use crate::path::Path;
use crate::source::line_of;

/// A possible path among tokens. Only the macro knows what its tokens mean, so some of these are
/// not paths.
#[derive(Debug)]
pub(crate) struct TokenPath {
    pub(crate) path: Path,
    pub(crate) line: usize,
    /// Whether it is followed by `!` and a group.
    pub(crate) is_macro: bool,
}

/// Finds the paths of two or more segments, and the single names that are likely to name items.
pub(crate) fn paths(tokens: TokenStream) -> Vec<TokenPath> {
    let mut found = Vec::new();
    scan(tokens, &Path::default(), &mut found);
    found
}

/// Adds the paths among `tokens`. `prefix` is the path before the braces of a `use` group.
fn scan(tokens: TokenStream, prefix: &Path, found: &mut Vec<TokenPath>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut rest = tokens.as_slice();
    let mut before: &[TokenTree] = &[];
    while let Some((token, after)) = rest.split_first() {
        let mut next = after;
        match token {
            TokenTree::Ident(ident) => {
                let start = Start::of(ident, before);
                let (path, following) = read_path(ident, &start, prefix, after);
                next = following;
                if start == Start::Variable || start == Start::Member {
                    // Neither of these names an item.
                } else if let Some(group) = use_group(following) {
                    scan(group, &path, found);
                    next = following.get(3..).unwrap_or_default();
                } else {
                    found.extend(candidate(ident, path, following));
                }
            }
            TokenTree::Group(group) => scan(group.stream(), &Path::default(), found),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        before = tokens.get(..tokens.len() - next.len()).unwrap_or_default();
        rest = next;
    }
}

/// The token before an identifier.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// `::`
    Absolute,
    /// `$` before `crate`
    DollarCrate,
    /// `$` before the name of a variable of the macro
    Variable,
    /// `.` or a lifetime's `'`, or `fn`
    Member,
    Plain,
}

impl Start {
    fn of(ident: &Ident, before: &[TokenTree]) -> Self {
        match before {
            [.., TokenTree::Punct(dots), TokenTree::Punct(dot)]
                if dots.as_char() == '.' && dot.as_char() == '.' =>
            {
                Self::Plain // a range
            }
            [.., TokenTree::Punct(colon), TokenTree::Punct(second)]
                if colon.as_char() == ':' && colon.spacing() == Spacing::Joint && second.as_char() == ':' =>
            {
                Self::Absolute
            }
            [.., TokenTree::Punct(mark)] if mark.as_char() == '$' && ident == "crate" => Self::DollarCrate,
            [.., TokenTree::Punct(mark)] if mark.as_char() == '$' => Self::Variable,
            [.., TokenTree::Punct(mark)] if matches!(mark.as_char(), '.' | '\'') => Self::Member,
            [.., TokenTree::Ident(keyword)] if keyword == "fn" => Self::Member,
            _ => Self::Plain,
        }
    }
}

/// Reads the segments after the first one.
fn read_path<'t>(
    first: &Ident,
    start: &Start,
    prefix: &Path,
    mut rest: &'t [TokenTree],
) -> (Path, &'t [TokenTree]) {
    let mut path = prefix.clone();
    if prefix.segments.is_empty() {
        path.absolute = *start == Start::Absolute;
    }
    let first = first.unraw();
    path.segments.push(if *start == Start::DollarCrate { format!("${first}") } else { first.to_string() });
    while let [TokenTree::Punct(colon), TokenTree::Punct(second), TokenTree::Ident(segment), after @ ..] =
        rest
        && colon.as_char() == ':'
        && second.as_char() == ':'
    {
        path.segments.push(segment.unraw().to_string());
        rest = after;
    }
    (path, rest)
}

/// Returns the group of `::{..}`.
fn use_group(rest: &[TokenTree]) -> Option<TokenStream> {
    match rest {
        [TokenTree::Punct(colon), TokenTree::Punct(second), TokenTree::Group(group), ..]
            if colon.as_char() == ':' && second.as_char() == ':' && group.delimiter() == Delimiter::Brace =>
        {
            Some(group.stream())
        }
        _ => None,
    }
}

fn candidate(first: &Ident, path: Path, following: &[TokenTree]) -> Option<TokenPath> {
    let is_macro = matches!(
        following,
        [TokenTree::Punct(mark), TokenTree::Group(_), ..] if mark.as_char() == '!'
    );
    let is_call = matches!(
        following.first(),
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis
    );
    // A single lower-case word can be a variable, a field, a keyword or something else.
    let is_capital = path.first().starts_with(char::is_uppercase);
    let is_likely = !path.is_single() || is_macro || is_call || is_capital;
    is_likely.then(|| TokenPath { path, line: line_of(first.span()), is_macro })
}
