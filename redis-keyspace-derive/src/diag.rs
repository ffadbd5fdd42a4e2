//! Collects errors, so that one build reports all of them.

use std::cell::RefCell;

use proc_macro2::{Span, TokenStream};

/// A list of errors. Every stage adds to it and continues. The creator must call
/// [`finish`](Self::finish).
#[derive(Debug)]
pub(crate) struct Diag {
    /// `None` after `finish`.
    errors: RefCell<Option<Vec<syn::Error>>>,
}

impl Diag {
    pub(crate) fn new() -> Self {
        Self { errors: RefCell::new(Some(Vec::new())) }
    }

    pub(crate) fn error(&self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    pub(crate) fn push(&self, error: syn::Error) {
        if let Some(errors) = &mut *self.errors.borrow_mut() {
            errors.push(error);
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors.borrow().as_ref().is_some_and(|errors| !errors.is_empty())
    }

    /// Returns an invocation of `compile_error!` for each error.
    pub(crate) fn finish(self) -> TokenStream {
        let errors = self.errors.borrow_mut().take().unwrap_or_default();
        errors.into_iter().map(syn::Error::into_compile_error).collect()
    }
}

impl Drop for Diag {
    fn drop(&mut self) {
        let read = self.errors.get_mut().is_none();
        // An error that is not reported would let an invalid declaration compile.
        assert!(read || std::thread::panicking(), "diagnostics were dropped without `finish`");
    }
}

/// Returns the candidate that `word` most likely means, if one is close to it.
pub(crate) fn did_you_mean<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let length = |word: &str| word.chars().count();
    let allowed = (length(word) / 3).max(1);
    candidates
        .iter()
        // All names of one letter are close to each other, so their distance means nothing.
        .filter(|candidate| candidates.len() == 1 || length(word).min(length(candidate)) > 1)
        .map(|&candidate| (distance(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Returns the number of insertions, deletions, replacements and swaps of neighbours that turn one
/// word into the other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    // Row `i` holds the distances between the first `i` characters of `a` and each prefix of `b`. A
    // swap uses the row before the previous one.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let replaced = get(&above, j) + usize::from(x != y);
            let mut best = replaced.min(get(&above, j + 1) + 1).min(get(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped {
                best = best.min(get(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("ttl", "ttl", 0),
            ("tll", "ttl", 1),
            ("prefx", "prefix", 1),
            ("abc", "", 3),
            ("dv", "vd", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn suggestions_are_close_or_absent() {
        let names = ["prefix", "db", "ttl", "timeout"];
        assert_eq!(did_you_mean("prefx", &names), Some("prefix"));
        assert_eq!(did_you_mean("Prefix", &names), Some("prefix"));
        assert_eq!(did_you_mean("tlt", &names), Some("ttl"));
        assert_eq!(did_you_mean("timout", &names), Some("timeout"));
        assert_eq!(did_you_mean("expiry", &names), None);
    }

    #[test]
    fn single_letters_are_suggested_only_for_single_candidates() {
        assert_eq!(did_you_mean("x", &["a", "b"]), None);
        assert_eq!(did_you_mean("x", &["id", "xy"]), None);
        assert_eq!(did_you_mean("xy", &["x", "ab"]), None);
        assert_eq!(did_you_mean("x", &["a"]), Some("a"));
        assert_eq!(did_you_mean("i", &["id"]), Some("id"));
        assert_eq!(did_you_mean("i", &["page"]), None);
    }

    #[test]
    #[should_panic(expected = "dropped without")]
    fn errors_cannot_get_lost() {
        drop(Diag::new());
    }
}
