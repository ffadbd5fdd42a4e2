//! The `fn` of a field.

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
            "leave `for<..>` out: parameters may borrow without naming a lifetime, as in `fn(name: &str)`",
        );
    }
    if let Some(unsafety) = &signature.unsafety {
        diag.error(unsafety.span(), "making a key is safe: leave `unsafe` out");
    }
    if let Some(abi) = &signature.abi {
        diag.error(abi.span(), "a key's signature is a plain `fn`: leave `extern` out");
    }
    if let Some(variadic) = &signature.variadic {
        diag.error(variadic.span(), "a key has a fixed number of parameters: leave `...` out");
    }
    if entry.kind.is_none() {
        diag.error(
            signature.span(),
            "say what lives at the key with a return type, as in `-> Json<Cart>`, `-> Text` or `-> Counter`",
        );
    }
}

pub(super) fn params(entry: &Entry<'_>, diag: &Diag) {
    for (index, param) in entry.params.iter().enumerate() {
        let Some((ident, name)) = param.ident.zip(param.name()) else {
            diag.error(
                param.ty.span(),
                "a parameter needs a name, which is its place in the template: `fn(id: u64)`",
            );
            continue;
        };
        let refused = match param.refused() {
            None => None,
            Some(Refused::Float) => Some(NO_FLOATS),
            Some(Refused::Impl) => Some(
                "a parameter is of one type, which its key reads back as: write `&str`, or the type that you have",
            ),
            Some(Refused::Str) => Some("`str` can't be handed over by itself: write `&str`"),
        };
        if let Some(sentence) = refused {
            diag.error(param.ty.span(), sentence);
        }
        if entry.params.iter().take(index).any(|before| before.name().as_ref() == Some(&name)) {
            diag.error(ident.span(), format!("two parameters are called `{name}`: rename one of them"));
            continue;
        }
        placeholders::unused(entry, ident, &name, diag);
    }
}
