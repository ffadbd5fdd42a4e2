//! `#[record(..)]` on a struct that derives `Record`, and on its fields.

use proc_macro2::{Ident, TokenStream};
use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Path, Type};

use super::value::{self, Ttl};
use super::{Item, Place, Setting, items, usage};
use crate::crate_path;
use crate::diag::Diag;

/// The attributes of the struct.
#[derive(Default)]
pub(crate) struct RecordAttributes {
    pub(crate) crate_path: Option<Path>,
    pub(crate) case: Option<Case>,
}

/// The case of the names of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Camel,
    Pascal,
    Kebab,
    ScreamingSnake,
}

/// The attributes of a field.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    pub(crate) name: Setting<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) default: Option<FieldDefault>,
    pub(crate) kind: Setting<FieldKind>,
    pub(crate) ttl_millis: Option<u64>,
    pub(crate) constant: Option<Ident>,
}

/// The value of a missing field.
pub(crate) enum FieldDefault {
    /// `default`
    Trait,
    /// `default = 3`
    Expression(TokenStream),
}

/// How a field is stored, if its type does not say it.
#[derive(Debug, Clone)]
pub(crate) enum FieldKind {
    Json,
    Named(Box<Type>),
}

impl RecordAttributes {
    pub(crate) fn new(attributes: &[Attribute], diag: &Diag) -> Self {
        let mut found = Self::default();
        for item in items(attributes, Place::Record, diag) {
            if item.is_reported() {
                continue;
            }
            match item.name.as_ref().map(ToString::to_string).as_deref() {
                Some("rename_all") => found.case = case(&item, diag),
                Some(_) => {
                    found.crate_path =
                        item.value(diag).and_then(|tokens| crate_path::parse(tokens, item.span, diag));
                }
                None => unnamed(&item, Place::Record, diag),
            }
        }
        found
    }
}

impl FieldAttributes {
    pub(crate) fn new(attributes: &[Attribute], diag: &Diag) -> Self {
        let mut found = Self::default();
        for item in items(attributes, Place::Field, diag) {
            found.take(&item, diag);
        }
        found
    }

    fn take(&mut self, item: &Item, diag: &Diag) {
        let Some(name) = &item.name else {
            return unnamed(item, Place::Field, diag);
        };
        let name = name.to_string();
        if matches!(name.as_str(), "json" | "kind") && self.kind.good().is_some() {
            diag.error(item.span, "`json` and `kind` both say how the field is stored; remove one");
            return;
        }
        if item.is_reported() {
            match name.as_str() {
                "rename" => self.name = Setting::Bad,
                "json" | "kind" => self.kind = Setting::Bad,
                _ => {}
            }
            return;
        }
        match name.as_str() {
            "rename" => self.name = value::text(item, diag).into(),
            "alias" => self.aliases.extend(value::text(item, diag)),
            "default" => {
                self.default = match &item.value {
                    None => Some(FieldDefault::Trait),
                    Some(_) => item.value(diag).map(FieldDefault::Expression),
                };
            }
            "json" => {
                if item.value.is_some() {
                    diag.error(item.span, "`json` has no value: write `#[record(json)]`");
                }
                self.kind = Setting::Good(FieldKind::Json);
            }
            "kind" => self.kind = kind(item, diag).map(FieldKind::Named).into(),
            "constant" => self.constant = constant(item, diag),
            _ => self.ttl_millis = ttl(item, diag),
        }
    }
}

fn unnamed(item: &Item, place: Place, diag: &Diag) {
    diag.error(
        item.span,
        format!("a value needs a name: write {}, or `rename = \"..\"` on a field", usage(place)),
    );
}

fn case(item: &Item, diag: &Diag) -> Option<Case> {
    let cases = ["camelCase", "PascalCase", "kebab-case", "SCREAMING_SNAKE_CASE"];
    Some(match value::one_of(item, &cases, diag)?.as_str() {
        "camelCase" => Case::Camel,
        "PascalCase" => Case::Pascal,
        "kebab-case" => Case::Kebab,
        _ => Case::ScreamingSnake,
    })
}

fn kind(item: &Item, diag: &Diag) -> Option<Box<Type>> {
    let tokens = item.value(diag)?;
    let span = tokens.span();
    match syn::parse2::<Type>(tokens) {
        Ok(ty) => Some(Box::new(ty)),
        Err(_) => {
            diag.error(span, "`kind` must be a type, without quotes: `kind = Point`");
            None
        }
    }
}

fn constant(item: &Item, diag: &Diag) -> Option<Ident> {
    let tokens = item.value(diag)?;
    let span = tokens.span();
    match syn::parse2::<Ident>(tokens) {
        Ok(ident) => Some(ident),
        Err(_) => {
            diag.error(span, "`constant` must be a name, without quotes: `constant = NAME_FIELD`");
            None
        }
    }
}

fn ttl(item: &Item, diag: &Diag) -> Option<u64> {
    match value::ttl(item, diag)? {
        Ttl::Expires { millis, .. } => Some(millis),
        Ttl::Computed(tokens) => {
            diag.error(
                tokens.span(),
                "the `ttl` of a field must be a literal: `ttl = \"1h\"` or `ttl = 3600`",
            );
            None
        }
        Ttl::Forever => {
            diag.error(item.span, "fields have no lifetime unless they declare one: remove `ttl = none`");
            None
        }
    }
}
