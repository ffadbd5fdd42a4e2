//! `#[key(..)]` on a type that derives `KeyArgument`, its fields and its variants.

use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Path};

use super::{Place, Setting, items, usage};
use crate::crate_path;
use crate::diag::Diag;

/// The `crate = path` on the type.
pub(crate) fn crate_path(attributes: &[Attribute], diag: &Diag) -> Option<Path> {
    let mut path = None;
    for item in items(attributes, Place::Argument, diag) {
        if item.is_reported() {
            continue;
        }
        if item.name.is_some() {
            path = item.value(diag).and_then(|tokens| crate_path::parse(tokens, item.span, diag));
        } else {
            diag.error(
                item.span,
                "a text goes on a variant of an enum, as `#[key(\"text\")]`; the type itself takes `#[key(crate = path)]`",
            );
        }
    }
    path
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
            diag.error(item.span, "a variant has one text: keep one of them");
            continue;
        }
        text = match syn::parse2::<LitStr>(tokens) {
            Ok(text) => Setting::Good(text),
            Err(_) => {
                diag.error(
                    item.span,
                    format!("a variant's text is a string literal: {}", usage(Place::Variant)),
                );
                Setting::Bad
            }
        };
    }
    text
}

/// Reports attributes on the field of a newtype, where nothing can be said.
pub(crate) fn refuse(attributes: &[Attribute], diag: &Diag) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("key")) {
        diag.error(
            attribute.path().span(),
            "a newtype is written as what it wraps: there is nothing to say on its field",
        );
    }
}
