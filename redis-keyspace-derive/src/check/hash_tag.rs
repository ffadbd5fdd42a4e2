//! What is said to be the hash tag of a key.

use syn::ext::IdentExt;

use crate::attr::list;
use crate::diag::{Diag, did_you_mean};
use crate::model::{Entry, Param};

pub(super) fn hash_tag(entry: &Entry<'_>, diag: &Diag) {
    let Some(tag) = entry.hash_tag.good() else { return };
    let name = tag.unraw().to_string();
    let names: Vec<String> = entry.params.iter().filter_map(Param::name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if !names.contains(&name.as_str()) {
        let field = entry.name();
        let advice = match did_you_mean(&name, &names) {
            Some(close) => format!("did you mean `{close}`?"),
            None if names.is_empty() => format!("`{field}` has none"),
            None => format!("those of `{field}` are {}", list(&names)),
        };
        diag.error(tag.span(), format!("`hash_tag = {name}` names no parameter: {advice}"));
    } else if entry.has_braces {
        diag.error(
            tag.span(),
            format!("the template has braces of its own, and a key has one hash tag: write `{{{{{{{name}}}}}}}` where it stands in the template, or leave the other braces out"),
        );
    }
}
