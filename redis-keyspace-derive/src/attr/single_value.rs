//! `#[single_value(..)]` on a type that derives `SingleValue`, and on its fields and variants.

use proc_macro2::TokenTree;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Meta, Path};

use super::{Place, Setting, items, usage, value};
use crate::crate_path;
use crate::diag::Diag;

/// The path of the runtime crate, if the type sets it.
pub(crate) fn type_path(attributes: &[Attribute], diag: &Diag) -> Option<Path> {
    refuse_old_name(attributes, diag);
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
    refuse_old_name(attributes, diag);
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

/// Reports `#[value(rename = ..)]`, the name of earlier versions. Any other `#[value(..)]` belongs
/// to another derive, such as `ValueEnum` of clap.
fn refuse_old_name(attributes: &[Attribute], diag: &Diag) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("value")) {
        let Meta::List(list) = &attribute.meta else { continue };
        let first = list.tokens.clone().into_iter().next();
        if matches!(&first, Some(TokenTree::Ident(name)) if name == "rename" || name == "crate") {
            let written = list.tokens.to_token_stream();
            diag.error(
                attribute.path().span(),
                format!("the attribute of `SingleValue` was renamed: write `#[single_value({written})]`"),
            );
        }
    }
}

/// Reports attributes on the field of a newtype, where none are valid.
pub(crate) fn refuse(attributes: &[Attribute], diag: &Diag) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("single_value")) {
        diag.error(
            attribute.path().span(),
            "`#[single_value(..)]` is not valid on the field of a newtype: remove it, or write it on the type",
        );
    }
}
