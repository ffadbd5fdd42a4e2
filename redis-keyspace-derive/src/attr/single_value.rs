//! `#[value(..)]` on a type that derives `SingleValue`, and on its fields and variants.

use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Path};

use super::{Place, Setting, items, usage, value};
use crate::crate_path;
use crate::diag::Diag;

/// The path of the runtime crate, if the type sets it.
pub(crate) fn type_path(attributes: &[Attribute], diag: &Diag) -> Option<Path> {
    let mut path = None;
    for item in items(attributes, Place::Value, diag) {
        if item.is_reported() {
            continue;
        }
        if item.name.is_none() {
            diag.error(
                item.span,
                format!(
                    "a string is not valid on the type: on a variant, write {}",
                    usage(Place::ValueVariant)
                ),
            );
            continue;
        }
        path = item.value(diag).and_then(|tokens| crate_path::parse(tokens, item.span, diag));
    }
    path
}

/// The text of a variant: `rename = "text"`.
pub(crate) fn text(attributes: &[Attribute], diag: &Diag) -> Setting<LitStr> {
    let mut text = Setting::Absent;
    for item in items(attributes, Place::ValueVariant, diag) {
        if item.is_reported() {
            text = Setting::Bad;
        } else if item.name.is_none() {
            diag.error(item.span, format!("name the text: {}", usage(Place::ValueVariant)));
            text = Setting::Bad;
        } else {
            text = value::text(&item, diag).into();
        }
    }
    text
}

/// Reports attributes on the field of a newtype, where none are valid.
pub(crate) fn refuse(attributes: &[Attribute], diag: &Diag) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("value")) {
        diag.error(
            attribute.path().span(),
            "`#[value(..)]` is not valid on the field of a newtype: remove it, or write it on the type",
        );
    }
}
