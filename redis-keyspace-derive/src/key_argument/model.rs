//! The model of a newtype or an enum, and the rules for both.

use std::collections::BTreeMap;

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DataStruct, DeriveInput, Field, Fields, Index, Member, Path, Type};

use crate::attr::argument;
use crate::diag::Diag;
use crate::floats::NO_FLOATS;
use crate::model::is_float;
use crate::names::snake_case;

/// A type with `#[derive(KeyArgument)]`.
pub(crate) struct Argument<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) crate_path: Option<Path>,
    pub(crate) format: Option<argument::Format>,
    /// `None` if the type can't be an argument.
    pub(crate) form: Option<Form<'a>>,
    pub(crate) is_generic: bool,
}

pub(crate) enum Form<'a> {
    Newtype {
        member: Member,
        ty: &'a Type,
    },
    /// The variants and their texts.
    Enum(Vec<(&'a Ident, String)>),
}

impl<'a> Argument<'a> {
    pub(crate) fn new(input: &'a DeriveInput, diag: &Diag) -> Self {
        let argument::TypeAttributes { crate_path, format } = argument::type_attributes(&input.attrs, diag);
        let is_generic = !input.generics.params.is_empty() || input.generics.where_clause.is_some();
        if is_generic {
            let span = if input.generics.params.is_empty() {
                input.ident.span()
            } else {
                input.generics.params.span()
            };
            diag.error(
                span,
                "`#[derive(KeyArgument)]` does not support generic types and lifetimes, because parsing a key creates the type: use owned, concrete types, or implement `KeyArgument` by hand",
            );
        }
        let form = match &input.data {
            Data::Struct(DataStruct { fields, .. }) => newtype(&input.ident, fields, is_generic, diag),
            Data::Enum(data) => variants(&input.ident, data, diag),
            Data::Union(_) => {
                diag.error(
                    input.ident.span(),
                    "a union can't be an argument of a key: use a newtype or an enum with unit variants",
                );
                None
            }
        };
        if let (Some(format), false) = (&format, matches!(form, Some(Form::Newtype { .. }))) {
            diag.error(format.span, "`alphabet` is only valid on a newtype: to set the text of a variant, write `#[key(\"text\")]` on it");
        }
        Self { ident: &input.ident, crate_path, format, form, is_generic }
    }
}

fn newtype<'a>(ident: &Ident, fields: &'a Fields, is_generic: bool, diag: &Diag) -> Option<Form<'a>> {
    let list: Vec<&Field> = fields.iter().collect();
    for field in &list {
        argument::refuse(&field.attrs, diag);
    }
    let [field] = list.as_slice() else {
        let many = if list.is_empty() { "no fields" } else { "several fields" };
        diag.error(
            ident.span(),
            format!("`{ident}` has {many}, but `#[derive(KeyArgument)]` needs a struct with exactly one: declare a parameter of the key for each value, or implement `KeyArgument` by hand"),
        );
        return None;
    };
    // If the type has a lifetime parameter, that is already reported.
    if let (Type::Reference(reference), false) = (&field.ty, is_generic) {
        diag.error(
            reference.span(),
            "the newtype can't borrow, because parsing a key creates it: wrap an owned type, such as `String` instead of `&str`",
        );
        return None;
    }
    if is_float(&field.ty) {
        diag.error(field.ty.span(), NO_FLOATS);
    }
    let member = match &field.ident {
        Some(ident) => Member::Named(ident.clone()),
        None => Member::Unnamed(Index { index: 0, span: proc_macro2::Span::mixed_site() }),
    };
    Some(Form::Newtype { member, ty: &field.ty })
}

fn variants<'a>(ident: &Ident, data: &'a DataEnum, diag: &Diag) -> Option<Form<'a>> {
    if data.variants.is_empty() {
        diag.error(
            ident.span(),
            format!("`{ident}` has no variants: add one, because a key needs a text for each value"),
        );
        return None;
    }
    let mut variants = Vec::new();
    let mut taken: BTreeMap<String, &Ident> = BTreeMap::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            diag.error(
                variant.fields.span(),
                format!("`{}` has data, but only unit variants are supported: declare a parameter of the key for the data, or implement `KeyArgument` by hand", variant.ident),
            );
        }
        let explicit = argument::text(&variant.attrs, diag);
        let (text, span) = match explicit.good() {
            Some(literal) => (literal.value(), literal.span()),
            None => (snake_case(&variant.ident.unraw().to_string()), variant.ident.span()),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if text.is_empty() {
            diag.error(span, "the text of the variant is empty: the key would have an empty segment");
        } else if let Some(c) = text.chars().find(|c| !is_plain(*c)) {
            let advice = if explicit.good().is_some() {
                "use another text"
            } else {
                "set a text with `#[key(\"text\")]`"
            };
            diag.error(
                span,
                format!("the text `{text}` contains `{}`, but the text of a variant must consist of ASCII letters and digits, `_`, `.` and `-`: {advice}", c.escape_debug()),
            );
        } else if let Some(other) = taken.get(&text) {
            diag.error(span, format!("`{other}` has the text `{text}` too: set another text for one of them with `#[key(\"text\")]`"));
        } else {
            taken.insert(text.clone(), &variant.ident);
        }
        variants.push((&variant.ident, text));
    }
    Some(Form::Enum(variants))
}
