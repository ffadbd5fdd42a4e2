//! The model of a declaration, with the spans for errors.

use std::cell::Cell;
use std::collections::BTreeSet;

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DataStruct, DeriveInput, Field, Fields, Generics, ReturnType, Type, TypeFnPtr, Visibility};

use crate::attr::Setting;
use crate::attr::container::{self, Container};
use crate::attr::entry::EntryAttributes;
use crate::attr::fills::Fills;
use crate::attr::forwarded::Forwarded;
use crate::attr::value::{Trim, Ttl};
use crate::closed::closed;
use crate::diag::Diag;
use crate::names::{Names, parsed_name, pascal_case, pattern_name};
use crate::template::{Hole, Piece, Template};
use crate::types;

/// A struct with `#[derive(Keyspace)]`.
pub(crate) struct Keyspace<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) generics: &'a Generics,
    pub(crate) forwarded: Forwarded<'a>,
    pub(crate) container: Container,
    /// The span for errors about missing attributes of the struct.
    pub(crate) attribute_span: Span,
    pub(crate) shape: Shape,
    pub(crate) entries: Vec<Entry<'a>>,
    /// The names that generated code can use.
    pub(crate) names: Names,
}

/// The shape of the item with the derive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Named,
    Tuple,
    Unit,
    Enum,
    Union,
}

/// A field.
pub(crate) struct Entry<'a> {
    pub(crate) ident: &'a Ident,
    /// The name as used in templates and messages.
    pub(crate) name: String,
    /// The field's visibility if it has one, else the struct's.
    pub(crate) vis: &'a Visibility,
    pub(crate) forwarded: Forwarded<'a>,
    /// The template without the prefix. `None` if it can't be parsed at all.
    pub(crate) template: Option<Template>,
    /// The source of `template`, for marks in error messages. `None` for the default template.
    pub(crate) written: Option<String>,
    pub(crate) template_span: Span,
    pub(crate) ttl: Setting<Ttl>,
    pub(crate) fills: Fills,
    /// The variant of `Reads`.
    pub(crate) reads: Option<&'static str>,
    /// Whether every write renews the lifetime of a collection, if the field says so.
    pub(crate) is_renewed: Option<bool>,
    /// Whether the messages of a channel stay at the nodes of its slot.
    pub(crate) is_sharded: bool,
    /// How each write trims a stream.
    pub(crate) trim: Option<Trim>,
    /// Whether the template in the source contains literal braces.
    pub(crate) has_braces: bool,
    /// The parameter that is the hash tag. `template` contains its braces.
    pub(crate) hash_tag: Setting<Ident>,
    /// The names of the parameters that the constructor takes as `impl Into<..>`.
    pub(crate) into: Vec<Ident>,
    /// Whether keys can be parsed back: not with `parse = false`.
    pub(crate) parses: bool,
    pub(crate) signature: Option<&'a TypeFnPtr>,
    pub(crate) params: Vec<Param<'a>>,
    /// The kind. `None` for an `fn` without a return type.
    pub(crate) kind: Option<Kind<'a>>,
    /// The name of the variant in the enum of parsed keys.
    pub(crate) variant: String,
    /// The name of the type that distinguishes its pattern from those of other fields.
    pub(crate) marker: String,
}

/// The kind: what the key holds.
pub(crate) struct Kind<'a> {
    pub(crate) written: &'a Type,
    /// The type as in source code.
    pub(crate) text: String,
    pub(crate) span: Span,
    /// For code outside of the struct's impl: without `Self`, and with `'static` for every
    /// lifetime.
    pub(crate) closed: Type,
    /// Whether an error about it was reported. The compiler must not report a second one.
    pub(crate) is_reported: Cell<bool>,
}

/// A parameter of an `fn`.
pub(crate) struct Param<'a> {
    /// Its index among all parameters of the keyspace.
    pub(crate) number: usize,
    /// `None` for `fn(u64)` and `fn(_: u64)`.
    pub(crate) ident: Option<&'a Ident>,
    /// The name as used in templates.
    pub(crate) name: Option<String>,
    pub(crate) ty: &'a Type,
    /// The type as in source code.
    pub(crate) text: String,
    /// The span of the type.
    pub(crate) span: Span,
    /// The type for code outside of the `fn`: with `'static` for every lifetime, and the struct's
    /// name for `Self`.
    pub(crate) closed: Type,
    /// Whether the constructor takes `impl Into<..>` for it.
    pub(crate) is_into: bool,
}

/// Why the type of a parameter is not valid, as far as its name shows that. The compiler rejects
/// all other types that are not arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Float,
    Impl,
    Str,
}

impl Param<'_> {
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether the type has a lifetime other than `'static`, as far as its text shows that.
    pub(crate) fn borrows(&self) -> bool {
        has_short_lifetime(&self.text)
    }

    pub(crate) fn refused(&self) -> Option<Refused> {
        match bare(self.ty) {
            ty if is_float(ty) => Some(Refused::Float),
            Type::ImplTrait(_) => Some(Refused::Impl),
            ty if is_primitive(ty, &["str"]) => Some(Refused::Str),
            _ => None,
        }
    }
}

fn has_short_lifetime(ty: &str) -> bool {
    ty.replace("&'static", "").replace("'static", "").contains(['&', '\''])
}

/// Returns whether a type is `self` or `&self`.
fn is_self(ty: &Type) -> bool {
    match ty {
        Type::Path(ty) => ty.path.is_ident("self"),
        Type::Reference(reference) => is_self(&reference.elem),
        _ => false,
    }
}

impl<'a> Keyspace<'a> {
    pub(crate) fn new(input: &'a DeriveInput, mut names: Names, diag: &Diag) -> Self {
        let generated = [parsed_name(&input.ident), pattern_name(&input.ident)];
        let is_taken = |name: &String| input.ident.unraw() == *name || generated.contains(name);
        let mut container = Container::new(&input.attrs, diag);
        if let Some(bound) = container.bound.take_if(|bound| is_taken(&bound.unraw().to_string())) {
            diag.error(
                bound.span(),
                format!("`bound` must be a new name, but `{bound}` is the keyspace, or generated for it: write for example `bound = Bound{}`", input.ident.unraw()),
            );
        }
        let (shape, fields) = match &input.data {
            Data::Struct(DataStruct { fields: Fields::Named(fields), .. }) => {
                (Shape::Named, Some(&fields.named))
            }
            Data::Struct(DataStruct { fields: Fields::Unnamed(_), .. }) => (Shape::Tuple, None),
            Data::Struct(DataStruct { fields: Fields::Unit, .. }) => (Shape::Unit, None),
            Data::Enum(_) => (Shape::Enum, None),
            Data::Union(_) => (Shape::Union, None),
        };
        let mut entries: Vec<Entry<'a>> = fields
            .into_iter()
            .flatten()
            .filter_map(|field| Entry::new(field, field.ident.as_ref()?, input, diag))
            .collect();
        for (number, param) in entries.iter_mut().flat_map(|entry| &mut entry.params).enumerate() {
            param.number = number;
        }
        let mut taken = BTreeSet::new();
        for entry in &mut entries {
            // Two fields with the same variant are already an error. A unique name avoids more
            // errors.
            while !taken.insert(entry.marker.clone()) {
                entry.marker.push('_');
            }
        }
        generated.into_iter().for_each(|name| names.reserve(name));
        Self {
            ident: &input.ident,
            vis: &input.vis,
            generics: &input.generics,
            forwarded: Forwarded::new(&input.attrs),
            attribute_span: container::span(&input.attrs, input.ident.span()),
            container,
            shape,
            entries,
            names,
        }
    }

    /// The prefix of every key, without the separator.
    pub(crate) fn prefix(&self) -> Option<String> {
        self.container.prefix.good()?.as_ref().map(syn::LitStr::value)
    }

    /// Whether `fills = false` applies to an entry.
    pub(crate) fn disables_fills(&self, entry: &Entry<'_>) -> bool {
        self.container.fills.are_disabled() || entry.fills.are_disabled()
    }

    /// The TTL of an entry: its own, or else the struct's.
    pub(crate) fn ttl<'m>(&'m self, entry: &'m Entry<'_>) -> Option<&'m Ttl> {
        if entry.ttl.is_absent() { self.container.ttl.good() } else { entry.ttl.good() }
    }
}

impl<'a> Entry<'a> {
    fn new(field: &'a Field, ident: &'a Ident, input: &'a DeriveInput, diag: &Diag) -> Option<Self> {
        let attributes = EntryAttributes::new(&field.attrs, diag);
        let name = plain(ident);
        let signature = match bare(&field.ty) {
            Type::FnPtr(signature) => Some(signature),
            _ => None,
        };
        let kind = match signature.map(|signature| &signature.output) {
            None => Some(&field.ty),
            Some(ReturnType::Type(_, ty)) => Some(ty.as_ref()),
            Some(ReturnType::Default) => None,
        };
        let into: Vec<String> = attributes.into.iter().map(plain).collect();
        let params: Vec<Param<'a>> = signature
            .into_iter()
            .flat_map(|signature| &signature.inputs)
            .filter(|argument| {
                let is_receiver = is_self(&argument.ty);
                if is_receiver {
                    diag.error(
                        argument.ty.span(),
                        "a key has no `self`, because its function is called as `CartKeys::user(7)`: remove this parameter",
                    );
                }
                !is_receiver
            })
            .map(|argument| {
                let ident = argument.name.as_ref().map(|(name, _)| name).filter(|name| *name != "_");
                let (name, text) = (ident.map(plain), types::text(&argument.ty));
                // A borrowed type was reported. The compiler must not report it again.
                let may_convert = !has_short_lifetime(&text);
                Param {
                    number: 0,
                    ident,
                    ty: &argument.ty,
                    text,
                    span: argument.ty.span(),
                    closed: closed(&argument.ty, &input.ident),
                    is_into: may_convert && name.as_ref().is_some_and(|name| into.contains(name)),
                    name,
                }
            })
            .collect();
        let written = attributes.template.good().map(syn::LitStr::value);
        let template = match &attributes.template {
            Setting::Good(_) => written.as_deref().map(Template::parse),
            Setting::Absent => Some(default_template(&name, &params)),
            Setting::Bad => None,
        };
        let variant = pascal_case(&name);
        let has_braces = template.as_ref().is_some_and(Template::has_braces);
        let template = match attributes.hash_tag.good() {
            Some(tag) => template.map(|template| template.tagged(&tag.unraw().to_string())),
            None => template,
        };
        Some(Self {
            ident,
            name,
            vis: if matches!(field.vis, Visibility::Inherited) { &input.vis } else { &field.vis },
            forwarded: Forwarded::new(&field.attrs),
            template,
            written,
            template_span: attributes.template.good().map_or_else(|| ident.span(), syn::LitStr::span),
            ttl: attributes.ttl,
            fills: attributes.fills,
            reads: attributes.reads,
            is_renewed: attributes.is_renewed,
            is_sharded: attributes.is_sharded,
            trim: attributes.trim,
            parses: !attributes.does_not_parse,
            hash_tag: attributes.hash_tag,
            has_braces,
            signature,
            params,
            into: attributes.into,
            kind: kind.map(|written| Kind {
                written,
                text: types::text(written),
                span: written.span(),
                closed: closed(written, &input.ident),
                is_reported: Cell::new(false),
            }),
            marker: format!("{variant}Keys"),
            variant,
        })
    }

    /// Whether its kind is a channel by name, which stores nothing. A type alias hides it.
    pub(crate) fn is_channel(&self) -> bool {
        let kind = self.kind.as_ref().and_then(|kind| name(kind.written));
        kind.is_some_and(|name| name == "Channel")
    }

    /// The parameter that fills a hole.
    pub(crate) fn param(&self, hole: &Hole) -> Option<&Param<'a>> {
        self.params.iter().find(|param| param.name() == Some(&hole.name))
    }
}

/// A name without `r#`.
fn plain(ident: &Ident) -> String {
    let name = ident.to_string();
    match name.strip_prefix("r#") {
        Some(name) => name.to_owned(),
        None => name,
    }
}

/// Whether a type is a float by name.
pub(crate) fn is_float(ty: &Type) -> bool {
    is_primitive(ty, &["f32", "f64"])
}

/// Whether a type is one of these primitives by name. A user's own type with such a name must be
/// written with a path.
fn is_primitive(ty: &Type, names: &[&str]) -> bool {
    let Type::Path(path) = bare(ty) else { return false };
    let segments = &path.path.segments;
    let is_qualified =
        segments.len() > 1 && segments.iter().rev().nth(1).is_none_or(|module| module.ident != "primitive");
    path.qself.is_none()
        && !is_qualified
        && segments.last().is_some_and(|last| names.iter().any(|name| last.ident == name))
}

/// The last segment of a type's path. The derive can't resolve types, so it only knows their names.
pub(crate) fn name(ty: &Type) -> Option<&Ident> {
    match bare(ty) {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    }
}

/// `user:{id}` for `user: fn(id: u64)`.
fn default_template(name: &str, params: &[Param<'_>]) -> Template {
    let mut template = Template::default();
    let mut literal = name.to_owned();
    for name in params.iter().filter_map(Param::name) {
        literal.push(':');
        template.pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        template.pieces.push(Piece::Hole(Hole { name: name.to_owned(), at: 0..0 }));
    }
    if !literal.is_empty() {
        template.pieces.push(Piece::Literal(literal));
    }
    template
}

/// Removes parentheses, and the invisible groups of `macro_rules!`.
fn bare(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
}
