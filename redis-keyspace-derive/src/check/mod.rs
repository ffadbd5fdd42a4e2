//! The rules of a declaration. Reports all that are broken, changes nothing, gives nothing back.

mod hash_tag;
mod placeholders;
mod prefix;
mod signature;

use syn::ext::IdentExt;
use syn::spanned::Spanned;

use crate::codegen::pattern::constructor_name;
use crate::diag::Diag;
use crate::model::{Entry, Keyspace, Shape};

pub(crate) fn keyspace(model: &Keyspace<'_>, diag: &Diag) {
    shape(model, diag);
    prefix::prefix(model, diag);
    prefix::tenant(model, diag);
    for entry in &model.entries {
        signature::signature(entry, diag);
        placeholders::template(model, entry, diag);
        hash_tag::hash_tag(entry, diag);
        converted(entry, diag);
        signature::params(entry, diag);
        prefix::doubled(model, entry, diag);
        ttl(model, entry, diag);
        reserved(model, entry, diag);
        hidden_operations(entry, diag);
    }
    distinct(model, diag);
}

fn shape(model: &Keyspace<'_>, diag: &Diag) {
    let name = model.ident;
    let what = match model.shape {
        Shape::Named if model.entries.is_empty() => {
            diag.error(
                name.span(),
                format!(
                    "`{name}` declares no keys: give it a field for each, as in `user: fn(id: u64) -> Text`"
                ),
            );
            return;
        }
        Shape::Named => None,
        Shape::Tuple => Some("a tuple struct has no names for them"),
        Shape::Unit => Some("a unit struct has none"),
        Shape::Enum => Some("an enum has none"),
        Shape::Union => Some("a union is none"),
    };
    if let Some(what) = what {
        diag.error(
            name.span(),
            format!("a keyspace is a struct whose named fields are its keys, and {what}: write `struct {name} {{ user: fn(id: u64) -> Text }}`"),
        );
    }
    if !model.generics.params.is_empty() {
        diag.error(
            model.generics.params.span(),
            "a keyspace can't be generic, since its keys are fixed when it compiles: name concrete types in the fields (parameters of an `fn` may borrow without a lifetime)",
        );
    } else if let Some(clause) = &model.generics.where_clause {
        diag.error(
            clause.span(),
            "a keyspace has no parameters that a `where` clause could be about: leave it out",
        );
    }
}

fn ttl(model: &Keyspace<'_>, entry: &Entry<'_>, diag: &Diag) {
    if entry.ttl.is_absent() && model.container.ttl.is_absent() {
        let name = entry.ident;
        diag.error(
            name.span(),
            format!("`{name}` has no TTL: set `ttl = ..`, or `ttl = none` for keys that never expire"),
        );
    }
}

fn reserved(model: &Keyspace<'_>, entry: &Entry<'_>, diag: &Diag) {
    let name = entry.name();
    let reason = match name.as_str() {
        "parse" | "identify" | "from_captures" | "delete_pattern" => {
            "is a function of every keyspace".to_owned()
        }
        "META" => "is a constant of every keyspace".to_owned(),
        "new" | "redis" if model.container.bound.is_some() => {
            "is a method of the struct that `bound` names".to_owned()
        }
        _ if name.starts_with("__") => "starts with `__`, as names of generated code do".to_owned(),
        _ => {
            let pattern_of = model
                .entries
                .iter()
                .find(|other| !other.params.is_empty() && constructor_name(&other.name()) == name);
            match pattern_of {
                Some(other) => {
                    format!("is the function that gives the pattern of all keys of `{}`", other.name())
                }
                None => return,
            }
        }
    };
    // A template that is written out does not change with the name.
    let keep = match (&entry.written, &entry.template) {
        (None, Some(default)) => {
            format!(", and keep its keys with `#[key({:?})]`", default.to_string())
        }
        _ => String::new(),
    };
    diag.error(entry.ident.span(), format!("`{name}` {reason}: name the field otherwise{keep}"));
}

/// Reports names in `into` that are not parameters.
fn converted(entry: &Entry<'_>, diag: &Diag) {
    for name in &entry.into {
        if !entry.params.iter().any(|param| param.ident == Some(name)) {
            diag.error(name.span(), format!("`into = {name}` names no parameter of `{}`", entry.name()));
        }
    }
}

/// A pattern has a method for each parameter, which would hide the operation of that name.
fn hidden_operations(entry: &Entry<'_>, diag: &Diag) {
    const OPERATIONS: [&str; 10] =
        ["count", "delete", "exists", "expire", "glob", "on", "page_size", "scan", "timeout", "values"];
    for param in &entry.params {
        if let (Some(ident), Some(name)) = (param.ident, param.name())
            && OPERATIONS.contains(&name.as_str())
        {
            diag.error(
                ident.span(),
                format!("`{name}` is an operation of patterns, which a method of that name would hide: name the parameter otherwise, its keys stay the same"),
            );
        }
    }
}

/// Fields that would collide in what is generated. That they share no key, the compiler checks.
fn distinct(model: &Keyspace<'_>, diag: &Diag) {
    for (index, entry) in model.entries.iter().enumerate() {
        let before = || model.entries.iter().take(index);
        if let Some(other) = before().find(|other| other.variant == entry.variant) {
            diag.error(
                entry.ident.span(),
                format!(
                    "`{}` and `{}` would both be the variant `{}` of `Parsed{}`: rename one of them",
                    other.ident,
                    entry.ident,
                    entry.variant,
                    model.ident.unraw(),
                ),
            );
        }
    }
}
