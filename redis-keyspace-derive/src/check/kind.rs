//! Checks for types that are often used instead of a kind.

use syn::{GenericArgument, Path, PathArguments, PathSegment, ReturnType, Type, TypeParamBound};

use crate::diag::Diag;
use crate::model::Entry;
use crate::types::text;

/// Reports a type that is not a kind, if its name is enough to suggest a kind. The compiler reports
/// all others.
pub(super) fn kind(entry: &Entry<'_>, diag: &Diag) {
    if let Some(kind) = &entry.kind
        && let Some(message) = message(kind.written)
    {
        diag.error(kind.span, message);
        kind.is_reported.set(true);
    }
}

fn message(ty: &Type) -> Option<String> {
    match ty {
        Type::Paren(inner) => message(&inner.elem),
        Type::Group(inner) => message(&inner.elem),
        Type::Reference(reference) => Some(match text(&reference.elem).as_str() {
            "str" => instead_of(ty, "Text", "which is written from `&str` and read as a `String`"),
            "[u8]" => instead_of(ty, "Bytes", "which is written from `&[u8]`"),
            inner => instead_of(ty, &format!("Json<{inner}>"), "which is written from a reference"),
        }),
        Type::TraitObject(object) => object.bounds.iter().find_map(function),
        Type::ImplTrait(object) => object.bounds.iter().find_map(function),
        Type::Path(path) if path.qself.is_none() && is_known(&path.path) => {
            segment(ty, path.path.segments.last()?)
        }
        _ => None,
    }
}

/// Whether the last segment identifies the type. A user's own type with such a name must be written
/// with a path.
fn is_known(path: &Path) -> bool {
    let is_library = |segment: &PathSegment| {
        ["std", "core", "alloc", "redis_keyspace"].iter().any(|library| segment.ident == library)
    };
    path.segments.len() == 1 || path.segments.first().is_some_and(is_library)
}

fn segment(ty: &Type, segment: &PathSegment) -> Option<String> {
    let name = segment.ident.to_string();
    match (name.as_str(), &segment.arguments) {
        ("String", PathArguments::None) => Some(instead_of(ty, "Text", "which is read as a `String`")),
        ("f32" | "f64", PathArguments::None) => {
            Some(instead_of(ty, &format!("Json<{name}>"), "which keeps every digit"))
        }
        ("Vec", arguments) if text(first(arguments)?) == "u8" => {
            Some(instead_of(ty, "Bytes", "which is read as bytes"))
        }
        ("Option", arguments) => Some(instead_of(
            ty,
            &text(first(arguments)?),
            "because any key may not exist: `get` returns an `Option`",
        )),
        ("Result", arguments) => {
            Some(instead_of(ty, &text(first(arguments)?), "because commands return a `Result` anyway"))
        }
        ("Json", arguments) => match first(arguments)? {
            Type::Reference(reference) => {
                let owned = match text(&reference.elem).as_str() {
                    "str" => "String".to_owned(),
                    inner => inner.to_owned(),
                };
                Some(instead_of(
                    ty,
                    &format!("Json<{owned}>"),
                    "because reading returns an owned value; writing accepts a reference",
                ))
            }
            _ => None,
        },
        ("Fn" | "FnMut" | "FnOnce", PathArguments::Parenthesized(_)) => Some(function_message(segment)),
        _ => None,
    }
}

fn function(bound: &TypeParamBound) -> Option<String> {
    let TypeParamBound::Trait(bound) = bound else { return None };
    let segment = bound.path.segments.last()?;
    let is_function = matches!(segment.arguments, PathArguments::Parenthesized(_));
    is_function.then(|| function_message(segment))
}

fn function_message(segment: &PathSegment) -> String {
    let kind = match &segment.arguments {
        PathArguments::Parenthesized(arguments) => match &arguments.output {
            ReturnType::Type(_, kind) => text(kind),
            ReturnType::Default => "Text".to_owned(),
        },
        _ => "Text".to_owned(),
    };
    format!(
        "a field must be a function pointer with named parameters: write a lower-case `fn`, as in `fn(id: u64) -> {kind}`"
    )
}

fn first(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn instead_of(ty: &Type, kind: &str, reason: &str) -> String {
    format!("`{}` is not a kind: write `{kind}`, {reason}", text(ty))
}
