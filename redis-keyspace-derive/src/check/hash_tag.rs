//! Checks `hash_tag`.

use syn::ext::IdentExt;

use crate::attr::list;
use crate::diag::{Diag, did_you_mean};
use crate::model::{Entry, Param};

pub(super) fn hash_tag(entry: &Entry<'_>, diag: &Diag) {
    let Some(tag) = entry.hash_tag.good() else { return };
    let name = tag.unraw().to_string();
    let names: Vec<&str> = entry.params.iter().filter_map(Param::name).collect();
    if !names.contains(&name.as_str()) {
        let field = &entry.name;
        let advice = match did_you_mean(&name, &names) {
            Some(close) => format!("did you mean `{close}`?"),
            None if names.is_empty() => "remove `hash_tag`, or add a parameter".to_owned(),
            None => format!("use one of {}", list(&names)),
        };
        diag.error(tag.span(), format!("`{field}` has no parameter `{name}`: {advice}"));
    } else if entry.has_braces {
        diag.error(
            tag.span(),
            format!("the template already contains literal braces, and a key has only one hash tag: remove the other braces, or remove `hash_tag` and write `{{{{{{{name}}}}}}}` in the template"),
        );
    }
}
