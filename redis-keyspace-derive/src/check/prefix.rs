//! Checks the prefix and the tenant segment.

use syn::ext::IdentExt;

use crate::attr::Setting;
use crate::diag::Diag;
use crate::model::{Entry, Keyspace};
use crate::names::snake_case;
use crate::template::{Template, caret};

pub(super) fn prefix(model: &Keyspace<'_>, diag: &Diag) {
    let literal = match &model.container.prefix {
        Setting::Absent => {
            let name = model.ident.unraw().to_string();
            let stem = name
                .strip_suffix("Keys")
                .or_else(|| name.strip_suffix("Keyspace"))
                .filter(|stem| !stem.is_empty());
            let proposal = snake_case(stem.unwrap_or(&name));
            let message = format!(
                "the keyspace has no prefix: write `#[keyspace(prefix = \"{proposal}\")]`, or `prefix = none` for keys without a prefix"
            );
            diag.error(model.attribute_span, message);
            return;
        }
        Setting::Bad | Setting::Good(None) => return,
        Setting::Good(Some(literal)) => literal,
    };
    let text = literal.value();
    let refuse = |message: String| diag.error(literal.span(), message);
    let bare = text.trim_matches(':');
    if bare.is_empty() {
        refuse("the prefix is empty: write `prefix = none` for keys without a prefix".to_owned());
        return;
    }
    if bare != text {
        refuse(format!(
            "the `:` between the prefix and the template is added automatically: write `prefix = {bare:?}`"
        ));
    }
    if bare.contains(['{', '}']) {
        refuse(
            "a prefix can't contain placeholders or braces: write them in the templates, as in `#[key(\"{{user:{id}}}\")]`"
                .to_owned(),
        );
        return;
    }
    let segments: Vec<_> = bare.split(':').collect();
    let twice = segments.windows(2).find(|pair| pair.first() == pair.last()).and_then(|pair| pair.first());
    if let (Some(segment), false) = (twice, model.container.allow_doubled_prefix) {
        refuse(format!(
            "`{segment}` is in the prefix twice in a row: write it once, or add `allow_doubled_prefix` if this is intended"
        ));
    }
    for problem in Template::parse(bare).problems {
        let sentence = problem.what.to_string().replace("in a template", "in a prefix");
        refuse(format!("{sentence}\n{}", caret(bare, &problem.at)));
    }
}

/// Checks that the text before the tenant is one segment of a key.
pub(super) fn tenant(model: &Keyspace<'_>, diag: &Diag) {
    let Some(literal) = &model.container.tenant else { return };
    let text = literal.value();
    let is_plain = |c: char| !c.is_control() && !matches!(c, ':' | '{' | '}');
    let problems = Template::parse(&text).problems;
    if text.is_empty() || !text.chars().all(is_plain) || !problems.is_empty() {
        diag.error(
            literal.span(),
            "`tenant` must be one segment of a key, a non-empty string without `:` and braces: with `tenant = \"t\"`, keys of \
             the tenant `acme` start with `t:acme:`",
        );
    }
}

/// Reports a template that repeats the prefix, as in `cart:cart:user`. That is usually an error.
pub(super) fn doubled(model: &Keyspace<'_>, entry: &Entry<'_>, diag: &Diag) {
    let (Some(prefix), Some(template), false) =
        (model.prefix(), &entry.template, model.container.allow_doubled_prefix)
    else {
        return;
    };
    let text = template.to_string();
    // The whole prefix, or its last segment: `shop:cart:cart:7` is usually an error too.
    let last = prefix.rsplit(':').next().unwrap_or_default();
    let twice = [prefix.as_str(), last].into_iter().map(|what| (what, without_prefix(&text, what)));
    let Some((what, rest)) = twice.into_iter().find(|(what, rest)| !what.is_empty() && *rest != text) else {
        return;
    };
    let what =
        if what == prefix { "the prefix".to_owned() } else { format!("`{what}`, the end of the prefix,") };
    let advice = match (&entry.written, rest) {
        (_, "") => format!("write only the text after it, as in `#[key({:?})]`", entry.name),
        (Some(_), rest) => format!("write the template without it, `{rest:?}`"),
        (None, rest) => format!("add a template without it, `#[key({rest:?})]`"),
    };
    diag.error(
        entry.template_span,
        format!("{what} is in the key twice, `{prefix}:{text}`: {advice}, or add `allow_doubled_prefix` to `#[keyspace(..)]` if this is intended"),
    );
}

/// Removes all repetitions of the prefix. Otherwise the advice would cause the same error again.
fn without_prefix<'t>(template: &'t str, prefix: &str) -> &'t str {
    let mut rest = template;
    while let Some(shorter) = rest.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(':')) {
        rest = shorter.trim_start_matches(':');
    }
    rest
}
