//! `#[key(..)]` on a type that derives `KeyArgument`, and on its fields and variants.

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, LitInt, LitStr, Path, Token};

use super::{Item, Place, Setting, items, usage, value};
use crate::crate_path;
use crate::diag::Diag;

/// The attributes of the type.
#[derive(Default)]
pub(crate) struct TypeAttributes {
    pub(crate) crate_path: Option<Path>,
    pub(crate) format: Option<Format>,
}

/// The format of a newtype's values: an alphabet, and a length in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Format {
    /// All bytes, with ranges expanded.
    pub(crate) alphabet: String,
    pub(crate) min: u16,
    pub(crate) max: u16,
    pub(crate) span: Span,
}

/// The maximum length without `len`: no limit.
const UNBOUNDED: u16 = u16::MAX;

pub(crate) fn type_attributes(attributes: &[Attribute], diag: &Diag) -> TypeAttributes {
    let mut found = TypeAttributes::default();
    let (mut alphabet, mut length) = (Setting::Absent, Setting::Absent);
    for item in items(attributes, Place::Argument, diag) {
        if item.is_reported() {
            continue;
        }
        match item.name.as_ref().map(ToString::to_string).as_deref() {
            Some("alphabet") => alphabet = self::alphabet(&item, diag).into(),
            Some("len") => length = self::length(&item, diag).into(),
            Some(_) => {
                found.crate_path =
                    item.value(diag).and_then(|tokens| crate_path::parse(tokens, item.span, diag));
            }
            None => diag.error(
                item.span,
                "a string is not valid on the type: write `#[key(\"text\")]` on a variant of an enum, or a name such as `#[key(crate = path)]` on the type",
            ),
        }
    }
    match (alphabet, length) {
        (Setting::Good((alphabet, span)), Setting::Absent) => {
            found.format = Some(Format { alphabet, min: 1, max: UNBOUNDED, span });
        }
        (Setting::Good((alphabet, span)), Setting::Good((min, max, _))) => {
            found.format = Some(Format { alphabet, min, max, span });
        }
        (Setting::Absent, Setting::Good((.., span))) => {
            diag.error(span, "`len` needs an alphabet: `#[key(alphabet = \"a-z0-9\", len = 26)]`");
        }
        _ => {}
    }
    found
}

/// Parses `alphabet = "a-z0-9_-"` into its bytes.
fn alphabet(item: &Item, diag: &Diag) -> Option<(String, Span)> {
    let literal = value::text(item, diag)?;
    match expanded(&literal.value()) {
        Ok(alphabet) => Some((alphabet, literal.span())),
        Err(problem) => {
            diag.error(literal.span(), problem);
            None
        }
    }
}

/// Expands an alphabet: `a-z` is a range, and a `-` at either end is a literal `-`.
fn expanded(text: &str) -> Result<String, String> {
    let mut set = BTreeSet::new();
    let mut rest: Vec<char> = text.chars().collect();
    rest.reverse();
    while let Some(first) = rest.pop() {
        let last = match rest.as_slice() {
            [.., last, '-'] => {
                let last = *last;
                rest.truncate(rest.len() - 2);
                last
            }
            _ => first,
        };
        if last < first {
            return Err(format!("the range `{first}-{last}` is empty: write `{last}-{first}`"));
        }
        set.extend(first..=last);
    }
    if set.is_empty() {
        return Err("the alphabet is empty: write for example `alphabet = \"a-z0-9\"`".to_owned());
    }
    match set.iter().find(|c| !c.is_ascii_graphic() || "%:*?[]\\{}".contains(**c)) {
        Some(c) => Err(format!(
            "the alphabet contains `{}`: use printable ASCII except `% : * ? [ ] \\ {{ }}`, which are escaped in keys",
            c.escape_debug()
        )),
        None => Ok(set.into_iter().collect()),
    }
}

/// `len = 26`, or `len = 1..=40`.
fn length(item: &Item, diag: &Diag) -> Option<(u16, u16, Span)> {
    let tokens = item.value(diag)?;
    let span = tokens.span();
    let number = |literal: &LitInt| {
        let number = literal.base10_parse::<u16>().ok().filter(|_| literal.suffix().is_empty())?;
        (1..UNBOUNDED).contains(&number).then_some(number)
    };
    let range = |input: ParseStream<'_>| -> syn::Result<(LitInt, LitInt)> {
        let min: LitInt = input.parse()?;
        let max = if input.parse::<Option<Token![..=]>>()?.is_some() { input.parse()? } else { min.clone() };
        Ok((min, max))
    };
    let parsed = Parser::parse2(range, tokens).ok();
    match parsed.and_then(|(min, max)| number(&min).zip(number(&max))) {
        Some((min, max)) if min <= max => Some((min, max, span)),
        _ => {
            diag.error(span, "`len` must be a number of bytes or a range: `len = 26` or `len = 1..=40`");
            None
        }
    }
}

/// The `"text"` on a variant.
pub(crate) fn text(attributes: &[Attribute], diag: &Diag) -> Setting<LitStr> {
    let mut text = Setting::Absent;
    for item in items(attributes, Place::Variant, diag) {
        let Some(tokens) = item.value.clone().filter(|_| item.name.is_none()) else {
            text = Setting::Bad;
            continue;
        };
        if !text.is_absent() {
            diag.error(item.span, "the text of a variant is set twice; remove one");
            continue;
        }
        text = match syn::parse2::<LitStr>(tokens) {
            Ok(text) => Setting::Good(text),
            Err(_) => {
                diag.error(
                    item.span,
                    format!("a variant's text must be a string literal: {}", usage(Place::Variant)),
                );
                Setting::Bad
            }
        };
    }
    text
}

/// Reports attributes on the field of a newtype, where none are valid.
pub(crate) fn refuse(attributes: &[Attribute], diag: &Diag) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("key")) {
        diag.error(
            attribute.path().span(),
            "`#[key(..)]` is not valid on the field of a newtype: remove it, or write it on the type",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::expanded;

    #[test]
    fn alphabets() {
        for (text, alphabet) in [
            ("a-e", "abcde"),
            ("0-3a-c", "0123abc"),
            ("ab-", "-ab"),
            ("-ab", "-ab"),
            ("a", "a"),
            ("a-a", "a"),
            ("aa", "a"),
            ("_.-", "-._"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(alphabet), "{text}");
        }
        for (text, problem) in [
            ("", "empty"),
            ("z-a", "`a-z`"),
            ("a:b", "`:`"),
            ("a-\u{e9}", "printable"),
            ("a b", "` `"),
            ("%", "`%`"),
        ] {
            let error = expanded(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
