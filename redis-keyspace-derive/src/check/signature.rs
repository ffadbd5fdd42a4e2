//! Checks the `fn` of a field.

use syn::spanned::Spanned;

use super::placeholders;
use crate::diag::Diag;
use crate::floats::NO_FLOATS;
use crate::model::{Entry, Refused};

pub(super) fn signature(entry: &Entry<'_>, diag: &Diag) {
    let Some(signature) = entry.signature else { return };
    if let Some(lifetimes) = &signature.lifetimes {
        diag.error(
            lifetimes.span(),
            "`for<..>` is not valid here: remove it and write borrowed parameters without a lifetime, as in `fn(name: &str)`",
        );
    }
    if let Some(unsafety) = &signature.unsafety {
        diag.error(unsafety.span(), "`unsafe` is not valid here: remove it");
    }
    if let Some(abi) = &signature.abi {
        diag.error(abi.span(), "`extern` is not valid here: remove it");
    }
    if let Some(variadic) = &signature.variadic {
        diag.error(
            variadic.span(),
            "`...` is not valid here, because a key has a fixed number of parameters: remove it",
        );
    }
    if entry.kind.is_none() {
        diag.error(
            signature.span(),
            "the `fn` has no return type: add the kind of the key, such as `-> Json<Cart>`, `-> Text` or `-> Counter`",
        );
    }
}

pub(super) fn params(entry: &Entry<'_>, diag: &Diag) {
    for (index, param) in entry.params.iter().enumerate() {
        let Some((ident, name)) = param.ident.zip(param.name()) else {
            diag.error(
                param.span,
                "the parameter has no name: write a name, which is also its placeholder in the template, as in `fn(id: u64)`",
            );
            continue;
        };
        let refused = match param.refused() {
            None => None,
            Some(Refused::Float) => Some(NO_FLOATS),
            Some(Refused::Impl) => {
                Some("a parameter can't be `impl Trait`: write a concrete type such as `&str`")
            }
            Some(Refused::Str) => Some("`str` can't be passed by value: write `&str`"),
        };
        if let Some(sentence) = refused {
            diag.error(param.span, sentence);
        }
        if entry.params.iter().take(index).any(|before| before.name() == Some(name)) {
            diag.error(ident.span(), format!("two parameters are named `{name}`: rename one of them"));
            continue;
        }
        placeholders::unused(entry, ident, name, diag);
    }
}
