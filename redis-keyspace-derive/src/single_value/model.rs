//! The model of a newtype or an enum that is stored as one value, and the rules for both.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DataStruct, DeriveInput, Field, Fields, Index, Member, Path, Type};

use crate::attr::single_value;
use crate::diag::Diag;
use crate::model::is_float;
use crate::names::snake_case;

/// Reported for newtypes of floats.
const NO_FLOATS: &str = "a float can't be a single value, because equal numbers may print differently: store an integer in a smaller unit, or declare the kind `Json<f64>`";

/// A type with `#[derive(SingleValue)]`.
pub(crate) struct Value<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) crate_path: Option<Path>,
    /// `None` if the type can't be a single value.
    pub(crate) form: Option<ValueForm<'a>>,
    pub(crate) is_generic: bool,
}

pub(crate) enum ValueForm<'a> {
    Newtype {
        member: Member,
        ty: &'a Type,
    },
    /// The variants and their texts.
    Enum(Vec<(&'a Ident, String)>),
}

impl<'a> Value<'a> {
    pub(crate) fn new(input: &'a DeriveInput, diag: &Diag) -> Self {
        let crate_path = single_value::type_path(&input.attrs, diag);
        let is_generic = !input.generics.params.is_empty() || input.generics.where_clause.is_some();
        if is_generic {
            let params = &input.generics.params;
            let span = if params.is_empty() { input.ident.span() } else { params.span() };
            diag.error(
                span,
                "`#[derive(SingleValue)]` does not support generic types and lifetimes, because reading a value creates the type: use owned, concrete types, or implement `SingleValue` by hand",
            );
        }
        let form = match &input.data {
            Data::Struct(DataStruct { fields, .. }) => newtype(&input.ident, fields, is_generic, diag),
            Data::Enum(data) => variants(&input.ident, data, diag),
            Data::Union(_) => {
                diag.error(
                    input.ident.span(),
                    "a union can't be a single value: use a newtype or an enum with unit variants",
                );
                None
            }
        };
        Self { ident: &input.ident, crate_path, form, is_generic }
    }
}

fn newtype<'a>(ident: &Ident, fields: &'a Fields, is_generic: bool, diag: &Diag) -> Option<ValueForm<'a>> {
    let list: Vec<&Field> = fields.iter().collect();
    for field in &list {
        single_value::refuse(&field.attrs, diag);
    }
    let [field] = list.as_slice() else {
        let many = if list.is_empty() { "no fields" } else { "several fields" };
        diag.error(
            ident.span(),
            format!("`{ident}` has {many}, but `#[derive(SingleValue)]` needs a struct with exactly one: derive serde's traits instead and write the kind `Json<{ident}>`"),
        );
        return None;
    };
    // If the type has a lifetime parameter, that is already reported.
    if let (Type::Reference(reference), false) = (&field.ty, is_generic) {
        diag.error(
            reference.span(),
            "the newtype can't borrow, because reading a value creates it: wrap an owned type, such as `String` instead of `&str`",
        );
        return None;
    }
    if is_float(&field.ty) {
        diag.error(field.ty.span(), NO_FLOATS);
    }
    let member = match &field.ident {
        Some(ident) => Member::Named(ident.clone()),
        None => Member::Unnamed(Index { index: 0, span: Span::mixed_site() }),
    };
    Some(ValueForm::Newtype { member, ty: &field.ty })
}

fn variants<'a>(ident: &Ident, data: &'a DataEnum, diag: &Diag) -> Option<ValueForm<'a>> {
    if data.variants.is_empty() {
        diag.error(ident.span(), format!("`{ident}` has no variants, so it has no value: add one"));
        return None;
    }
    let mut variants = Vec::new();
    let mut taken: BTreeMap<String, &Ident> = BTreeMap::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            diag.error(
                variant.fields.span(),
                format!("`{}` has data, but only unit variants are supported: derive serde's traits instead and write the kind `Json<{ident}>`", variant.ident),
            );
        }
        let explicit = single_value::text(&variant.attrs, diag);
        let (text, span) = match explicit.good() {
            Some(literal) => (literal.value(), literal.span()),
            None => (snake_case(&variant.ident.unraw().to_string()), variant.ident.span()),
        };
        if text.is_empty() {
            diag.error(span, "the text of the variant is empty: set another text");
        } else if let Some(other) = taken.get(&text) {
            diag.error(span, format!("`{other}` has the text `{text}` too: set another text for one of them with `#[single_value(rename = \"text\")]`"));
        } else {
            taken.insert(text.clone(), &variant.ident);
        }
        variants.push((&variant.ident, text));
    }
    Some(ValueForm::Enum(variants))
}
