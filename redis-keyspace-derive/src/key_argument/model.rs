//! What a newtype or an enum says about its text, and the rules for both.

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
    /// `None` for what can't be an argument.
    pub(crate) form: Option<Form<'a>>,
    pub(crate) is_generic: bool,
    /// Those can't implement what is asked of a parsed argument.
    pub(crate) is_union: bool,
}

pub(crate) enum Form<'a> {
    Newtype {
        member: Member,
        ty: &'a Type,
    },
    /// The variants with their texts.
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
                "`#[derive(KeyArgument)]` is for types without parameters and lifetimes, since a key reads back as the type itself: own what you hold, or implement `KeyArgument` by hand",
            );
        }
        let form = match &input.data {
            Data::Struct(DataStruct { fields, .. }) => newtype(&input.ident, fields, is_generic, diag),
            Data::Enum(data) => variants(&input.ident, data, diag),
            Data::Union(_) => {
                diag.error(
                    input.ident.span(),
                    "a union can't be an argument of a key: use a newtype or an enum of unit variants",
                );
                None
            }
        };
        if let (Some(format), false) = (&format, matches!(form, Some(Form::Newtype { .. }))) {
            diag.error(format.span, "`alphabet` is for newtypes; variants take `#[key(\"text\")]`");
        }
        let is_union = matches!(input.data, Data::Union(_));
        Self { ident: &input.ident, crate_path, format, form, is_generic, is_union }
    }
}

fn newtype<'a>(ident: &Ident, fields: &'a Fields, is_generic: bool, diag: &Diag) -> Option<Form<'a>> {
    let list: Vec<&Field> = fields.iter().collect();
    for field in &list {
        argument::refuse(&field.attrs, diag);
    }
    let [field] = list.as_slice() else {
        let many = if list.is_empty() { "nothing" } else { "several fields" };
        diag.error(
            ident.span(),
            format!("a struct is an argument if it wraps one value, and `{ident}` has {many}: give the key a parameter for each value, or implement `KeyArgument` by hand"),
        );
        return None;
    };
    // With a lifetime of its own, that was said already.
    if let (Type::Reference(reference), false) = (&field.ty, is_generic) {
        diag.error(
            reference.span(),
            "a key reads back as the type itself, which can't borrow: wrap what owns the value, as `String` does for `str`",
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
            format!("`{ident}` has no variants, so there is nothing to write into a key"),
        );
        return None;
    }
    let mut variants = Vec::new();
    let mut taken: BTreeMap<String, &Ident> = BTreeMap::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            diag.error(
                variant.fields.span(),
                format!("`{}` holds data, and only variants without any have one text: give the key a parameter for the data, or implement `KeyArgument` by hand", variant.ident),
            );
        }
        let stated = argument::text(&variant.attrs, diag);
        let (text, span) = match stated.good() {
            Some(literal) => (literal.value(), literal.span()),
            None => (snake_case(&variant.ident.unraw().to_string()), variant.ident.span()),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if text.is_empty() {
            diag.error(span, "the text of a variant can't be empty: a key would have an empty segment");
        } else if let Some(c) = text.chars().find(|c| !is_plain(*c)) {
            let advice = if stated.good().is_some() {
                "use another text"
            } else {
                "state a text with `#[key(\"text\")]`"
            };
            diag.error(
                span,
                format!("the text of a variant consists of letters and digits of ASCII, `_`, `.` and `-`, and `{text}` contains `{}`: {advice}", c.escape_debug()),
            );
        } else if let Some(other) = taken.get(&text) {
            diag.error(span, format!("`{other}` is written as `{text}` too: give one of them another text with `#[key(\"text\")]`"));
        } else {
            taken.insert(text.clone(), &variant.ident);
        }
        variants.push((&variant.ident, text));
    }
    Some(Form::Enum(variants))
}
