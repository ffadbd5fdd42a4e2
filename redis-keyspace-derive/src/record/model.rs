//! The model of a record, and its rules.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DataStruct, DeriveInput, Fields, GenericArgument, Path, PathArguments, Type, Visibility};

use crate::attr::forwarded::Forwarded;
use crate::attr::record::{Case, FieldAttributes, FieldDefault, FieldKind, RecordAttributes};
use crate::diag::Diag;
use crate::names::{pascal_case, snake_case};

/// A struct with `#[derive(Record)]`.
pub(crate) struct Record<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) crate_path: Option<Path>,
    pub(crate) fields: Vec<RecordField<'a>>,
    /// Whether the type can't be named without parameters.
    pub(crate) is_generic: bool,
    pub(crate) forwarded: Forwarded<'a>,
}

pub(crate) struct RecordField<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) visibility: &'a Visibility,
    pub(crate) ty: &'a Type,
    /// The name in Redis.
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) default: Option<FieldDefault>,
    pub(crate) stored: Stored<'a>,
    pub(crate) ttl_millis: Option<u64>,
    pub(crate) constant: Ident,
}

/// The kind of a field.
pub(crate) enum Stored<'a> {
    /// That of its type.
    ByType,
    /// A kind for this type, which may be inside of an `Option`.
    As { kind: FieldKind, value: &'a Type, is_optional: bool },
}

impl<'a> Record<'a> {
    pub(crate) fn new(input: &'a DeriveInput, diag: &Diag) -> Self {
        let attributes = RecordAttributes::new(&input.attrs, diag);
        let is_generic = !input.generics.params.is_empty() || input.generics.where_clause.is_some();
        if is_generic {
            let span = if input.generics.params.is_empty() {
                input.ident.span()
            } else {
                input.generics.params.span()
            };
            diag.error(
                span,
                "`#[derive(Record)]` does not support generic types and lifetimes, because loading a record creates it: use owned, concrete types",
            );
        }
        let ident = &input.ident;
        let refuse = |what: &str| {
            diag.error(
                ident.span(),
                format!("a record must be a struct with named fields, but {what}: write `struct {ident} {{ name: String }}`"),
            );
        };
        let mut fields = Vec::new();
        match &input.data {
            Data::Struct(DataStruct { fields: Fields::Named(named), .. }) if named.named.is_empty() => {
                refuse("it has no fields");
            }
            Data::Struct(DataStruct { fields: Fields::Named(named), .. }) => {
                fields.extend(named.named.iter().filter_map(|field| {
                    let found = FieldAttributes::new(&field.attrs, diag);
                    let ident = field.ident.as_ref()?;
                    Some(RecordField::new(ident, &field.vis, &field.ty, found, attributes.case))
                }));
            }
            Data::Struct(DataStruct { fields: Fields::Unnamed(_), .. }) => refuse("a tuple struct has none"),
            Data::Struct(DataStruct { fields: Fields::Unit, .. }) => refuse("a unit struct has none"),
            Data::Enum(_) => refuse("an enum has none"),
            Data::Union(_) => refuse("a union is not supported"),
        }
        distinct(&fields, diag);
        let forwarded = Forwarded::new(&input.attrs);
        Self { ident, crate_path: attributes.crate_path, fields, is_generic, forwarded }
    }
}

impl<'a> RecordField<'a> {
    fn new(
        ident: &'a Ident,
        visibility: &'a Visibility,
        ty: &'a Type,
        found: FieldAttributes,
        case: Option<Case>,
    ) -> Self {
        let own = ident.unraw().to_string();
        let name = found.name.good().map_or_else(|| cased(&own, case), syn::LitStr::value);
        let stored = match found.kind.good() {
            None => Stored::ByType,
            Some(kind) => match inside_option(ty) {
                Some(value) => Stored::As { kind: kind.clone(), value, is_optional: true },
                None => Stored::As { kind: kind.clone(), value: ty, is_optional: false },
            },
        };
        let constant = found.constant.unwrap_or_else(|| {
            // A name of underscores stays.
            Ident::new(&snake_case(&own).to_uppercase(), ident.span())
        });
        Self {
            ident,
            visibility,
            ty,
            name,
            aliases: found.aliases.iter().map(syn::LitStr::value).collect(),
            default: found.default,
            stored,
            ttl_millis: found.ttl_millis,
            constant,
        }
    }
}

/// Returns the name of a field in this case.
fn cased(name: &str, case: Option<Case>) -> String {
    let snake = || snake_case(name);
    match case {
        None => name.to_owned(),
        Some(Case::Pascal) => pascal_case(&snake()),
        Some(Case::Camel) => {
            let pascal = pascal_case(&snake());
            let mut chars = pascal.chars();
            let first = chars.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
            first + chars.as_str()
        }
        Some(Case::Kebab) => snake().replace('_', "-"),
        Some(Case::ScreamingSnake) => snake().to_uppercase(),
    }
}

/// Returns the type inside of an `Option`, which is recognised by its name.
fn inside_option(ty: &Type) -> Option<&Type> {
    let path = match ty {
        Type::Group(group) => return inside_option(&group.elem),
        Type::Paren(inner) => return inside_option(&inner.elem),
        Type::Path(path) if path.qself.is_none() => path,
        _ => return None,
    };
    let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Reports names that two fields share.
fn distinct(fields: &[RecordField<'_>], diag: &Diag) {
    let mut names: BTreeMap<&str, &Ident> = BTreeMap::new();
    let mut constants: BTreeMap<String, &Ident> = BTreeMap::new();
    for field in fields {
        let span: Span = field.ident.span();
        for name in std::iter::once(&field.name).chain(&field.aliases) {
            match names.insert(name, field.ident) {
                Some(other) if other == field.ident => {
                    diag.error(span, format!("`{other}` has the name {name:?} twice: remove the alias"));
                }
                Some(other) => diag.error(
                    span,
                    format!("`{other}` has the name {name:?} too: set another one with `#[record(rename = \"..\")]`"),
                ),
                None => {}
            }
        }
        if let Some(other) = constants.insert(field.constant.to_string(), field.ident) {
            diag.error(
                field.constant.span(),
                format!(
                    "the constant of `{other}` is `{}` too: set another name with `#[record(constant = ..)]`",
                    field.constant
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_all_cases() {
        let of = |case| cased("first_name", case);
        assert_eq!(of(None), "first_name");
        assert_eq!(of(Some(Case::Camel)), "firstName");
        assert_eq!(of(Some(Case::Pascal)), "FirstName");
        assert_eq!(of(Some(Case::Kebab)), "first-name");
        assert_eq!(of(Some(Case::ScreamingSnake)), "FIRST_NAME");
    }

    #[test]
    fn options_are_recognised_by_their_name() {
        let is_option = |text: &str| inside_option(&syn::parse_str(text).unwrap()).is_some();
        assert!(is_option("Option<u8>") && is_option("::core::option::Option<Vec<u8>>"));
        assert!(!is_option("Vec<Option<u8>>") && !is_option("Option"));
    }
}
