//! The model of a script.

use proc_macro2::{Ident, Span};
use syn::{Data, DeriveInput, Generics, Index, Member, Type, Visibility};

use super::attributes::{FieldUse, StructAttributes, of_field, of_struct};
use crate::diag::Diag;

/// A struct with `#[derive(Script)]`.
pub(crate) struct Script<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) visibility: &'a Visibility,
    pub(crate) generics: &'a Generics,
    pub(crate) attributes: StructAttributes,
    pub(crate) fields: Vec<ScriptField<'a>>,
}

pub(crate) struct ScriptField<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    pub(crate) sent: FieldUse,
}

impl<'a> Script<'a> {
    pub(crate) fn new(input: &'a DeriveInput, diag: &Diag) -> Self {
        let attributes = of_struct(&input.attrs, input.ident.span(), diag);
        let mut fields = Vec::new();
        if let Data::Struct(data) = &input.data {
            for (nth, field) in (0..).zip(&data.fields) {
                let member = match &field.ident {
                    Some(ident) => Member::Named(ident.clone()),
                    None => Member::Unnamed(Index { index: nth, span: Span::mixed_site() }),
                };
                fields.push(ScriptField { member, ty: &field.ty, sent: of_field(&field.attrs, diag) });
            }
        } else {
            diag.error(
                input.ident.span(),
                "a script is a struct: its fields are the keys and the arguments of the script",
            );
        }
        Self { ident: &input.ident, visibility: &input.vis, generics: &input.generics, attributes, fields }
    }
}
